
"use strict";
/* A pen for a canvas of so many pixels of the page, however fine those of the screen are. */
function penFor(canvas, wide, high) {
  const ratio = devicePixelRatio || 1;
  const [w, h] = [Math.round(wide * ratio), Math.round(high * ratio)];
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, wide, high);
  pen.direction = "ltr";
  return pen;
}

/* The whole history in one strip: how much goes on when, what is in view, and what cannot be
   placed. A touch or a click goes there. */
function overview(map, places, end, stuck) {
  const [, FROM, TO] = Array(3).keys();
  let density = null;
  return {
    paint(tones, from, span) {
      const wide = map.clientWidth, high = 40;
      if (!wide) return;
      const pen = penFor(map, wide, high);
      if (!density || density.length !== wide) {
        density = new Float64Array(wide);
        for (const place of places) {
          const to = Math.min(wide - 1, Math.floor(place[TO] / end * wide));
          for (let x = Math.floor(place[FROM] / end * wide); x <= to; x++) density[x]++;
        }
      }
      const most = density.reduce((a, b) => Math.max(a, b), 1);
      pen.fillStyle = tones.surface;
      pen.fillRect(0, 0, wide, high);
      pen.fillStyle = tones["ok-edge"];
      for (let x = 0; x < wide; x++) pen.fillRect(x, high - density[x] / most * 26, 1, high);
      const x = from / end * wide;
      const w = Math.max(6, Math.min(wide, span / end * wide));
      pen.strokeStyle = tones.ink;
      pen.lineWidth = 2;
      pen.strokeRect(Math.min(x, wide - w) + 1, 1, w - 2, high - 2);
      pen.fillStyle = tones["blocked-edge"];
      for (const n of stuck) {
        const x = Math.round(places[n][FROM] / end * wide);
        pen.fillRect(x - 1, 0, 3, high);
        pen.font = `700 12px ${tones.sans}`;
        pen.fillText("✕", x > wide - 20 ? x - 15 : x + 5, 12);
      }
    },
    onGo(go) {
      const drag = (event) => {
        if (event.type === "pointerdown") map.setPointerCapture(event.pointerId);
        if (event.buttons) go((event.clientX - map.getBoundingClientRect().left) / map.clientWidth * end);
      };
      map.addEventListener("pointerdown", drag);
      map.addEventListener("pointermove", drag);
    },
  };
}
