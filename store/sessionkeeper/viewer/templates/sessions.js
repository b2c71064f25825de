/* The list of sessions, the last used first; new ones appear by themselves. */
const nameOf = (side, fallback) => (side.name ? plain(shorten(side.name, 60)) : fallback);
const clientOf = (row) => nameOf(row.client, "unnamed client");
const serverOf = (row) => nameOf(row.server, "unnamed server");

class Sessions {
  constructor(root, { choose }) {
    this.root = root;
    this.rows = new Map();
    this.chosen = null;
    this.deleted = null; // the session that was shown when it was deleted
    this.wanted = "";
    this.choose = choose;
    this.renderSoon = soon(() => this.render());
    root.addEventListener("click", (event) => {
      const card = event.target.closest(".card");
      if (card) choose(card.dataset.key);
    });
    root.addEventListener("keydown", (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      const shown = this.shown(), at = shown.findIndex((row) => row.key === this.chosen);
      const next = shown[Math.max(0, Math.min(shown.length - 1, at + by))];
      if (next) choose(next.key);
    });
    setInterval(this.renderSoon, 15e3);
  }
  update({ changed, gone }) {
    for (const row of changed) this.rows.set(row.key, row);
    if (gone.includes(this.chosen)) this.deleted = this.rows.get(this.chosen);
    for (const key of gone) this.rows.delete(key);
    this.renderSoon();
  }
  get(key) { return this.rows.get(key); }
  find(text) { this.wanted = text.toLowerCase(); this.renderSoon(); }
  shown() {
    const all = [...this.rows.values()].sort((a, b) => b.activity - a.activity);
    if (!this.wanted) return all;
    return all.filter((row) => [clientOf(row), serverOf(row), row.name, row.id, row.state, row.transport, ...row.tags]
      .some((each) => String(each ?? "").toLowerCase().includes(this.wanted)));
  }
  render() {
    const shown = this.shown();
    one(".aside-head .count").textContent = this.rows.size ? number(this.rows.size) : "";
    if (!shown.length) {
      this.root.replaceChildren(this.rows.size
        ? el("p", { class: "blank" }, "No session matches.")
        : el("div", { class: "blank" }, el("p", {}, "This store has no sessions yet. Record a server, and it appears here:"),
          el("pre", {}, "sessionkeeper record --store sqlite:///tape.db -- python -m my_server")));
      return;
    }
    const above = this.root.scrollTop;
    this.root.replaceChildren(...shown.map((row) => this.card(row)));
    this.root.scrollTop = above;
  }
  card(row) {
    const chosen = row.key === this.chosen;
    const state = row.recorder === "gone" ? "recorder gone" : row.live ? (row.recorder === "silent" ? "silent" : "live") : row.state === "closed" ? "" : row.state;
    const calls = row.calls === null ? plural(row.frames, "frame") : row.exact ? plural(row.calls, "call") : `more than ${number(row.calls)} calls`;
    return el("div", { class: "card", role: "option", "data-key": row.key, id: `session-${row.key}`, "aria-selected": String(chosen) },
      el("p", { class: "names" }, el("b", {}, row.name ? plain(row.name) : clientOf(row)), " ", el("span", { class: "to" }, "→"), " ", el("b", {}, serverOf(row))),
      el("p", { class: "numbers" },
        state ? el("span", { class: `state ${row.live && row.recorder !== "gone" ? "live" : row.status}` }, state) : null,
        el("span", {}, calls),
        row.errors ? el("span", { class: "bad" }, plural(row.errors, "error")) : null,
        row.odd ? el("span", { class: "bad" }, `${number(row.odd)} odd`) : null,
        row.gaps ? el("span", { class: "bad" }, plural(row.gaps, "gap")) : null),
      el("p", { class: "when" }, `${row.transport} · `, ago(row.activity), ...row.tags.slice(0, 4).map((tag) => el("span", { class: "tag" }, plain(shorten(tag, 24))))));
  }
}

/* The heading of the session that is shown. */
function aboutSession(row, log, back, { isDeleted }) {
  const facts = [];
  const add = (label, value, bad = false) => { if (value) facts.push(el("span", { class: bad ? "bad" : "" }, el("b", {}, value), ` ${label}`)); };
  const calls = log.counts.all === 1 ? "call" : "calls";
  // While a log is read, nobody knows how many there are.
  add(log.live ? calls : `${calls} so far`, (log.live || log.counts.all) && number(log.counts.all));
  add(log.counts.errors === 1 ? "error" : "errors", log.counts.errors && number(log.counts.errors), true);
  add("without an answer", log.counts.missing && number(log.counts.missing), true);
  add(row.odd === 1 ? "odd frame" : "odd frames", row.odd && number(row.odd), true);
  add(row.gaps === 1 ? "gap" : "gaps", row.gaps && number(row.gaps), true);
  add("redacted", row.redacted && number(row.redacted));
  const version = (side) => (side.version ? el("span", { class: "version" }, ` ${plain(shorten(side.version, 24))}`) : null);
  const length = (row.ended ?? row.activity) - row.created;
  const how = [row.transport, row.version && plain(row.version), row.live ? null : row.state, clock(row.created, { date: true }), duration(length)];
  return [
    el("div", { class: "title" }, button("‹ Sessions", back, { class: "back" }),
      el("h1", {}, clientOf(row), version(row.client), el("span", { class: "to" }, " → "), serverOf(row), version(row.server)),
      row.live && row.recorder !== "gone" && !isDeleted ? el("span", { class: "state live" }, "live") : null),
    el("p", { class: "facts" }, ...facts, el("span", { class: "how" }, how.filter(Boolean).join(" · "))),
    row.failure || row.recorder === "gone" ? el("p", { class: "failure" }, row.failure ? plain(row.failure) : "Its recorder is gone: the session has no end.") : null,
    isDeleted ? el("p", { class: "note" }, "This session was deleted from the store. What was read of it is still shown.") : null,
    row.last_seq > row.frames ? el("p", { class: "note" }, `The first ${number(row.last_seq - row.frames)} frames were trimmed from the store. Calls whose request is among them are missing.`) : null,
  ].filter(Boolean);
}
