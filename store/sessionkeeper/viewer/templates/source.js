/* Where the data come from: the server that sent this page, or a block in the file. Both answer alike. */

/* The events of an event stream, as [event, data]. */
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "", searched = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    held += value;
    let start = 0, end;
    /* The blank line that ends an event may come in two pieces. */
    for (let at = Math.max(0, searched - 1); (end = held.indexOf("\n\n", at)) >= 0; at = start) {
      const [event, data] = held.slice(start, end).split("\n");
      yield [event.slice("event: ".length), JSON.parse(data.slice("data: ".length))];
      start = end + 2;
    }
    held = held.slice(start);
    searched = held.length;
  }
}

class ServerSource {
  constructor(key) { this.headers = { "X-Sessionkeeper-Token": key }; this.live = true; }

  async ask(path, signal) {
    const response = await fetch(`/api/${path}`, { headers: this.headers, signal, cache: "no-store" });
    if (response.ok) return response;
    const text = response.status === 401
      ? "The token in this address is of an earlier run. Use the address that the command printed last."
      : (await response.json().catch(() => ({}))).text || `The server answered ${response.status}.`;
    throw Object.assign(new Error(text), { status: response.status });
  }
  async json(path) { return (await this.ask(path)).json(); }
  store() { return this.json("store"); }
  frame(session, seq, whole) { return this.json(`sessions/${session}/frames/${seq}${whole ? "?whole" : ""}`); }
  search(session, text) { return this.json(`sessions/${session}/search?text=${encodeURIComponent(text)}`); }
  report(name) { return this.json(name); }

  /* Tells each event until the signal; of the sessions always, of the log of one. */
  async follow(session, tell, signal) {
    const query = session ? `?session=${encodeURIComponent(session)}` : "";
    const response = await this.ask(`live${query}`, signal);
    for await (const [event, data] of eventsOf(response)) {
      if (signal.aborted) return;
      tell(event, data);
    }
  }
}

class FileSource {
  constructor(data) { this.data = data; this.live = false; }
  async store() { return this.data.store; }
  async report(name) { return this.data[name]; }
  async frame(session, seq) {
    const frames = new Map(this.data.logs[session].frames.map((frame) => [frame.seq, frame]));
    this.frame = async (key, number) => {
      const found = key === session ? frames.get(number) : this.data.logs[key].frames.find((f) => f.seq === number);
      if (!found) throw new Error("This frame is not in the file.");
      return found;
    };
    return this.frame(session, seq);
  }
  async search(session, text) {
    const wanted = text.toLowerCase(), escaped = JSON.stringify(wanted).slice(1, -1);
    const holds = (frame) => {
      const own = (frame.text || "").toLowerCase();
      return own.includes(wanted) || own.includes(escaped);
    };
    const found = this.data.logs[session].frames.filter(holds).map((frame) => frame.seq);
    return { found, complete: true };
  }
  async follow(session, tell) {
    const sessions = this.data.sessions;
    const shown = session === "newest" ? sessions[0]?.key : session;
    tell("sessions", { changed: sessions, gone: [] });
    if (!shown) return;
    const log = Object.hasOwn(this.data.logs, shown) ? this.data.logs[shown] : null;
    if (!log) throw Object.assign(new Error("This session is not in the file."), { status: 404 });
    tell("shown", { key: shown });
    tell("log", { calls: log.calls, marks: log.marks, last_seq: 0, live: true, ended: true });
  }
}
