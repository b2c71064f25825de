
"use strict";
/* Thousands of calls on a canvas: only what is in view is drawn, as finely as there is room for. */
(() => {
  const ROW = 42, BAR = 24, TOP = 34, NEAREST = 48, READABLE = 170;
  const SIGNS = ["", "⊘ ", "? "], WORDS = ["ok", "refused", "outcome unknown"], KINDS = ["ok", "failed", "open"];
  const [ROW_OF, FROM, TO, POINT, ORDER, OUTCOME, BLOCKED, OPEN, CALL, RETURN] = Array(10).keys();

  /* Index of the first element that is not less. */
  const lower = (list, value, of) => {
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (of(list[middle]) < value) low = middle + 1; else high = middle;
    }
    return low;
  };

  function show(root) {
    const data = JSON.parse(root.querySelector("script").textContent);
    const figure = root.closest(".picture");
    const scroller = root.querySelector(".scroller"), extent = root.querySelector(".extent");
    const sheet = root.querySelector(".sheet");
    const places = data.places, end = Math.max(1, data.end);
    const rows = data.rows.map(() => []);
    places.forEach((place, n) => rows[place[ROW_OF]].push(n));
    rows.forEach((row) => row.sort((a, b) => places[a][FROM] - places[b][FROM]));
    const placed = places.map((_, n) => n).filter((n) => places[n][ORDER] > 0)
      .sort((a, b) => places[a][ORDER] - places[b][ORDER]);
    const stuck = places.map((_, n) => n).filter((n) => places[n][BLOCKED]);
    const height = TOP + rows.length * ROW + 6;
    const map = overview(root.querySelector(".map"), places, end, stuck);
    let unit = near(), chosen = -1, due = false, tones = {};

    /* How closely one has to look to read a bar of usual length. */
    function near() {
      const lengths = places.map((place) => place[TO] - place[FROM]).sort((a, b) => a - b);
      return Math.min(NEAREST, Math.max(14, READABLE / (lengths[lengths.length >> 1] || 1)));
    }
    const tone = () => {
      const style = getComputedStyle(document.documentElement);
      const names = ["surface", "ink", "muted", "rule", "lane", "lane-odd", "ok-fill", "ok-edge", "ok-ink",
        "failed-fill", "failed-edge", "failed-ink", "open-fill", "open-edge", "open-ink", "blocked-fill",
        "blocked-hatch", "blocked-edge", "blocked-ink", "order", "badge", "badge-ink", "focus", "mono", "sans"];
      tones = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    };
    const text = (n, which) => data.texts[data.words[n][which]];
    const label = (n) => `${places[n][BLOCKED] ? "✕ " : SIGNS[places[n][OUTCOME]]}${text(n, 0)}(${text(n, 1)})`
      + (text(n, 2) ? ` → ${text(n, 2)}` : "");
    const furthest = () => Math.min(NEAREST, scroller.clientWidth / end);
    const kindOf = (place) => place[BLOCKED] ? "blocked" : KINDS[place[OUTCOME]];
    const drawBar = (pen, n, left, wide) => {
      const place = places[n], kind = kindOf(place);
      const x = place[FROM] * unit - left;
      const width = Math.max(place[BLOCKED] ? 4 : 1, (place[TO] - place[FROM]) * unit - 1);
      const y = TOP + place[ROW_OF] * ROW - scroller.scrollTop;
      pen.fillStyle = tones[`${kind}-${width < 6 ? "edge" : "fill"}`];
      /* On whole pixels: thousands of blurred edges would be one grey. */
      if (width < 6) { pen.fillRect(Math.floor(x), Math.round(y), Math.ceil(width), BAR); return; }
      pen.beginPath();
      pen.roundRect(x, y, width, BAR, 4);
      pen.fill();
      if (place[BLOCKED]) {
        pen.save();
        pen.clip();
        pen.strokeStyle = tones["blocked-hatch"];
        pen.lineWidth = 2;
        pen.beginPath();
        for (let at = Math.max(x, -BAR) - BAR; at < Math.min(x + width, wide); at += 7) {
          pen.moveTo(at, y + BAR);
          pen.lineTo(at + BAR, y);
        }
        pen.stroke();
        pen.restore();
        pen.beginPath();
        pen.roundRect(x, y, width, BAR, 4);
      }
      pen.strokeStyle = tones[n === chosen ? "focus" : `${kind}-edge`];
      pen.lineWidth = n === chosen ? 3 : place[BLOCKED] ? 2.5 : 1;
      pen.setLineDash(place[OPEN] ? [5, 3] : place[OUTCOME] === 1 ? [2, 3] : []);
      pen.stroke();
      pen.setLineDash([]);
    };
    const drawWords = (pen, n, left, wide) => {
      const place = places[n], from = place[FROM] * unit - left, to = place[TO] * unit - left;
      const x = Math.max(from, 0) + 7, room = Math.min(to, wide) - x - 5;
      if (room < 24) return;
      pen.fillStyle = tones[`${kindOf(place)}-ink`];
      pen.font = `${place[BLOCKED] ? "700 " : ""}12px ${tones.mono}`;
      const whole = label(n), most = Math.floor(room / 7.25);
      const shown = whole.length > most ? `${whole.slice(0, most - 1)}…` : whole;
      pen.fillText(shown, x, TOP + place[ROW_OF] * ROW - scroller.scrollTop + 16);
    };
    const drawOrder = (pen, left, wide) => {
      const gap = end / Math.max(1, placed.length) * unit;
      const first = Math.max(0, lower(placed, left / unit, (n) => places[n][POINT]) - 1);
      const after = Math.min(placed.length, lower(placed, (left + wide) / unit, (n) => places[n][POINT]) + 1);
      if (gap < 5) return;
      const spot = (n) => [places[n][POINT] * unit - left,
        TOP + places[n][ROW_OF] * ROW + BAR - scroller.scrollTop];
      pen.strokeStyle = tones.order;
      pen.lineWidth = 1.25;
      pen.beginPath();
      for (let at = first; at < after; at++) pen.lineTo(...spot(placed[at]));
      pen.stroke();
      if (stuck.length) {
        const x = (placed.length ? places[placed[placed.length - 1]][POINT] + 0.5 : 0) * unit - left;
        pen.strokeStyle = tones["blocked-edge"];
        pen.setLineDash([4, 4]);
        pen.strokeRect(x, 8, 0, height);
        pen.setLineDash([]);
        pen.font = `600 12px ${tones.sans}`;
        pen.fillStyle = tones["blocked-edge"];
        pen.fillText("the order ends here", x + 6, 14);
      }
      pen.fillStyle = tones.badge;
      for (let at = first; at < after; at++) {
        pen.beginPath();
        pen.arc(...spot(placed[at]), gap < 14 ? 2.5 : 4.5, 0, 7);
        pen.fill();
      }
    };
    const drawNames = (pen, top, bottom) => {
      pen.font = `600 11px ${tones.sans}`;
      for (let row = top; row < bottom; row++) {
        if (row > top && data.rows[row] === data.rows[row - 1]) continue;
        const name = `client ${data.rows[row]}`, y = TOP + row * ROW - scroller.scrollTop;
        pen.fillStyle = tones.muted;
        pen.fillText(name, 5, y - 4);
      }
    };

    const paint = () => {
      due = false;
      const wide = scroller.clientWidth, high = Math.min(height, scroller.clientHeight || height);
      if (!wide) return;
      sheet.style.width = `${wide}px`;
      sheet.style.height = `${high}px`;
      const pen = penFor(sheet, wide, high);
      const left = scroller.scrollLeft, right = left + wide;
      const top = Math.max(0, Math.floor((scroller.scrollTop - TOP) / ROW));
      const bottom = Math.min(rows.length, Math.ceil((scroller.scrollTop + high - TOP) / ROW) + 1);
      for (let row = top; row < bottom; row++) {
        pen.fillStyle = tones[data.rows[row] % 2 ? "lane-odd" : "lane"];
        pen.fillRect(0, TOP + row * ROW - 15 - scroller.scrollTop, wide, ROW);
      }
      let drawn = 0;
      const late = [], named = [];
      for (let row = top; row < bottom; row++) {
        const list = rows[row];
        const first = lower(list, left / unit, (n) => places[n][TO]);
        for (let at = first; at < list.length && places[list[at]][FROM] * unit < right; at++) {
          const n = list[at];
          drawn++;
          if (places[n][BLOCKED] || n === chosen) late.push(n); else drawBar(pen, n, left, wide);
          if ((places[n][TO] - places[n][FROM]) * unit >= 36) named.push(n);
        }
      }
      for (const n of late) drawBar(pen, n, left, wide);
      drawOrder(pen, left, wide);
      for (const n of named) drawWords(pen, n, left, wide);
      drawNames(pen, top, bottom);
      pen.fillStyle = tones["blocked-edge"];
      for (const n of stuck) {
        const x = (places[n][FROM] + places[n][TO]) / 2 * unit - left;
        const y = TOP + places[n][ROW_OF] * ROW - scroller.scrollTop - 2;
        pen.beginPath();
        pen.moveTo(x, y);
        pen.lineTo(x - 6, y - 9);
        pen.lineTo(x + 6, y - 9);
        pen.fill();
      }
      root.dataset.drawn = drawn;
      root.querySelector(".scale").textContent = `${drawn.toLocaleString("en-GB")} of ${places.length.toLocaleString("en-GB")} calls in view`;
      map.paint(tones, left / unit, wide / unit);
    };
    const paintSoon = () => { if (!due) { due = true; requestAnimationFrame(paint); } };

    const resize = () => {
      extent.style.width = `${Math.ceil(end * unit)}px`;
      extent.style.height = `${height}px`;
    };
    const zoom = (to, about = scroller.clientWidth / 2) => {
      const still = (scroller.scrollLeft + about) / unit;
      unit = Math.max(furthest(), Math.min(NEAREST, to));
      resize();
      scroller.scrollLeft = still * unit - about;
      paintSoon();
    };
    const goTo = (n) => {
      const place = places[n], wide = scroller.clientWidth, high = scroller.clientHeight;
      const middle = Math.min((place[FROM] + place[TO]) / 2 * unit, place[FROM] * unit + wide / 2 - 12);
      scroller.scrollLeft = middle - wide / 2;
      const y = TOP + place[ROW_OF] * ROW;
      if (y < scroller.scrollTop + TOP || y + ROW > scroller.scrollTop + high) scroller.scrollTop = y - high / 2;
      paintSoon();
    };
    const choose = (n, follow) => {
      if (n === undefined || n === chosen) return;
      chosen = n;
      const place = places[n];
      tellCall(figure, [
        ["Order", place[BLOCKED] ? "✕" : String(place[ORDER] || "–")],
        ["Client", `client ${data.rows[place[ROW_OF]]}`],
        ["Call", `${text(n, 0)}(${text(n, 1)})`],
        ["Result", text(n, 2) || "–"],
        ["From … to", `${place[CALL]} … ${place[RETURN] === null ? "open" : place[RETURN]}`],
        ["Outcome", `${WORDS[place[OUTCOME]]}; ${place[BLOCKED] ? "cannot be placed"
          : place[ORDER] ? `takes effect as number ${place[ORDER].toLocaleString("en-GB")}` : "not placed"}`],
      ]);
      if (follow) goTo(n); else paintSoon();
    };
    const at = (event) => {
      const box = sheet.getBoundingClientRect();
      const x = (event.clientX - box.left + scroller.scrollLeft) / unit;
      const row = Math.floor((event.clientY - box.top + scroller.scrollTop - TOP + 5) / ROW);
      const list = rows[row] || [];
      const n = list[lower(list, x - 3 / unit, (each) => places[each][TO])];
      return n !== undefined && places[n][FROM] <= x + 3 / unit ? n : undefined;
    };
    const beside = (by) => {
      if (chosen < 0) return stuck[0] ?? 0;
      const list = rows[places[chosen][ROW_OF]];
      return list[Math.max(0, Math.min(list.length - 1, list.indexOf(chosen) + by))];
    };
    const across = (by) => {
      if (chosen < 0) return stuck[0] ?? 0;
      const list = rows[places[chosen][ROW_OF] + by];
      return list && list[Math.min(list.length - 1, lower(list, places[chosen][FROM], (n) => places[n][TO]))];
    };
    const doings = {
      in: () => zoom(unit * 1.6), out: () => zoom(unit / 1.6), all: () => zoom(0),
      blocked: () => { zoom(near()); if (stuck.length) { chosen = -1; choose(stuck[0], true); } },
    };
    const keys = {
      ArrowRight: () => choose(beside(1), true), ArrowLeft: () => choose(beside(-1), true),
      ArrowDown: () => choose(across(1), true), ArrowUp: () => choose(across(-1), true),
      Home: () => choose(beside(-places.length), true), End: () => choose(beside(places.length), true),
      "+": doings.in, "=": doings.in, "-": doings.out, 0: doings.all,
    };

    if (!stuck.length) root.querySelector("[data-do='blocked']").hidden = true;
    root.querySelector(".tools").addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) doings[button.dataset.do]();
    });
    scroller.addEventListener("scroll", paintSoon, { passive: true });
    scroller.addEventListener("keydown", (event) => {
      if (!keys[event.key] || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      keys[event.key]();
    });
    scroller.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      zoom(unit * Math.exp(-event.deltaY / 200), event.clientX - sheet.getBoundingClientRect().left);
    }, { passive: false });
    sheet.addEventListener("click", (event) => choose(at(event), false));
    sheet.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse" && !event.buttons) choose(at(event), false);
    });
    map.onGo((moment) => { scroller.scrollLeft = moment * unit - scroller.clientWidth / 2; });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { tone(); paintSoon(); });
    tone();
    whenSeen(scroller, () => {
      resize();
      new ResizeObserver(paintSoon).observe(scroller);
      if (stuck.length) goTo(stuck[0]);
      paint();
      root.dataset.ready = "yes";
    });
  }

  for (const root of document.querySelectorAll(".wide")) show(root);
})();
