/* Time in which nothing happens is drawn shorter: what takes milliseconds stays visible beside minutes
   of silence, and beside one call that waits for seconds. */
class FoldedTime {
  /* `spans` are [from, to]. `waiting` is how long nothing but waiting happened after them: it is drawn
     ever longer, but never as more than a fifth. */
  constructor(spans, fold, waiting = 0) {
    const gaps = gapsOf(spans), { idle, busy } = fold ? cutsOf(gaps) : { idle: Infinity, busy: Infinity };
    this.times = [spans.length ? Math.min(gaps.first, gaps.last) : 0];
    this.places = [0];
    this.folds = [];  /* [place, real length, shown length, whether a call was in progress] */
    let place = 0;
    for (let n = 0; n < gaps.from.length; n++) {
      const real = gaps.to[n] - gaps.from[n], cut = gaps.busy[n] ? busy : idle;
      if (real > cut * 1.5) {
        this.knot(gaps.from[n], place);
        this.folds.push([place, real, cut, gaps.busy[n]]);
        place += cut;
        this.knot(gaps.to[n], place);
      } else place += real;
    }
    this.done = Math.max(place, 1e-3);
    this.knot(spans.length ? gaps.last : 1, this.done);
    const most = fold ? this.done / 4 : Infinity;
    this.tail = waiting > 0 ? [waiting, most === Infinity ? waiting : (most * waiting) / (most + waiting)] : null;
    this.length = this.done + (this.tail ? this.tail[1] : 0);
    if (this.tail) this.knot(this.times.at(-1) + waiting, this.length);
  }
  knot(time, place) {
    if (time <= this.times.at(-1)) return;
    this.times.push(time);
    this.places.push(place);
  }
  placeOf(time) { return between(this.times, this.places, time, this); }
  timeAt(place) { return between(this.places, this.times, place, {}); }
}

/* A value of a line through points. Mostly it is near the one before. */
function between(from, to, value, memory) {
  if (from.length < 2) return to[0];  /* everything was in one instant */
  const last = from.length - 2;
  let n = memory.near ?? 0;
  if (value < from[n] || value > from[n + 1]) {
    n++;
    if (!(value >= from[n] && value <= from[n + 1])) n = lower(from, value) - 1;
    n = Math.max(0, Math.min(last, n));
  }
  memory.near = n;
  const part = (value - from[n]) / (from[n + 1] - from[n]);
  return to[n] + Math.max(0, Math.min(1, part)) * (to[n + 1] - to[n]);
}

/* The times between one beginning or end and the next, and whether a call was in progress. */
function gapsOf(spans) {
  const starts = Float64Array.from(spans, (span) => span[0]).sort(), ends = Float64Array.from(spans, (span) => span[1]).sort();
  const found = { from: [], to: [], busy: [], first: starts[0], last: ends.at(-1) };
  let begun = 0, ended = 0, now = starts[0];
  while (ended < ends.length) {
    const next = begun < starts.length && starts[begun] <= ends[ended] ? starts[begun] : ends[ended];
    if (next > now) {
      found.from.push(now);
      found.to.push(next);
      found.busy.push(begun > ended);
      now = next;
    }
    if (begun < starts.length && starts[begun] === next) begun++; else ended++;
  }
  return found;
}

/* How long such times are drawn at most. One wait within a call takes at most a fifth of the picture,
   and all pauses between calls together at most a third. */
function cutsOf({ from, to, busy }) {
  const waits = [], pauses = [];
  for (let n = 0; n < from.length; n++) (busy[n] ? waits : pauses).push(to[n] - from[n]);
  waits.sort((a, b) => a - b);
  const sum = (cut) => waits.reduce((total, each) => total + Math.min(each, cut), 0);
  const usual = waits[Math.floor(waits.length / 2)] ?? 0;
  let wait = Infinity;
  for (let round = 0; round < 5; round++) wait = Math.max(sum(wait) / 5, usual * 3, 1e-3);
  const total = Math.max(sum(wait), 1);
  let pause = Math.max(total * 0.04, 0.2);
  for (let round = 0; round < 2; round++) {
    const count = pauses.filter((each) => each > pause).length;
    if (count * pause > total / 2) pause = Math.max(total / 2 / count, 0.01);
  }
  return { busy: wait, idle: pause };
}
