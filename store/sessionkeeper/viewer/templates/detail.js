/* A call with its request and its answer side by side, or one message beside its bytes. */
const HEADINGS = { both: "Request and answer", request: "Request and its bytes", answer: "Answer and its bytes" };

class Detail {
  constructor(root, log, { close, frame, go }) {
    this.root = root;
    this.log = log;
    this.close = close;
    this.frame = frame;
    this.go = go;
    this.item = null;
    this.mode = "both";
    this.bytes = "raw";
  }
  hide() {
    this.item = null;
    this.root.hidden = true;
    this.root.replaceChildren();
  }
  /* Shows an item; nothing moves if it is shown already and has not changed. */
  async show(item, { again = false } = {}) {
    const state = item.isCall ? `${item.answer} ${item.outcome}` : "";
    if (this.item === item && this.state === state && !again) return;
    if (this.item !== item && this.mode === "answer" && item.answer === null) this.mode = "both";
    this.item = item;
    this.state = state;
    this.root.hidden = false;
    let frames;
    try {
      const wanted = item.isCall && item.answer !== null ? [item.seq, item.answer] : [item.seq];
      frames = await Promise.all(wanted.map((seq) => this.frame(seq)));
    } catch (error) {
      if (this.item === item) this.root.replaceChildren(this.head(item), el("p", { class: "blank" }, error.message));
      return;
    }
    if (this.item !== item || this.state !== state) return;
    this.root.replaceChildren(this.head(item), this.messages(item, frames), ...this.meanwhile(item, frames[0]));
  }
  head(item) {
    const facts = [];
    if (item.isCall) {
      facts.push(el("span", { class: `badge ${item.failed ? "failed" : item.missing ? "missing" : item.outcome}` }, OUTCOMES[item.outcome]));
      if (item.latency !== null) facts.push(el("b", {}, duration(item.latency)));
      facts.push(SIDE_NAMES[item.side], `id ${plain(JSON.stringify(item.id))}`, `at ${clock(item.start)}`);
    } else facts.push(el("span", { class: `badge ${item.kind}` }, item.kind), SIDE_NAMES[item.side], `at ${clock(item.start)}`);
    const title = item.isCall ? el("h2", {}, el("span", { class: "method" }, plain(item.method)), " ", item.name === null ? "" : plain(shorten(item.name, 200)))
      : el("h2", {}, plain(shorten(item.text || item.kind, 200)));
    const modes = item.isCall ? Object.entries(HEADINGS).filter(([mode]) => mode !== "answer" || item.answer !== null) : [];
    return el("header", { class: "detail-head" }, title, el("p", { class: "facts" }, ...facts.map((each) => el("span", {}, each))),
      el("p", { class: "modes", role: "group", "aria-label": "What to show" }, ...modes.map(([mode, label]) => button(label, () => {
        this.mode = mode;
        this.show(item, { again: true });
      }, { "aria-pressed": String(this.mode === mode) }))),
      button("×", this.close, { class: "icon close", "aria-label": "Close the details" }));
  }
  messages(item, [first, second]) {
    const load = (frame) => () => this.frame(frame.seq, true);
    const nameOf = (frame) => (!item.isCall ? frame.kind[0].toUpperCase() + frame.kind.slice(1) : frame.seq === item.seq ? "Request" : "Answer");
    const box = el("div", { class: "pair" });
    if (item.isCall && this.mode === "both") {
      box.append(messageNode(first, { title: "Request", load: load(first) }));
      if (second) box.append(messageNode(second, { title: "Answer", load: load(second) }));
      else box.append(el("article", { class: "message none" }, el("header", {}, el("h3", {}, "No answer")), el("p", { class: "blank" }, this.whyNone(item))));
      return box;
    }
    const frame = this.mode === "answer" && second ? second : first;
    const styles = [["raw", "Text"], ["hex", "Hex"]].map(([style, label]) => button(label, () => {
      this.bytes = style;
      this.show(item, { again: true });
    }, { class: "quiet", "aria-pressed": String(this.bytes === style) }));
    box.append(messageNode(frame, { title: nameOf(frame), load: load(frame) }),
      messageNode(frame, { title: "As sent", style: frame.text === null ? "hex" : this.bytes, load: load(frame), controls: frame.text === null ? [] : styles }));
    return box;
  }
  whyNone(item) {
    return {
      open: "It is still in progress.", unanswered: "The session ended before an answer came.",
      cancelled: "Its caller cancelled it, and no answer came after that.",
      unknown: "The answer may be in a frame that could not be read.",
    }[item.outcome] ?? "The answer was trimmed from the store.";
  }
  /* Progress steps of this call, and what else passed until its end. */
  meanwhile(item, request) {
    if (!item.isCall) return [];
    const token = progressToken(request);
    const between = this.log.during(item);
    const steps = token === null ? [] : between.filter((mark) => mark.kind === "progress" && mark.token === token);
    const rest = between.filter((mark) => mark.kind !== "progress");
    const line = (mark) => {
      const row = button("", () => this.go(mark), { class: `line-of ${mark.kind}` });
      row.append(el("span", { class: "at" }, `+${duration(mark.start - item.start)}`), el("span", { class: "kind" }, mark.kind),
        el("span", { class: "text" }, plain(shorten(mark.text, 240))));
      return el("li", {}, row);
    };
    const part = (heading, marks) => (marks.length ? [el("section", { class: "meanwhile" }, el("h3", {}, heading),
      el("ol", {}, ...marks.slice(0, 100).map(line)), marks.length > 100 ? el("p", {}, `and ${number(marks.length - 100)} more`) : null)] : []);
    return [...part(plural(steps.length, "progress step"), steps), ...part("Meanwhile", rest)];
  }
}

function progressToken(request) {
  try {
    const token = JSON.parse(request.text).params._meta.progressToken;
    return typeof token === "string" || typeof token === "number" ? token : null;
  } catch { return null; }
}
