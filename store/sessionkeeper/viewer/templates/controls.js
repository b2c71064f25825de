/* Buttons, keys, the height of the details; then the page begins. */
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
