/* Sets JSON in lines without parsing it: each number, escape and repeated name stays as it was sent,
   and what is cut or broken is shown as far as it goes. */
const LONG_STRING = 1_500, STRING_STEP = 60_000, FIRST_LINES = 1_200;

/* The end of a string that begins at a quote; the end of the text if it is not closed. */
function stringEnd(text, from) {
  let at = from + 1;
  for (;;) {
    at = text.indexOf('"', at);
    if (at < 0) return text.length;
    let slashes = 0;
    while (text[at - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return at + 1;
    at++;
  }
}

function* tokens(text) {
  const word = /[^\s{}[\],:"]+/y, space = /\s+/y;
  let at = 0;
  while (at < text.length) {
    const each = text[at];
    space.lastIndex = at;
    if (space.test(text)) { at = space.lastIndex; continue; }
    if (each === '"') {
      const end = stringEnd(text, at);
      yield ["string", text.slice(at, end)];
      at = end;
    } else if ("{}[],:".includes(each)) {
      yield [each, each];
      at++;
    } else {
      word.lastIndex = at;
      word.test(text);
      yield ["word", text.slice(at, word.lastIndex)];
      at = word.lastIndex;
    }
  }
}

/* Yields lines: [depth, [[class, text], …]]. An empty object or array is one line. */
function* jsonLines(text) {
  let depth = 0, line = [], before = null, pending = null;
  const source = tokens(text);
  const next = () => {
    if (pending) { const held = pending; pending = null; return held; }
    const step = source.next();
    return step.done ? null : step.value;
  };
  for (let token = next(); token; token = next()) {
    const [kind, shown] = token;
    if (kind === "{" || kind === "[") {
      line.push(["mark", shown]);
      pending = next();
      if (pending && (pending[0] === "}" || pending[0] === "]")) {
        line.push(["mark", pending[1]]);
        pending = null;
      } else {
        yield [depth, line];
        line = [];
        depth++;
      }
    } else if (kind === "}" || kind === "]") {
      if (line.length) yield [depth, line];
      depth = Math.max(0, depth - 1);
      line = [["mark", shown]];
    } else if (kind === ",") {
      line.push(["mark", ","]);
      yield [depth, line];
      line = [];
    } else if (kind === ":") {
      const name = line[line.length - 1];
      if (name && name[0] === "string") name[0] = "name";
      line.push(["mark", ": "]);
    } else {
      const literal = /^(true|false|null)$/.test(shown) ? "literal" : "number";
      line.push([kind === "string" ? "string" : literal, shown]);
    }
    before = kind;
  }
  if (line.length || before === null) yield [depth, line];
}

/* A string as sent; after each escaped line break the text goes on in a new line. */
function stringNode(kind, text) {
  const node = el("span", { class: kind });
  const write = (part) => {
    const lines = kind === "name" ? [part] : part.split(/(?<=(?<!\\)(?:\\\\)*\\n)(?!"$)/);
    lines.forEach((each, n) => {
      if (n) node.append(el("br"));
      const escape = each.endsWith("\\n") && lines.length > 1;
      visible(escape ? each.slice(0, -2) : each, node);
      if (escape) node.append(el("span", { class: "escape" }, "\\n"));
    });
  };
  let shown = text.length > LONG_STRING ? LONG_STRING - 500 : text.length;
  write(text.slice(0, shown));
  const more = () => {
    if (shown >= text.length) return;
    const rest = text.length - shown;
    const show = button(`+ ${number(rest)} more characters`, () => {
      show.remove();
      write(text.slice(shown, shown + STRING_STEP));
      shown += STRING_STEP;
      more();
    }, { class: "more-text" });
    node.append(show);
  };
  more();
  return node;
}

/* The node of a text as JSON in lines; more than can be read at once is added on request. */
function jsonNode(text) {
  const box = el("div", { class: "json", translate: "no" });
  const lines = jsonLines(text);
  const add = () => {
    let step;
    for (let n = 0; n < FIRST_LINES && !(step = lines.next()).done; n++) {
      const [depth, parts] = step.value;
      const line = el("div", { class: "line" });
      line.style.setProperty("--depth", Math.min(depth, 24));
      for (const [kind, part] of parts) {
        if (kind === "string" || kind === "name") line.append(stringNode(kind, part));
        else line.append(kind === "mark" ? part : visible(part, el("span", { class: kind })));
      }
      box.append(line);
    }
    if (step.done) return;
    const show = button("Show more lines", () => { show.remove(); add(); }, { class: "more-text" });
    box.append(show);
  };
  add();
  return box;
}
