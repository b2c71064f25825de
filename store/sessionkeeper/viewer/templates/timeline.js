/* The timeline: which stretch of time is in view, and how it is chosen by pointer, wheel and keys. */
class Timeline extends TimelineDrawing {
  constructor(root, log, { choose, changed }) {
    super();
    this.log = log;
    this.choose = choose;
    this.changed = changed;
    this.canvas = one(".lanes", root);
    this.map = one(".overview", root);
    this.tip = one(".tip", root);
    this.fold = true;
    this.chosen = null;
    this.probe = el("i", { hidden: true });
    root.append(this.probe);
    this.paintSoon = soon(() => this.paint());
    new ResizeObserver(this.paintSoon).observe(root);
    this.reset();
    this.listen();
  }
  reset() { this.from = 0; this.to = null; this.time = new FoldedTime([], true); this.drag = this.wanted = this.items = this.columns = null; }

  readTones() {
    this.tones = {};
    for (const name of TONES) {
      this.probe.style.color = `var(--${name})`;
      this.tones[name] = getComputedStyle(this.probe).color;
    }
    this.paintSoon();
  }
  /* The log or the filter changed; the list is there a picture earlier than the timeline. */
  update(items) {
    this.items = items;
    this.stale = true;
    this.paintSoon();
  }
  lay() {
    this.stale = false;
    const spans = [], { items } = this;
    const { log } = this;
    let mark = 0;
    for (const call of log.calls) {
      while (mark < log.marks.length && log.marks[mark].start < call.start) spans.push([log.marks[mark].start, log.marks[mark++].start]);
      spans.push([call.start, call.latency === null ? call.start : log.endOf(call)]);
    }
    for (; mark < log.marks.length; mark++) spans.push([log.marks[mark].start, log.marks[mark].start]);
    const atEnd = this.to === null;
    const kept = atEnd ? null : [this.time.timeAt(this.from), this.time.timeAt(this.to)];
    this.time = new FoldedTime(spans, this.fold, log.now() - log.last);
    if (kept) [this.from, this.to] = kept.map((each) => this.time.placeOf(each));
    this.wanted = items && items.length < log.calls.length ? new Set(items) : null;
    this.columns = null;
  }

  /* Shows a stretch of time; the list follows. */
  show(from, to) {
    const length = this.time.length;
    const span = Math.max(to - from, length / 2e5, 0.01);
    from = Math.max(0, Math.min(from, length - span));
    const all = from <= length * 1e-4 && from + span >= length * 0.9999;
    this.from = all ? 0 : from;
    this.to = all ? null : from + span;
    this.changed(all ? null : [this.time.timeAt(this.from), this.time.timeAt(this.to)]);
    this.paintSoon();
  }
  zoom(factor, about = (this.from + this.end) / 2) {
    this.show(about - (about - this.from) / factor, about + (this.end - about) / factor);
  }
  pan(by) { this.show(this.from + by * (this.end - this.from), this.end + by * (this.end - this.from)); }
  setFold(fold) {
    this.fold = fold;
    this.from = 0;
    this.to = null;
    this.changed(null);
  }
  reveal(item) {
    this.chosen = item;
    const place = this.time.placeOf(item.start);
    if (this.to !== null && (place < this.from || place > this.to)) {
      const half = (this.to - this.from) / 2;
      this.show(place - half, place + half);
    }
    this.paintSoon();
  }
  hit(x, y) {
    const lanes = this.lanes();
    let best = null, nearest = 6;
    for (const call of this.log.calls) {
      const lane = lanes[call.side], top = lane.top + call.row * lane.row;
      if (y < top - 2 || y > top + lane.row + 1) continue;
      const from = this.x(this.time.placeOf(call.start)), to = Math.max(from + 2.5, this.x(this.time.placeOf(this.log.endOf(call))));
      const away = x < from ? from - x : x > to ? x - to : 0;
      if (away < nearest || (away === 0 && (call.failed || call.missing))) { nearest = away; best = call; }
    }
    return best;
  }
  listen() {
    const { canvas, map } = this;
    const at = (event, node) => event.clientX - node.getBoundingClientRect().left;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      this.drag = { kind: "click", x: at(event, canvas), now: at(event, canvas) };
    });
    canvas.addEventListener("pointermove", (event) => {
      const x = at(event, canvas), y = event.clientY - canvas.getBoundingClientRect().top;
      if (this.drag) {
        this.drag.now = x;
        if (Math.abs(x - this.drag.x) > 5) this.drag.kind = "brush";
        this.paintSoon();
      } else this.hover(this.hit(x, y), x, y);
    });
    canvas.addEventListener("pointerup", (event) => {
      const { drag } = this;
      this.drag = null;
      if (!drag) return;
      if (drag.kind === "brush") {
        const [a, b] = [drag.x, drag.now].sort((p, q) => p - q);
        this.show(this.placeAt(a), this.placeAt(b));
      } else {
        const call = this.hit(drag.x, event.clientY - canvas.getBoundingClientRect().top);
        if (call) this.choose(call);
      }
    });
    canvas.addEventListener("pointerleave", () => this.hover(null));
    canvas.addEventListener("dblclick", () => this.show(0, this.time.length));
    canvas.addEventListener("wheel", (event) => {
      if (event.ctrlKey || event.metaKey) this.zoom(Math.exp(-event.deltaY / 150), this.placeAt(at(event, canvas)));
      else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) this.pan((event.deltaX || event.deltaY) / this.wide);
      else return;
      event.preventDefault();
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const action = { "+": () => this.zoom(1.6), "=": () => this.zoom(1.6), "-": () => this.zoom(1 / 1.6), 0: () => this.show(0, this.time.length),
        ArrowLeft: () => this.pan(-0.2), ArrowRight: () => this.pan(0.2) }[event.key];
      if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      action();
    });
    const placeOn = (event) => ((at(event, map) - EDGE) / (map.clientWidth - 2 * EDGE)) * this.time.length;
    let held = null;
    const move = (event) => {
      const place = placeOn(event);
      if (held.kind === "move") this.show(place - held.before, place - held.before + held.span);
      else this.show(Math.min(place, held.start), Math.max(place, held.start));
    };
    map.addEventListener("pointerdown", (event) => {
      map.setPointerCapture(event.pointerId);
      const place = placeOn(event);
      const inside = this.to !== null && place > this.from && place < this.to;
      held = inside ? { kind: "move", before: place - this.from, span: this.to - this.from } : { kind: "brush", start: place };
    });
    map.addEventListener("pointermove", (event) => { if (held && event.buttons) move(event); });
    map.addEventListener("pointerup", () => { held = null; });
    map.addEventListener("dblclick", () => this.show(0, this.time.length));
  }
  hover(call, x = 0, y = 0) {
    this.tip.hidden = !call;
    this.canvas.style.cursor = call ? "pointer" : "";
    if (!call) return;
    const what = plain(`${call.method} ${call.name ?? ""}`);
    this.tip.replaceChildren(el("b", {}, shorten(what, 70)), ` ${call.latency === null ? OUTCOMES[call.outcome] : duration(call.latency)}`,
      call.failed ? ` · ${plain(shorten(call.error || OUTCOMES[call.outcome], 120))}` : "");
    const half = this.tip.offsetWidth / 2;
    this.tip.style.left = `${Math.max(4, Math.min(this.wide - 2 * half - 4, x - half))}px`;
    this.tip.style.top = `${y + 16}px`;
  }
}
