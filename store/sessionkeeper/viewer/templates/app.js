/* The page: what is shown, the address that says so, and what follows from each action. */
const embedded = document.getElementById("data");
const address = new URLSearchParams(location.hash.slice(1));
const source = embedded ? new FileSource(JSON.parse(embedded.textContent)) : new ServerSource(address.get("key") ?? "");
const state = { view: "calls", session: null, call: null };
const log = new Log(), body = document.body;

const sessions = new Sessions(one(".sessions"), { choose: (key) => { show("calls"); open(key); } });
const timeline = new Timeline(one(".timeline"), log, {
  choose: (item) => choose(item),
  changed: (span) => { [log.filter.from, log.filter.to] = span ?? [-Infinity, Infinity]; filterSoon(); },
});
const list = new CallList(one(".list"), log, { choose: (item) => choose(item) });
const detail = new Detail(one(".detail"), log, {
  close: () => choose(null),
  frame: (seq, whole = false) => source.frame(state.session, seq, whole),
  go: (mark) => { log.filter.others = true; filterNow(); choose(mark); },
});

/* The address has the state, so it can be kept, or opened in another tab. */
function writeAddress() {
  const now = new URLSearchParams();
  for (const [name, value] of [["key", address.get("key")], ["view", state.view === "calls" ? null : state.view], ["session", state.session],
    ["call", state.call?.seq], ["theme", document.documentElement.dataset.theme]]) {
    if (value !== null && value !== undefined && value !== "") now.set(name, value);
  }
  history.replaceState(null, "", `#${now}`);
}
function readAddress() {
  const found = new URLSearchParams(location.hash.slice(1));
  if (found.get("key") !== address.get("key")) { location.reload(); return; }
  if (found.get("theme")) setTheme(found.get("theme"));
  wanted = { seq: Number(found.get("call")) || null };
  show(["problems", "context", "runs"].includes(found.get("view")) ? found.get("view") : "calls");
  if (found.get("session") && found.get("session") !== state.session) open(found.get("session"), { call: wanted.seq });
  else if (wanted.seq) reach();
}

/* Follows a session until another one is opened. */
let following = new AbortController(), wanted = { seq: null };
function open(key, { call = null, show: pane = true } = {}) {
  following.abort();
  following = new AbortController();
  state.session = key === "newest" ? null : key;
  state.call = null;
  wanted = { seq: call };
  sessions.chosen = state.session;
  sessions.renderSoon();
  log.clear();
  clearFilters();
  timeline.reset();
  timeline.chosen = list.chosen = null;
  detail.hide();
  splitter.hidden = true;
  list.root.scrollTop = 0;
  body.classList.toggle("loading", Boolean(key));
  if (key && pane && key !== "newest") body.dataset.pane = "session";
  follow(key, following.signal);
  if (key) writeAddress();
  filterNow();
}
async function follow(key, signal) {
  let isOld = false;
  for (let wait = 500; !signal.aborted; wait = Math.min(wait * 2, 5000)) {
    let why = "The server has ended, or the store cannot be read. What was read is still shown.";
    try {
      tellLink(source.live ? "connecting" : "");
      let begun = false;
      await source.follow(key, (event, data) => {
        if (signal.aborted) return;
        if (isOld) { isOld = false; log.clear(); }
        if (!begun && source.live) { begun = true; wait = 500; tellLink("live"); }
        take(event, data);
      }, signal);
      if (!source.live) { tellLink("a file"); return; }
    } catch (error) {
      if (signal.aborted) return;
      if (error.status && error.status !== 503) { tellLink("not live", error.message); tellBlank(error.message); return; }
      if (error.status) why = error.message;
    }
    if (signal.aborted) return;
    tellLink("not live", why);
    if (!log.calls.length && !log.marks.length) tellBlank(why);
    await new Promise((done) => { setTimeout(done, wait); });
    key = state.session ?? key;
    isOld = Boolean(state.session); // what comes next has all of it again
  }
}
function take(event, data) {
  if (event === "sessions") { sessions.update(data); headSoon(); redraw(); }
  if (event === "shown") { state.session = sessions.chosen = data.key; sessions.renderSoon(); writeAddress(); }
  if (event === "trouble") tellLink("not live", data.text);
  if (event !== "log") return;
  const before = log.calls.length, wasLive = log.live;
  log.add(data);
  if (data.live) body.classList.remove("loading");
  if (!log.live && before) { filterLater(); return; }
  if (log.calls.length !== before || !wasLive) methodsSoon();
  filterSoon();
  if (wanted.seq) reach();
  else if (state.call?.isCall) detail.show(state.call);
}
/* Chooses the call that the address names, as soon as it is there. */
function reach() {
  const item = log.find(wanted.seq);
  if (!item) return;
  wanted.seq = null;
  if (!item.isCall) log.filter.others = true;
  filterNow();
  choose(item);
}

function choose(item) {
  state.call = item ?? null;
  timeline.chosen = item ?? null;
  list.choose(item ?? null);
  if (item) {
    timeline.reveal(item);
    detail.show(item);
    splitter.hidden = false;
    requestAnimationFrame(() => list.choose(item));
  } else {
    detail.hide();
    splitter.hidden = true;
    timeline.paintSoon();
    list.root.focus({ preventScroll: true });
  }
  writeAddress();
}

function tellLink(text, why = "") {
  const link = one(".link");
  link.textContent = text;
  link.className = `link ${text.replace(" ", "-")}`;
  link.title = why;
  one(".trouble")?.remove();
  if (why) one(".panes").before(el("p", { class: "trouble", role: "alert" }, why));
}
function tellBlank(text) {
  body.classList.remove("loading");
  list.update([], { why: text });
}
