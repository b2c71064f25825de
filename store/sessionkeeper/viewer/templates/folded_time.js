/* Time without its pauses: what happens in milliseconds stays visible beside minutes of silence. */
class FoldedTime {
  /* `spans` are [from, to] in the order of their beginnings. `waiting` is how long nothing but waiting
     happened after them: it is drawn ever longer, but never as more than a fifth. */
  constructor(spans, fold, waiting = 0) {
    this.starts = [];  /* real time at which a stretch begins */
    this.shown = [];   /* the place of that moment */
    this.lengths = [];
    this.pauses = [];  /* [place, real length, shown length] of each folded pause */
    const stretches = [];
    for (const [from, to] of spans) {
      const last = stretches[stretches.length - 1];
      if (last && from <= last[1]) last[1] = Math.max(last[1], to);
      else stretches.push([from, to]);
    }
    if (!stretches.length) stretches.push([0, 1]);
    const cut = fold ? pauseLength(stretches) : Infinity;
    let place = 0;
    stretches.forEach(([from, to], n) => {
      if (n) {
        const pause = from - stretches[n - 1][1];
        if (pause > cut * 1.5) {
          this.pauses.push([place, pause, cut]);
          place += cut;
        } else place += pause;
      }
      this.starts.push(from);
      this.shown.push(place);
      this.lengths.push(to - from);
      place += to - from;
    });
    this.busy = Math.max(place, 1e-3);
    const most = fold ? this.busy / 4 : Infinity;
    this.tail = waiting > 0 ? [waiting, most === Infinity ? waiting : (most * waiting) / (most + waiting)] : null;
    this.length = this.busy + (this.tail ? this.tail[1] : 0);
  }
  placeOf(time) {
    const n = Math.max(0, lower(this.starts, time, (each) => each + 1e-9) - 1);
    const inside = Math.max(0, time - this.starts[n]), length = this.lengths[n];
    if (inside > length && n + 1 === this.starts.length) {
      return this.busy + (this.tail ? Math.min(1, (inside - length) / this.tail[0]) * this.tail[1] : 0);
    }
    if (inside <= length) return this.shown[n] + inside;
    /* In a pause: as far along as in real time. */
    const pause = this.starts[n + 1] - this.starts[n] - length;
    const room = this.shown[n + 1] - this.shown[n] - length;
    return this.shown[n] + length + ((inside - length) / pause) * room;
  }
  timeAt(place) {
    const n = Math.max(0, lower(this.shown, place, (each) => each + 1e-9) - 1);
    const inside = Math.max(0, place - this.shown[n]), length = this.lengths[n];
    if (inside > length && n + 1 === this.shown.length) {
      return this.starts[n] + length + (this.tail ? Math.min(1, (inside - length) / this.tail[1]) * this.tail[0] : 0);
    }
    if (inside <= length) return this.starts[n] + inside;
    const pause = this.starts[n + 1] - this.starts[n] - length;
    const room = this.shown[n + 1] - this.shown[n] - length;
    return this.starts[n] + length + ((inside - length) / room) * pause;
  }
}

/* How long a folded pause is shown: all of them together take at most a third of the picture. */
function pauseLength(stretches) {
  let busy = 0;
  for (const [from, to] of stretches) busy += to - from;
  let cut = Math.max(busy * 0.04, 0.2);
  for (let round = 0; round < 2; round++) {
    let count = 0;
    for (let n = 1; n < stretches.length; n++) if (stretches[n][0] - stretches[n - 1][1] > cut) count++;
    if (count * cut > busy / 2) cut = Math.max(busy / 2 / count, 0.01);
  }
  return cut;
}
