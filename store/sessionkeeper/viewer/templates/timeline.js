/* Calls as bars on two lanes, drawn on a canvas: what is in view, as finely as there is room for. */
const AXIS = 20, GAP = 8, LABEL = 15, EDGE = 10;
const TONES = ["ink", "muted", "rule", "surface", "lane", "ok-edge", "own-edge", "error-edge", "open-edge", "failed-edge", "focus", "ok-fill", "own-fill", "link"];

class Timeline {
  constructor(root, log, { choose, changed }) {
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
  get end() { return this.to ?? this.time.length; }
  x(place) { return EDGE + ((place - this.from) / (this.end - this.from)) * (this.wide - 2 * EDGE); }
  placeAt(x) { return this.from + ((x - EDGE) / (this.wide - 2 * EDGE)) * (this.end - this.from); }

  lanes() {
    const rows = this.log.rowEnds.map((ends) => Math.max(1, ends.length));
    const room = this.high - AXIS - GAP - 2 * LABEL - 8;
    /* A side with nothing to show has one row. */
    const share = rows.map((count) => Math.min(count, 5));
    const unit = room / (share[0] + share[1]);
    const heights = share.map((count) => Math.min(unit * count, 16 * Math.max(count, 2)));
    const tops = [AXIS + LABEL, AXIS + LABEL + heights[0] + GAP + LABEL];
    return rows.map((count, side) => ({ top: tops[side], height: heights[side], row: heights[side] / count, count }));
  }
  toneOf(call) {
    if (call.failed) return "error-edge";
    if (call.outcome === "cancelled") return "failed-edge";
    if (call.missing) return "open-edge";
    return call.side ? "own-edge" : "ok-edge";
  }

  paint() {
    const ratio = devicePixelRatio || 1;
    this.wide = this.canvas.clientWidth;
    this.high = this.canvas.clientHeight;
    if (!this.wide || !this.tones) return;
    if (this.stale) this.lay();
    const pen = penFor(this.canvas, this.wide, this.high, ratio);
    const lanes = this.lanes();
    this.drawAxis(pen, lanes);
    const { calls } = this.log;
    const late = [];
    const left = this.time.timeAt(this.from), right = this.time.timeAt(this.end);
    const covered = lanes.map((lane) => new Float64Array(lane.count).fill(-1));
    let count = 0;
    for (let n = 0; n < calls.length; n++) {
      const call = calls[n];
      if (call.start > right) break;
      if (this.log.endOf(call) < left) continue;
      count++;
      if (call.failed || call.missing || call === this.chosen || call.outcome === "cancelled") { late.push(call); continue; }
      this.drawBar(pen, call, lanes[call.side], covered[call.side]);
    }
    for (const call of late) this.drawBar(pen, call, lanes[call.side], null);
    if (this.chosen?.isCall) this.drawBar(pen, this.chosen, lanes[this.chosen.side], null);
    this.drawBreaks(pen, lanes);
    this.drawMarks(pen, lanes, left, right);
    if (this.drag?.kind === "brush") {
      const [a, b] = [this.drag.x, this.drag.now].sort((p, q) => p - q);
      pen.globalAlpha = 0.15;
      pen.fillStyle = this.tones.focus;
      pen.fillRect(a, AXIS, b - a, this.high);
      pen.globalAlpha = 1;
    }
    this.canvas.dataset.drawn = count;
    this.paintMap(ratio);
    if (this.log.open.size && this.log.live && !this.log.ended) this.growSoon();
  }
  /* Bars of calls in progress grow; those who want less motion see a step a second. */
  growSoon() {
    if (this.growing) return;
    this.growing = true;
    setTimeout(() => { this.growing = false; this.update(this.items); }, matches("(prefers-reduced-motion: reduce)") ? 1000 : 100);
  }
  drawBar(pen, call, lane, covered) {
    const x = this.x(this.time.placeOf(call.start));
    const end = this.x(this.time.placeOf(this.log.endOf(call)));
    const width = Math.max(end - x, 2.5), height = Math.max(2, Math.min(lane.row - 1.5, 14));
    const y = lane.top + call.row * lane.row;
    const dim = this.wanted && !this.wanted.has(call);
    /* Where a bar of the same kind is already, another one of a pixel changes nothing. */
    if (covered && !dim) {
      if (x + width <= covered[call.row]) return;
      covered[call.row] = Math.max(covered[call.row], Math.floor(x + width));
    }
    const tone = this.tones[this.toneOf(call)];
    pen.globalAlpha = dim ? 0.16 : 1;
    pen.fillStyle = pen.strokeStyle = tone;
    if (call.missing) {
      const fading = pen.createLinearGradient(x, 0, x + width, 0);
      pen.globalAlpha = dim ? 0.1 : 0.45;
      fading.addColorStop(0, tone);
      fading.addColorStop(1, "transparent");
      if (call.outcome !== "open") pen.fillStyle = fading;
      pen.beginPath();
      pen.roundRect(x, y, width, height, 2);
      pen.fill();
      pen.globalAlpha = dim ? 0.2 : 1;
      pen.fillRect(x, y, 2.5, height);
      pen.setLineDash(call.outcome === "open" ? [] : [4, 3]);
      pen.lineWidth = 1;
      pen.strokeRect(x + 0.5, y + 0.5, Math.max(1, width - 1), height - 1);
      pen.setLineDash([]);
    } else if (width > 5) {
      pen.beginPath();
      pen.roundRect(x, y, width, height, 2);
      pen.fill();
    } else pen.fillRect(x, y, width, height);
    if (call.outcome === "cancelled" && width > 5) {
      pen.strokeStyle = this.tones.surface;
      pen.lineWidth = 1.5;
      pen.beginPath();
      for (let at = x + 4; at < x + width - 1; at += 5) { pen.moveTo(at, y + height); pen.lineTo(at + 3, y); }
      pen.stroke();
    }
    pen.globalAlpha = 1;
    if (call === this.chosen) {
      pen.strokeStyle = this.tones.ink;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.roundRect(x - 2.5, y - 2.5, width + 5, height + 5, 4);
      pen.stroke();
    }
  }
  /* Where a wait within calls is drawn shorter, the bars are broken, and its length is said. */
  drawBreaks(pen, lanes) {
    pen.font = "600 10.5px system-ui, sans-serif";
    pen.textAlign = "center";
    for (const [place, real, shown, busy] of this.time.folds) {
      const x = this.x(place), width = this.x(place + shown) - x;
      if (!busy || width < 12 || x + width < 0 || x > this.wide) continue;
      const middle = x + width / 2, label = duration(real), half = width > 56 ? pen.measureText(label).width / 2 + 6 : 2;
      for (const lane of lanes) {
        pen.fillStyle = this.tones.lane;
        for (const side of half > 2 ? [-half, half] : [0]) {
          pen.beginPath();
          pen.moveTo(middle + side - 3, lane.top + lane.height);
          pen.lineTo(middle + side + 1, lane.top - 2);
          pen.lineTo(middle + side + 4, lane.top - 2);
          pen.lineTo(middle + side, lane.top + lane.height);
          pen.fill();
        }
      }
      if (half === 2) continue;
      pen.fillStyle = this.tones.muted;
      pen.fillText(label, middle, lanes[0].top + lanes[0].height + 1);
    }
  }
  drawMarks(pen, lanes, left, right) {
    const { marks } = this.log;
    const seen = new Set();
    for (let n = lower(marks, left, (mark) => mark.start); n < marks.length && marks[n].start <= right; n++) {
      const mark = marks[n], lane = lanes[mark.side];
      const x = Math.round(this.x(this.time.placeOf(mark.start))), y = lane.top + lane.height + 1;
      const loud = LOUD.has(mark.kind), at = `${x} ${mark.side} ${loud}`;
      if (seen.has(at)) continue;
      seen.add(at);
      pen.fillStyle = loud ? this.tones["error-edge"] : mark.kind === "stderr" ? this.tones["open-edge"] : this.tones.muted;
      pen.beginPath();
      if (loud) { pen.moveTo(x, y - 3); pen.lineTo(x + 4, y + 1); pen.lineTo(x, y + 5); pen.lineTo(x - 4, y + 1); }
      else if (mark.kind === "stderr") pen.rect(x - 1.5, y, 3, 3);
      else pen.arc(x, y + 1.5, 1.5, 0, 7);
      pen.fill();
    }
  }
  drawAxis(pen, lanes) {
    const { tones, time } = this;
    lanes.forEach((lane, side) => {
      pen.fillStyle = tones.lane;
      pen.fillRect(0, lane.top - 3, this.wide, lane.height + 8);
    });
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "center";
    for (const [place, real, shown, busy] of time.folds) {
      const x = this.x(place), width = this.x(place + shown) - x;
      if (busy || x + width < 0 || x > this.wide) continue;
      pen.fillStyle = tones.surface;
      pen.globalAlpha = 0.75;
      for (const lane of lanes) pen.fillRect(x + width * 0.2, lane.top - 3, Math.max(1, width * 0.6), lane.height + 8);
      pen.globalAlpha = 1;
      if (width > 64) {
        pen.fillStyle = tones.muted;
        pen.fillText(`⋯ ${duration(real)}`, x + width / 2, lanes[0].top + lanes[0].height / 2);
      }
    }
    pen.fillStyle = tones.muted;
    pen.font = "600 11px system-ui, sans-serif";
    pen.textAlign = "left";
    lanes.forEach((lane, side) => pen.fillText(SIDE_NAMES[side], EDGE, lane.top - 6));
    pen.font = "11px system-ui, sans-serif";
    if (time.tail) {
      const x = this.x(time.done), width = this.x(time.length) - x;
      pen.fillStyle = tones.muted;
      pen.textAlign = "center";
      if (width > 40) pen.fillText(`⋯ ${duration(time.tail[0])}`, x + width / 2, AXIS - 6);
    }
    /* The time at the end of each pause, and at steps of a round length where there is room. */
    if (this.log.first === null) return;
    const marks = time.folds.filter((each) => !each[3]).map(([place, , shown]) => place + shown).concat(this.from === 0 ? [0] : []);
    const step = roundStep(((this.end - this.from) / this.wide) * 110);
    for (let place = Math.ceil(this.from / step) * step; place < Math.min(this.end, time.done); place += step) {
      if (!time.folds.some(([at, , shown]) => place > at - step * 0.6 && place < at + shown + step * 0.6)) marks.push(place);
    }
    const span = time.timeAt(this.end) - time.timeAt(this.from), digits = span < 1e3 ? 3 : span < 1e4 ? 2 : span < 6e4 ? 1 : 0;
    let last = -99;
    pen.textAlign = "left";
    for (const place of marks.sort((a, b) => a - b)) {
      const x = this.x(place);
      if (x < 0 || x - last < 62 || x > this.wide - (time.tail ? this.x(time.length) - this.x(time.done) : 0) - 50) continue;
      last = x;
      pen.fillStyle = tones.rule;
      pen.fillRect(Math.round(x), AXIS - 5, 1, 6);
      for (const lane of lanes) pen.fillRect(Math.round(x), lane.top - 3, 1, lane.height + 8);
      pen.fillStyle = tones.muted;
      pen.fillText(elapsed(time.timeAt(place) - this.log.first).slice(0, digits ? digits - 3 || undefined : -4), x + 3, AXIS - 6);
    }
  }
  paintMap(ratio) {
    const wide = this.map.clientWidth, high = this.map.clientHeight;
    const pen = penFor(this.map, wide, high, ratio), { tones, time } = this;
    const scale = (wide - 2 * EDGE) / time.length, columns = Math.ceil((wide - 2 * EDGE) / 3);
    if (this.columns?.[0].length !== columns + 1) this.columns = this.count(columns, scale);
    const [all, bad, top] = this.columns;
    for (let n = 0; n <= columns; n++) {
      if (!all[n]) continue;
      const height = Math.max(2, (Math.log1p(all[n]) / top) * (high - 6));
      pen.fillStyle = tones["ok-edge"];
      pen.globalAlpha = 0.55;
      pen.fillRect(EDGE + n * 3, high - height - 1, 2.5, height);
      pen.globalAlpha = 1;
      if (bad[n]) {
        pen.fillStyle = tones["error-edge"];
        pen.fillRect(EDGE + n * 3, high - Math.max(2, height * (bad[n] / all[n])) - 1, 2.5, Math.max(2, height * (bad[n] / all[n])));
      }
    }
    if (this.to === null && this.from === 0) return;
    const a = EDGE + this.from * scale, b = EDGE + this.end * scale;
    pen.fillStyle = tones.surface;
    pen.globalAlpha = 0.7;
    pen.fillRect(0, 0, a, high);
    pen.fillRect(b, 0, wide - b, high);
    pen.globalAlpha = 1;
    pen.strokeStyle = tones.focus;
    pen.lineWidth = 1.5;
    pen.strokeRect(Math.max(0.75, a), 0.75, Math.max(4, Math.min(wide - 0.75, b) - Math.max(0.75, a)), high - 1.5);
  }

  /* How many calls, and how many without a good end, begin in each column of the overview. */
  count(columns, scale) {
    const all = new Float32Array(columns + 1), bad = new Float32Array(columns + 1);
    for (const call of this.log.calls) {
      const n = Math.min(columns, Math.floor((this.time.placeOf(call.start) * scale) / 3));
      if (call.failed || call.missing) bad[n]++;
      all[n]++;
    }
    return [all, bad, Math.log1p(Math.max(1, ...all))];
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

function penFor(canvas, wide, high, ratio) {
  if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
    canvas.width = Math.round(wide * ratio);
    canvas.height = Math.round(high * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, wide, high);
  return pen;
}
function roundStep(wanted) {
  const power = 10 ** Math.floor(Math.log10(Math.max(wanted, 1e-3)));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= wanted);
}
