
"use strict";
document.documentElement.classList.add("js");

/* Show what is known of a call, under its picture. Texts are set as text, never as HTML. */
function tellCall(figure, pairs) {
  const about = figure.querySelector(".about-call");
  about.replaceChildren(...pairs.flatMap(([word, text]) => {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = word;
    dd.textContent = text;
    if (word === "Call" || word === "Result") dd.className = "code";
    return [dt, dd];
  }));
  about.hidden = false;
}

/* Do something once a thing has a size: what is in closed details has none. */
function whenSeen(element, act) {
  const watch = new ResizeObserver(() => {
    if (element.clientWidth > 0) { watch.disconnect(); act(); }
  });
  watch.observe(element);
}

function openTarget() {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (!target) return;
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  target.scrollIntoView();
}

function bringToLife(figure) {
  const strip = figure.querySelector(".strip");
  const calls = [...strip.querySelectorAll(".call")];
  const rows = new Map([...figure.querySelectorAll("tr[data-call]")].map((row) => [row.dataset.call, row]));
  const words = [...figure.querySelectorAll(".calls th")].map((cell) => cell.textContent);
  const place = (call) => {
    const box = call.querySelector(".bar, .open-tail");
    return { x: box.x.baseVal.value, y: box.y.baseVal.value, width: box.width.baseVal.value };
  };
  let chosen = null;
  const choose = (call, follow) => {
    if (!call) return;
    if (chosen) chosen.classList.remove("chosen");
    chosen = call;
    call.classList.add("chosen");
    const row = rows.get(call.dataset.call);
    if (row) tellCall(figure, words.map((word, n) => [word, row.cells[n].textContent]));
    const { x, width } = place(call);
    const hidden = x < strip.scrollLeft || x + width > strip.scrollLeft + strip.clientWidth;
    if (follow && hidden) strip.scrollLeft = x - 24;
  };
  const inTime = calls.map((call) => ({ call, ...place(call) })).sort((a, b) => a.x - b.x || a.y - b.y);
  const step = (by) => {
    const now = inTime.findIndex((each) => each.call === chosen);
    const next = now < 0 ? 0 : Math.min(inTime.length - 1, Math.max(0, now + by));
    return inTime[next] && inTime[next].call;
  };
  const across = (by) => {
    if (!chosen) return step(1);
    const here = place(chosen);
    const others = inTime.filter((each) => (each.y - here.y) * by > 0);
    const near = Math.min(...others.map((each) => Math.abs(each.y - here.y)));
    return others.filter((each) => Math.abs(each.y - here.y) === near)
      .sort((a, b) => Math.abs(a.x - here.x) - Math.abs(b.x - here.x)).map((each) => each.call)[0];
  };
  const keys = {
    ArrowRight: () => step(1), ArrowLeft: () => step(-1), ArrowDown: () => across(1),
    ArrowUp: () => across(-1), Home: () => step(-calls.length), End: () => step(calls.length),
  };
  strip.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    choose(act(), true);
  });
  for (const kind of ["pointerover", "click"]) {
    strip.addEventListener(kind, (event) => {
      if (kind === "pointerover" && event.pointerType !== "mouse") return;
      choose(event.target.closest(".call"), false);
    });
  }
  whenSeen(strip, () => {
    const stuck = strip.querySelector(".call.blocked");
    if (!stuck) return;
    const { x, width } = place(stuck);
    if (x + width > strip.clientWidth) strip.scrollLeft = x - Math.max(16, (strip.clientWidth - width) / 2);
  });
}

for (const figure of document.querySelectorAll(".picture")) bringToLife(figure);
addEventListener("hashchange", openTarget);
/* A click on a link to where one is already changes no hash. */
addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (link && link.hash === location.hash) openTarget();
});
openTarget();
