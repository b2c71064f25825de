/* The calls and the other frames of the session that is shown, and which of them are wanted. */
const FAILED = new Set(["error", "tool-error"]), MISSING = new Set(["unanswered", "unknown", "open"]);
const OUTCOMES = {
  result: "result", "tool-error": "tool error", error: "error", cancelled: "cancelled",
  unanswered: "no answer", unknown: "answer unknown", open: "open",
};
const LOUD = new Set(["odd", "gap"]);

function callOf(row) {
  const [seq, answer, side, method, name, id, start, latency, outcome, asked, answered, steps, stream, code, error, excerpt] = row;
  return {
    isCall: true, key: `${side} ${seq} ${typeof id} ${id}`, seq, answer, side, method, name, id, start, latency,
    outcome, asked, answered, steps, stream, code, error, excerpt, row: 0,
    failed: FAILED.has(outcome), missing: MISSING.has(outcome),
  };
}
function markOf(row) {
  const [seq, side, kind, start, size, text, stream, token] = row;
  return { isCall: false, key: `mark ${seq}`, seq, side, kind, start, size, text, stream, token };
}

class Log {
  constructor() {
    this.calls = [];
    this.marks = [];
    this.byKey = new Map();
    this.filter = { text: "", found: null, kind: "all", slow: 0, method: "", name: "", others: false, from: -Infinity, to: Infinity };
    this.clear();
  }
  clear() {
    this.calls.length = this.marks.length = 0;
    this.byKey.clear();
    this.rowEnds = [[], []];
    this.open = new Map();
    this.last = this.first = null;
    this.counts = { all: 0, errors: 0, missing: 0, others: 0 };
    this.live = this.ended = false;
  }

  /* Takes a batch; a call that is known is replaced in its place. */
  add(batch) {
    for (const row of batch.calls) this.addCall(callOf(row));
    for (const row of batch.marks) {
      const mark = markOf(row);
      this.marks.push(mark);
      this.counts.others++;
      this.span(mark.start);
    }
    this.live ||= batch.live;
    this.ended ||= batch.ended;
  }
  addCall(call) {
    const known = this.byKey.get(call.key);
    if (known) {
      this.count(known, -1);
      call.row = known.row;
      call.excerpt ??= known.excerpt;
      Object.assign(known, call);
      this.count(known, 1);
      call = known;
    } else {
      this.byKey.set(call.key, call);
      this.calls.push(call);
      call.row = this.freeRow(call);
      this.count(call, 1);
    }
    if (call.latency !== null) {
      this.rowEnds[call.side][call.row] = Math.max(call.start + call.latency, this.rowEnds[call.side][call.row] === Infinity ? 0 : this.rowEnds[call.side][call.row]);
      this.open.delete(call.key);
    } else this.open.set(call.key, call);
    this.span(call.start);
    if (call.latency !== null) this.span(call.start + call.latency);
  }
  count(call, by) {
    this.counts.all += by;
    if (call.failed) this.counts.errors += by;
    if (call.missing) this.counts.missing += by;
  }
  span(at) {
    if (this.first === null || at < this.first) this.first = at;
    if (this.last === null || at > this.last) this.last = at;
  }
  /* Calls at the same time are in rows of their own, up to a number. */
  freeRow(call) {
    const ends = this.rowEnds[call.side], until = call.latency === null ? Infinity : call.start + call.latency;
    let row = ends.findIndex((end) => end <= call.start);
    if (row < 0) row = ends.length < 10 ? ends.length : call.seq % 10;
    ends[row] = Math.max(until, ends[row] ?? 0);
    return row;
  }
  /* The end of a bar: of a call in progress now, of one that will get no answer the last moment. */
  endOf(call) {
    if (call.latency !== null) return call.start + call.latency;
    return call.outcome === "open" ? Math.max(this.now(), call.start) : this.last;
  }
  now() { return this.live && !this.ended && this.open.size ? Math.max(Date.now(), this.last) : this.last; }

  wants(item) {
    const f = this.filter;
    if (item.start > f.to || (item.isCall ? this.endOf(item) : item.start) < f.from) return false;
    if (item.isCall) {
      if (f.kind === "errors" && !item.failed) return false;
      if (f.kind === "missing" && !item.missing) return false;
      if (f.slow && (item.latency === null ? item.outcome !== "open" : item.latency < f.slow)) return false;
      if (f.method && item.method !== f.method) return false;
      if (f.name && item.name !== f.name) return false;
    } else if (!(f.others || LOUD.has(item.kind)) || f.kind !== "all" || f.slow || f.method || f.name) return false;
    if (!f.text) return true;
    const own = `${item.isCall ? `${item.method} ${item.name ?? ""} ${item.error ?? ""}` : item.text}`.toLowerCase();
    return own.includes(f.text) || Boolean(f.found && (f.found.has(item.seq) || f.found.has(item.answer)));
  }
  /* What the list shows: the wanted calls and other frames, in the order of the log. */
  wanted() {
    const calls = this.calls.filter((each) => this.wants(each));
    const marks = this.marks.filter((each) => this.wants(each));
    if (!marks.length) return calls;
    const all = [];
    let at = 0;
    for (const call of calls) {
      while (at < marks.length && marks[at].seq < call.seq) all.push(marks[at++]);
      all.push(call);
    }
    return all.concat(marks.slice(at));
  }
  /* The other frames that passed while a call was in progress. */
  during(call) {
    const from = lower(this.marks, call.seq, (mark) => mark.seq);
    const to = call.answer === null ? this.marks.length : lower(this.marks, call.answer, (mark) => mark.seq);
    return this.marks.slice(from, Math.min(to, from + 5_000));
  }
  find(seq) { return this.calls.find((each) => each.seq === seq || each.answer === seq) || this.marks.find((each) => each.seq === seq); }
}
