/* One message: set in lines, as it was sent, or byte by byte. */
const HEX_ROWS = 512;

const bytesOf = (frame) => (frame.text === null
  ? Uint8Array.from(atob(frame.base64), (each) => each.charCodeAt(0))
  : new TextEncoder().encode(frame.text));

function hexNode(frame) {
  const all = bytesOf(frame), box = el("pre", { class: "hex", translate: "no" });
  let row = 0;
  const add = () => {
    const lines = [];
    for (const last = row + HEX_ROWS; row < last && row * 16 < all.length; row++) {
      const part = all.subarray(row * 16, row * 16 + 16);
      const hex = Array.from(part, (each) => each.toString(16).padStart(2, "0"));
      const text = Array.from(part, (each) => (each > 31 && each < 127 ? String.fromCharCode(each) : "·")).join("");
      const left = hex.slice(0, 8).join(" "), right = hex.slice(8).join(" ");
      lines.push(`${(row * 16).toString(16).padStart(6, "0")}  ${left.padEnd(23)}  ${right.padEnd(23)}  ${text}\n`);
    }
    box.append(lines.join(""));
    if (row * 16 >= all.length) return;
    const show = button("Show more bytes", () => { show.remove(); add(); }, { class: "more-text" });
    box.append(show);
  };
  add();
  return box;
}

function rawNode(frame) {
  if (frame.text === null) return hexNode(frame);
  const box = el("pre", { class: "raw", translate: "no" });
  let shown = 0;
  const add = () => {
    visible(frame.text.slice(shown, shown + STRING_STEP), box);
    shown += STRING_STEP;
    if (shown >= frame.text.length) return;
    const show = button(`+ ${number(frame.text.length - shown)} more characters`, () => { show.remove(); add(); }, { class: "more-text" });
    box.append(show);
  };
  add();
  return box;
}

/* What a person reads first: JSON in lines, other text as it is, other bytes as such. */
function readableNode(frame) {
  if (frame.kind === "removed") return el("p", { class: "blank" }, "The content of this frame was removed from the store.");
  if (frame.text === null) return hexNode(frame);
  return /^\s*[{[]/.test(frame.text) ? jsonNode(frame.text) : rawNode(frame);
}

/* A message with its heading. `style` is readable, raw or hex; `load` gets the whole of a long one. */
function messageNode(frame, { title, style = "readable", load, controls = [] }) {
  const body = el("div", { class: "body", tabindex: "0", role: "region", "aria-label": title });
  const facts = [`frame ${frame.seq}`, bytes(frame.size), clock(frame.time)];
  if (frame.stream) facts.push(plain(frame.stream));
  const { delivery } = frame;
  if (delivery?.status) facts.push(`HTTP ${delivery.status}`);
  if (delivery?.via === "http" && delivery.method) facts.push(plain(`${delivery.method} ${delivery.path ?? ""}`));
  if (delivery?.event_id) facts.push(`event ${plain(delivery.event_id)}`);
  if (Object.hasOwn(frame.metadata, "redacted")) facts.push(`${plain(frame.metadata.redacted)} redacted`);
  const copying = button("Copy", async () => {
    const whole = frame.cut ? await load() : frame;
    copy(whole.text ?? whole.base64, copying);
  }, { class: "quiet", title: frame.text === null ? "Copies the bytes in Base64" : "Copies the exact text" });
  const node = el("article", { class: "message" },
    el("header", {}, el("h3", {}, title), el("p", { class: "facts" }, facts.join(" · ")), el("p", { class: "controls" }, ...controls, copying)));
  if (frame.oddity) node.append(el("p", { class: "odd-reason" }, `${frame.kind}: ${plain(frame.oddity)}`));
  body.append(({ readable: readableNode, raw: rawNode, hex: hexNode })[style](frame));
  const pictures = style === "readable" && !frame.cut ? imagesOf(frame) : [];
  if (pictures.length) body.prepend(el("p", { class: "pictures" }, ...pictures));
  if (frame.cut) {
    const more = button(`Load all ${bytes(frame.size)}`, async () => {
      more.textContent = "Loading …";
      const whole = await load();
      node.replaceWith(messageNode(whole, { title, style, load, controls }));
    }, { class: "load" });
    node.append(el("p", { class: "cut" }, `The first ${bytes((frame.text ?? frame.base64).length)} are shown. `, more));
  }
  node.append(body);
  return node;
}

/* Pictures in a result, of the formats that are only pixels. */
const PIXELS = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
function imagesOf(frame) {
  if (frame.kind !== "result" || !frame.text?.includes('"image/')) return [];
  try {
    const { content } = JSON.parse(frame.text).result;
    return content.filter((each) => each.type === "image" && PIXELS.has(each.mimeType) && /^[A-Za-z0-9+/=]+$/.test(each.data))
      .slice(0, 8).map((each) => el("img", { src: `data:${each.mimeType};base64,${each.data}`, alt: "A picture in this result" }));
  } catch { return []; }
}
