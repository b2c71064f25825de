/* Draws calls as bars on two lanes: what is in view, as finely as there is room for. */
const AXIS = 20, GAP = 8, LABEL = 15, EDGE = 10;
const TONES = ["ink", "muted", "rule", "surface", "lane", "ok-edge", "own-edge", "error-edge", "open-edge", "failed-edge", "focus", "ok-fill", "own-fill", "link"];
/* What `Timeline` shows, drawn: `time` places the calls of `log`, of which `from` to `end` is in view. */
class TimelineDrawing {
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
    /* Thousands of bars have to be thin, or the errors among them would hide the rest. */
    this.thinnest = calls.length * ((this.end - this.from) / this.time.length) > 2_000 ? 1.2 : 2.5;
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
    const width = Math.max(end - x, this.thinnest), height = Math.max(2, Math.min(lane.row - 1.5, 14));
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
