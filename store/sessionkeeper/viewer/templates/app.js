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
  for (let wait = 500; !signal.aborted; wait = Math.min(wait * 2, 5000)) {
    try {
      tellLink(source.live ? "connecting" : "");
      let begun = false;
      await source.follow(key, (event, data) => {
        if (signal.aborted) return;
        if (!begun && source.live) { begun = true; wait = 500; tellLink("live"); }
        take(event, data);
      }, signal);
      if (!source.live) { tellLink("a file"); return; }
    } catch (error) {
      if (signal.aborted) return;
      if (error.status) { tellLink("not live", error.message); tellBlank(error.message); return; }
    }
    if (signal.aborted) return;
    tellLink("not live", "The server has ended, or the store cannot be read. What was read is still shown.");
    await new Promise((done) => { setTimeout(done, wait); });
    key = state.session ?? key;
    if (!signal.aborted && state.session) log.clear();
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

/* What is wanted has changed, or there is more. */
function filterNow() {
  const items = log.wanted();
  list.update(items, { why: whyEmpty(), stay: true });
  timeline.update(items);
  drawKinds();
  drawHead();
}
/* While a long log is read, it is drawn some times a second. */
let later = 0;
const filterLater = () => { later ||= setTimeout(() => { later = 0; filterNow(); }, 150); };
const filterSoon = soon(filterNow), headSoon = soon(drawHead), methodsSoon = soon(drawMethods);
function whyEmpty() {
  if (!state.session) return sessions.rows.size ? "Choose a session." : "";
  if (body.classList.contains("loading")) return "Reading …";
  if (log.calls.length || log.marks.length) return log.calls.length ? "No call matches. Esc clears the filters." : "This session has no calls, only other messages: press o.";
  const row = sessions.get(state.session);
  if (row && row.last_seq > row.frames && !row.frames) return "All frames of this session were trimmed from the store.";
  return log.ended ? "This session ended without a single message." : "Nothing has been sent yet. The first message appears here at once.";
}
function drawHead() {
  const row = sessions.get(state.session);
  const about = one(".about");
  body.classList.toggle("no-session", !state.session);
  if (!row) { about.replaceChildren(el("div", { class: "title" }, el("h1", {}, state.session ? "…" : "No session"))); return; }
  about.replaceChildren(...aboutSession(row, log, () => { body.dataset.pane = "sessions"; }));
  document.title = `${clientOf(row)} → ${serverOf(row)} · sessionkeeper`;
  one(".lanes").setAttribute("aria-label", `Timeline of ${plural(log.counts.all, "call")}, ${plural(log.counts.errors, "error")}`);
}
function drawKinds() {
  const { counts, filter } = log;
  const kinds = [["all", "All", counts.all], ["errors", "Errors", counts.errors], ["missing", "No answer", counts.missing]];
  one(".kinds").replaceChildren(
    ...kinds.map(([kind, label, count]) => button(`${label} ${number(count)}`, () => { filter.kind = kind; filterNow(); }, { "aria-pressed": String(filter.kind === kind), class: count ? kind : "zero" })),
    button(`Other messages ${number(counts.others)}`, () => { filter.others = !filter.others; filterNow(); }, { "aria-pressed": String(filter.others), class: "others" }),
    ...(filter.from === -Infinity ? [] : [button(`${duration(filter.to - filter.from)} of time ×`, () => timeline.show(0, timeline.time.length), { class: "span" })]),
  );
}
function drawMethods() {
  for (const [name, label] of [["method", "Any method"], ["name", "Any tool or name"]]) {
    const counts = new Map();
    for (const call of log.calls) if (call[name] !== null && counts.size < 500) counts.set(call[name], (counts.get(call[name]) ?? 0) + 1);
    const chosen = log.filter[name], select = one(`select.${name}`);
    const sorted = [...counts].sort((a, b) => b[1] - a[1]);
    select.replaceChildren(el("option", { value: "" }, label), ...sorted.map(([value, count]) => {
      const option = el("option", {}, `${plain(shorten(value, 60))} (${number(count)})`);
      option.value = value;
      return option;
    }));
    select.value = chosen;
  }
}
function clearFilters() {
  Object.assign(log.filter, { text: "", found: null, kind: "all", slow: 0, method: "", name: "", others: false, from: -Infinity, to: Infinity });
  one(".search").value = one("select.method").value = one("select.name").value = "";
  one(".slow").value = "0";
  one(".matches").textContent = "";
}

/* Searches what the list shows at once, and the whole messages where they are. */
let searches = 0;
async function search(text) {
  const turn = ++searches;
  log.filter.text = text.toLowerCase();
  log.filter.found = null;
  filterSoon();
  const told = one(".matches");
  told.textContent = text ? "searching …" : "";
  if (!text || !state.session) return;
  try {
    const { found, complete } = await source.search(state.session, text);
    if (turn !== searches) return;
    log.filter.found = new Set(found);
    told.textContent = `in ${complete ? "" : "more than "}${plural(found.length, "message")}`;
    filterSoon();
  } catch (error) { if (turn === searches) told.textContent = error.message; }
}
let typing = 0;
one(".search").addEventListener("input", (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => search(event.target.value.trim()), 150);
});
one(".find-session").addEventListener("input", (event) => sessions.find(event.target.value.trim()));
for (const name of ["method", "name"]) one(`select.${name}`).addEventListener("change", (event) => { log.filter[name] = event.target.value; filterNow(); });
one(".slow").addEventListener("change", (event) => { log.filter.slow = Number(event.target.value); filterNow(); });

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

/* The other pages; each is read when it is shown. That of the runs has numbers of the sessions. */
let redraw = () => {};
async function show(view) {
  state.view = view;
  body.dataset.view = view;
  one(".calls-view").hidden = view !== "calls";
  const report = one(".report");
  report.hidden = view === "calls";
  for (const each of document.querySelectorAll("nav button")) each.setAttribute("aria-current", each.dataset.go === view ? "page" : "false");
  writeAddress();
  if (view === "calls") { timeline.paintSoon(); list.renderSoon(); return; }
  report.replaceChildren(el("p", { class: "blank" }, "Reading …"));
  const go = (key, seq = null) => {
    show("calls");
    body.dataset.pane = "session";
    if (key === state.session) { wanted.seq = seq; if (seq) reach(); } else open(key, { call: seq });
  };
  try {
    const found = await source.report(view);
    if (state.view !== view) return;
    const draw = { problems: () => problemsNode(found, go), context: () => contextNode(found), runs: () => runsNode(found, sessions, go) }[view];
    redraw = view === "runs" ? soon(() => { if (state.view === view) report.replaceChildren(draw()); }) : () => {};
    report.replaceChildren(draw());
  } catch (error) {
    if (state.view === view) report.replaceChildren(el("p", { class: "blank" }, error.message));
  }
}
for (const each of document.querySelectorAll("nav button")) each.addEventListener("click", () => show(each.dataset.go));

function setTheme(theme) {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  timeline.readTones();
}
const actions = {
  theme: () => {
    const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matches("(prefers-color-scheme: dark)");
    setTheme(dark ? "light" : "dark");
    writeAddress();
  },
  help: () => one(".help").showModal(),
  in: () => timeline.zoom(1.6), out: () => timeline.zoom(1 / 1.6), all: () => timeline.show(0, timeline.time.length),
  fold: () => {
    timeline.setFold(!timeline.fold);
    const shown = one("[data-do='fold']");
    shown.textContent = timeline.fold ? "Pauses folded" : "Real time";
    shown.setAttribute("aria-pressed", String(timeline.fold));
  },
};
for (const each of document.querySelectorAll("[data-do]")) each.addEventListener("click", actions[each.dataset.do]);

/* The height of the details: by pointer and by keys. */
const splitter = one(".splitter"), work = one(".work");
const setSplit = (part) => work.style.setProperty("--detail", `${Math.max(15, Math.min(85, part))}%`);
const splitNow = () => parseFloat(work.style.getPropertyValue("--detail")) || 58;
splitter.addEventListener("pointerdown", (event) => splitter.setPointerCapture(event.pointerId));
splitter.addEventListener("pointermove", (event) => {
  if (!event.buttons) return;
  const box = work.getBoundingClientRect();
  setSplit(((box.bottom - event.clientY) / box.height) * 100);
});
splitter.addEventListener("keydown", (event) => {
  const by = { ArrowUp: 5, ArrowDown: -5 }[event.key];
  if (!by) return;
  event.preventDefault();
  event.stopPropagation();
  setSplit(splitNow() + by);
});

const move = (by) => () => { if (state.view === "calls") { const item = list.beside(by); if (item) choose(item); } };
const jump = (at) => () => { const item = list.items.at(at); if (state.view === "calls" && item) choose(item); };
const moveToError = (by) => () => {
  const at = list.chosenAt(), { items } = list;
  for (let n = at < 0 ? (by > 0 ? 0 : items.length - 1) : at + by; n >= 0 && n < items.length; n += by) {
    if (items[n].failed || items[n].missing || LOUD.has(items[n].kind)) { choose(items[n]); return; }
  }
};
const moveSession = (by) => () => {
  const shown = sessions.shown(), at = shown.findIndex((row) => row.key === state.session);
  const next = shown[at + by];
  if (next) open(next.key);
};
const setKind = (kind) => () => { log.filter.kind = kind; filterNow(); };
listenToKeys({
  j: move(1), k: move(-1), ArrowDown: move(1), ArrowUp: move(-1), PageDown: move(10), PageUp: move(-10), Home: jump(0), End: jump(-1),
  n: moveToError(1), p: moveToError(-1), "[": moveSession(-1), "]": moveSession(1),
  e: setKind("errors"), u: setKind("missing"), a: setKind("all"), o: () => { log.filter.others = !log.filter.others; filterNow(); },
  Enter: () => {
    if (document.activeElement === one(".search")) { list.root.focus(); move(1)(); return; }
    if (!state.call) { move(1)(); return; }
    detail.mode = detail.mode === "both" ? "request" : "both";
    detail.show(state.call, { again: true });
  },
  Escape: () => {
    if (document.activeElement.matches("input, select")) { document.activeElement.blur(); if (!log.filter.text) return; }
    if (state.call) { choose(null); return; }
    clearFilters();
    timeline.show(0, timeline.time.length);
    filterNow();
  },
  "/": () => one(".search").focus(), "?": actions.help, t: actions.theme, f: actions.fold,
  "+": actions.in, "=": actions.in, "-": actions.out, 0: actions.all,
  1: () => show("calls"), 2: () => show("problems"), 3: () => show("context"), 4: () => show("runs"),
});

fillHelp(one(".help"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => timeline.readTones());
addEventListener("hashchange", readAddress);
setTheme(address.get("theme"));
body.classList.toggle("file", !source.live);
if (source.live && !address.get("key")) {
  tellLink("not live", "This address lacks its token. Use the address that sessionkeeper view printed.");
} else {
  source.store().then((found) => { one(".store").textContent = plain(found.name); if (found.note) one(".panes").before(el("p", { class: "caution" }, found.note)); }).catch(() => {});
  if (["problems", "context", "runs"].includes(address.get("view"))) show(address.get("view"));
  else show("calls");
  const asked = address.get("session");
  open(asked ?? (narrow() ? null : "newest"), { call: Number(address.get("call")) || null });
}
