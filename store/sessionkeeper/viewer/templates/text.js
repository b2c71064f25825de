/* Numbers, texts and nodes. What is shown was written by others: nodes are made, never markup. */
const SIDES = ["→", "←"], SIDE_NAMES = ["client → server", "server → client"];

/* Makes an element; a child is a node or a text. */
function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") node.className = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}
const one = (selector, root = document) => root.querySelector(selector);
const button = (label, action, attributes = {}) => {
  const node = el("button", { type: "button", ...attributes }, label);
  node.addEventListener("click", action);
  return node;
};

/* Characters that do not show, or that change how others show: controls, marks of direction, tags. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu;
const HIDDEN_BUT_BREAKS = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu;
const pointOf = (each) => `U+${each.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

/* A text of one line in which nothing is hidden. */
const plain = (text) => String(text).replace(HIDDEN, (each) => `‹${pointOf(each)}›`);

/* The same as nodes, with line breaks and tabs as they are. */
function visible(text, into = document.createDocumentFragment()) {
  let end = 0;
  for (const match of text.matchAll(HIDDEN_BUT_BREAKS)) {
    if (match.index > end) into.append(text.slice(end, match.index));
    into.append(el("span", { class: "hidden-character" }, pointOf(match[0])));
    end = match.index + match[0].length;
  }
  if (end < text.length) into.append(end ? text.slice(end) : text);
  return into;
}

const shorten = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
const numbers = new Intl.NumberFormat("en-US");
const number = (count) => numbers.format(count);
const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

function bytes(count) {
  if (count === null || count === undefined) return "–";
  if (count < 1000) return `${count} B`;
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (count >= size) return `${(count / size).toFixed(count < 10 * size ? 1 : 0)} ${unit}`;
  }
  return "";
}

/* Milliseconds, with as many digits as they are worth. */
function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59.95e3) return `${(ms / 1e3).toFixed(ms < 9.995e3 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1e3), minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/* Time since the beginning, to the millisecond: 0:04.312, 1:02:18.331. */
function elapsed(ms) {
  const rest = `${two(Math.floor(ms / 1e3) % 60)}.${String(Math.floor(ms % 1e3)).padStart(3, "0")}`;
  const minutes = Math.floor(ms / 60e3);
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${rest}`;
}
const two = (value) => String(value).padStart(2, "0");
function clock(ms, { date = false } = {}) {
  const at = new Date(ms);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} `;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return date ? day + time : `${time}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}
function ago(ms) {
  const past = Date.now() - ms;
  if (past < 10e3) return "now";
  if (past < 60e3) return `${Math.floor(past / 1e3)} s ago`;
  if (past < 3600e3) return `${Math.floor(past / 60e3)} min ago`;
  return past < 86400e3 ? `${Math.floor(past / 3600e3)} h ago` : clock(ms, { date: true }).slice(0, 10);
}
const matches = (query) => matchMedia(query).matches;
const narrow = () => matches("(max-width: 760px)");

/* The index of the first element of a sorted list that is not less. */
function lower(list, value, of = (each) => each) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of(list[middle]) < value) low = middle + 1; else high = middle;
  }
  return low;
}

/* Calls a function once a frame, however often it is asked to. */
function soon(action) {
  let due = false;
  return () => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => { due = false; action(); });
  };
}
async function copy(text, from) {
  try {
    await navigator.clipboard.writeText(text);
    const before = from.textContent;
    from.textContent = "Copied";
    setTimeout(() => { from.textContent = before; }, 1200);
  } catch { from.textContent = "Not allowed"; }
}
