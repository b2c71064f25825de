/* Above the list: what is wanted of the log, and the search. */

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
  const found = sessions.get(state.session), { deleted } = sessions;
  const isDeleted = !found && Boolean(state.session) && deleted?.key === state.session;
  const row = isDeleted ? deleted : found, about = one(".about");
  body.classList.toggle("no-session", !state.session);
  if (!row) { about.replaceChildren(el("div", { class: "title" }, el("h1", {}, state.session ? "…" : "No session"))); return; }
  about.replaceChildren(...aboutSession(row, log, () => { body.dataset.pane = "sessions"; }, { isDeleted }));
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
