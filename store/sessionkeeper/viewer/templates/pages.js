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
