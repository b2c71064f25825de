/* The keyboard, and the help that lists it. */
const KEYS = [
  ["j  k  ↓  ↑", "next and previous call"], ["Enter", "open the call; again: its request beside its bytes"], ["Esc", "close the details, then clear the filters"],
  ["/", "search the messages of the session"], ["e  u  a", "errors, calls without an answer, all calls"], ["o", "other messages: notifications, stderr"],
  ["n  p", "next and previous error"], ["[  ]", "next newer and older session"], ["+  −  0", "zoom the timeline in, out, show all"], ["f", "fold pauses, or show real time"],
  ["1  2  3  4", "calls, problems, context, runs"], ["t", "light or dark"], ["?", "this help"],
];
function fillHelp(dialog) {
  const close = button("Close", () => dialog.close());
  dialog.replaceChildren(el("h2", {}, "Keys"),
    el("dl", {}, ...KEYS.map(([keys, what]) => el("div", {}, el("dt", {}, ...keys.split("  ").map((key) => el("kbd", {}, key))), el("dd", {}, what)))),
    el("h2", {}, "The timeline"),
    el("p", {}, "Each bar is a call, from its request to its answer: calls of the client above, calls of the server (sampling, elicitation, roots) below. Drag over a stretch to see only that; the list follows. Pauses in which nothing happened are folded, and long waits are broken."),
    el("p", { class: "signs" }, el("i", { class: "result" }), "answered", el("i", { class: "from-server" }), "asked by the server", el("i", { class: "failed" }), "error", el("i", { class: "missing" }), "no answer", el("i", { class: "cancelled" }), "cancelled"),
    close);
}
/* Calls the action of a key, unless somebody is writing. */
function listenToKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (one("dialog[open]")) return;
    const writing = event.target.matches("input, select, textarea");
    if (writing && event.key !== "Escape" && !(event.key === "Enter" && event.target.matches(".search"))) return;
    if (event.key === "Enter" && event.target.matches("button, summary, a")) return;
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
    if (!action) return;
    event.preventDefault();
    action(event);
  });
}
