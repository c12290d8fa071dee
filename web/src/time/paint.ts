/** Draws the bar of time: flows by verdict, events above them, what is missing, and the time that is looked at. */

import { gaps } from "../live";
import { palette } from "../map/style";
import { utc } from "../state";
import { clock } from "../units";
import type { Time } from "../url";
import { MARKS, marked, type TimeEvent } from "./events";
import { range, type Series, STACK } from "./series";

const INK: Record<(typeof STACK)[number], number> = { forwarded: 1, other: 0, audit: 4, error: 3, dropped: 2 };
/** Of the signs above the bars: by kind of event a verdict's colour; -1: that of text. */
const SIGN_INK = [0, 2, 3, -1, 0, 0];
export const LEFT = 12;
/** Above the bars there is room for signs. */
export const TOP = 16;
const AXIS = 16;
const SIGN_PX = 11;

/** Where on the bar a time is. */
export const placeOf =
  (held: Series, w: number) =>
  (ms: number): number => {
    const [from, to] = range(held);
    return LEFT + ((ms - from) / (to - from)) * (w - 2 * LEFT);
  };

/** The events whose signs are shown, and where. */
export const signs = (held: Series, events: TimeEvent[], w: number): [TimeEvent, number][] =>
  marked(events, placeOf(held, w), SIGN_PX);

export function bars(
  ctx: CanvasRenderingContext2D,
  held: Series,
  events: TimeEvent[],
  w: number,
  h: number,
  at: Time,
  drag: [number, number] | null,
): void {
  const p = palette();
  const [from, to] = range(held);
  const x = placeOf(held, w);
  const base = h - AXIS;
  const wide = Math.max(1, x(from + held.bucketMs) - x(from) - 1.2);
  let most = 1;
  for (let i = 0; i < held.time.length; i++)
    most = Math.max(
      most,
      STACK.reduce((sum, name) => sum + held.counts[name][i], 0),
    );
  for (let i = 0; i < held.time.length; i++) {
    if (held.counts.lost[i]) shade(ctx, x(held.time[i]), TOP, wide + 1.2, base - TOP, p.dim);
    let y = base;
    for (const name of STACK) {
      const n = held.counts[name][i];
      if (!n) continue;
      const tall = Math.max(name === "forwarded" || name === "other" ? 1 : 2.5, (n / most) * (base - TOP));
      ctx.globalAlpha = name === "forwarded" ? 0.7 : 1;
      ctx.fillStyle = p.verdicts[INK[name]];
      ctx.fillRect(x(held.time[i]), y - tall, wide, tall);
      y -= tall + (name === "forwarded" ? 0.5 : 0);
    }
  }
  ctx.globalAlpha = 1;
  ctx.font = `700 ${SIGN_PX}px ${p.font}`;
  ctx.textBaseline = "alphabetic";
  ctx.textAlign = "center";
  for (const [{ kind }, at] of signs(held, events, w)) {
    ctx.fillStyle = SIGN_INK[kind] < 0 ? p.fg : p.texts[SIGN_INK[kind]];
    ctx.fillText(MARKS[kind].glyph, at, TOP - 4);
  }
  const seen =
    drag ??
    (at.mode === "range" ? [at.sinceMs, at.untilMs] : at.mode === "at" ? [at.atMs - at.windowMs, at.atMs] : null);
  if (seen) {
    const [a, b] = [Math.max(LEFT, x(Math.min(...seen))), Math.min(w - LEFT, x(Math.max(...seen)))];
    ctx.fillStyle = p.fg;
    ctx.globalAlpha = 0.12;
    ctx.fillRect(a, TOP, b - a, base - TOP);
    ctx.globalAlpha = 1;
    ctx.fillRect(a, TOP, 1.5, base - TOP);
    ctx.fillRect(b - 1.5, TOP - 2, 3, base - TOP + 4);
  } else {
    ctx.fillStyle = p.fg;
    ctx.fillRect(x(to) - 1.5, TOP - 2, 3, base - TOP + 4);
  }
  ctx.fillStyle = p.dim;
  ctx.font = `11px ${p.font}`;
  for (const [share, align] of [
    [0, "left"],
    [0.5, "center"],
    [1, "right"],
  ] as const) {
    ctx.textAlign = align;
    ctx.fillText(clock(from + (to - from) * share, utc.value), LEFT + (w - 2 * LEFT) * share, h - 3);
  }
  ctx.textAlign = "left";
  for (const gap of gaps.value)
    if (gap.until_ms > from) shade(ctx, x(gap.from_ms), TOP, x(gap.until_ms) - x(gap.from_ms), base - TOP, p.dim);
}

/** Slanted lines: here something is missing. */
function shade(ctx: CanvasRenderingContext2D, x: number, y: number, w: number, h: number, ink: string): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, Math.max(w, 2), h);
  ctx.clip();
  ctx.strokeStyle = ink;
  ctx.globalAlpha = 0.6;
  ctx.beginPath();
  for (let at = x - h; at < x + w; at += 5) {
    ctx.moveTo(at, y + h);
    ctx.lineTo(at + h, y);
  }
  ctx.stroke();
  ctx.restore();
}
