/* The list: only the rows in view are nodes, however many there are. */
class CallList {
  constructor(root, log, { choose }) {
    this.root = root;
    this.log = log;
    this.extent = one(".extent", root);
    this.items = [];
    this.nodes = new Map();
    this.chosen = null;
    this.renderSoon = soon(() => this.render());
    this.empty = el("p", { class: "blank", hidden: true });
    root.append(this.empty);
    root.addEventListener("scroll", this.renderSoon, { passive: true });
    root.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row) choose(this.items[Number(row.dataset.at)]);
    });
    new ResizeObserver(() => { this.nodes.forEach((node) => node.remove()); this.nodes.clear(); this.renderSoon(); }).observe(root);
  }
  get height() { return narrow() ? 50 : 28; }

  /* Shows other items. Who is at the end stays there, as new ones come. */
  update(items, { why = "", stay = false } = {}) {
    const { root } = this;
    const atEnd = root.scrollTop + root.clientHeight > root.scrollHeight - 4;
    this.items = items;
    this.places = null;
    this.slowest = 1;
    for (const item of items) if (item.isCall && item.latency > this.slowest) this.slowest = item.latency;
    this.extent.style.height = `${items.length * this.height}px`;
    this.empty.hidden = items.length > 0;
    this.empty.textContent = why;
    if (atEnd && stay && this.log.live && !this.log.ended) root.scrollTop = root.scrollHeight;
    this.nodes.forEach((node) => node.remove());
    this.nodes.clear();
    this.render();
  }
  render() {
    const { root, items, height } = this;
    const first = Math.max(0, Math.floor(root.scrollTop / height) - 6);
    const after = Math.min(items.length, Math.ceil((root.scrollTop + root.clientHeight) / height) + 6);
    for (const [at, node] of this.nodes) {
      if (at < first || at >= after) { node.remove(); this.nodes.delete(at); }
    }
    for (let at = first; at < after; at++) {
      if (this.nodes.has(at)) continue;
      const node = this.row(items[at], at);
      node.style.transform = `translateY(${at * height}px)`;
      this.nodes.set(at, node);
      this.extent.append(node);
    }
    const at = this.chosenAt();
    if (at >= first && at < after) root.setAttribute("aria-activedescendant", `row-${at}`);
    else root.removeAttribute("aria-activedescendant");
  }
  row(item, at) {
    const node = el("div", {
      class: `row ${item === this.chosen ? "chosen" : ""}`, role: "option", id: `row-${at}`, "data-at": at,
      "aria-selected": String(item === this.chosen), "aria-posinset": at + 1, "aria-setsize": this.items.length,
    });
    const offset = elapsed(item.start - this.log.first);
    const arrow = el("span", { class: "arrow", title: SIDE_NAMES[item.side] }, SIDES[item.side]);
    if (!item.isCall) {
      node.classList.add("mark", item.kind);
      node.append(el("span", { class: "at" }, offset), arrow,
        el("span", { class: "what" }, el("span", { class: "kind" }, item.kind), " ", el("span", { class: "text" }, plain(item.text))),
        el("span", { class: "outcome" }), el("span", { class: "latency" }), el("span", { class: "size" }, bytes(item.size)));
      return node;
    }
    node.classList.add(item.side ? "from-server" : "from-client", item.failed ? "failed" : item.missing ? "missing" : item.outcome);
    const bar = el("i");
    if (item.latency !== null) bar.style.width = `${Math.max(2, (Math.log1p(item.latency * 10) / Math.log1p(this.slowest * 10)) * 100)}%`;
    const wordless = item.outcome === "result" && item.excerpt;
    const outcome = item.error ? `${item.code ?? ""} ${plain(item.error)}`.trim() : item.outcome === "result" ? "" : [OUTCOMES[item.outcome], item.excerpt && plain(item.excerpt)].filter(Boolean).join(" · ");
    node.append(
      el("span", { class: "at" }, offset), arrow,
      el("span", { class: "what" }, el("span", { class: "method" }, plain(item.method)), item.name === null ? null : el("b", {}, plain(item.name))),
      el("span", { class: "outcome" }, wordless ? el("span", { class: "arguments" }, plain(item.excerpt)) : outcome, item.steps ? el("small", {}, ` ${plural(item.steps, "step")}`) : null),
      el("span", { class: "latency" }, el("span", { class: "bar" }, bar), item.latency === null ? "" : duration(item.latency)),
      el("span", { class: "size" }, item.answered === null ? "–" : bytes(item.answered)),
    );
    return node;
  }
  chosenAt() {
    if (!this.chosen) return -1;
    this.places ??= new Map(this.items.map((item, at) => [item, at]));
    return this.places.get(this.chosen) ?? -1;
  }
  choose(item) {
    this.chosen = item;
    this.nodes.forEach((node) => node.remove());
    this.nodes.clear();
    const at = this.chosenAt(), { root, height } = this;
    if (at >= 0) {
      if (at * height < root.scrollTop) root.scrollTop = at * height;
      else if ((at + 1) * height > root.scrollTop + root.clientHeight) root.scrollTop = (at + 1) * height - root.clientHeight;
    }
    this.render();
  }
  /* The item that many rows below the chosen one. */
  beside(by) {
    const at = this.chosenAt();
    if (at < 0) return this.items[by > 0 ? Math.min(this.items.length - 1, Math.ceil(this.root.scrollTop / this.height)) : this.items.length - 1];
    return this.items[Math.max(0, Math.min(this.items.length - 1, at + by))];
  }
}
