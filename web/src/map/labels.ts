/** The words on edges, where they cover nothing else. */

import { NODE_H, NODE_W } from "./cards";
import type { Drawing, Palette } from "./draw";
import { pointAt } from "./geometry";
import { type Ctx, widthOf } from "./text";

/** So many of what is abnormal are labelled even where they cover something; more would hide what they are about. */
const MOST_COVERING = 6;

export function drawLabels(ctx: Ctx, d: Drawing, k: number, p: Palette): void {
  const size = Math.min(18, Math.max(11, 9.5 / k));
  const taken: [number, number, number, number][] = [];
  let covering = 0;
  ctx.textBaseline = "alphabetic";
  ctx.textAlign = "center";
  for (const { edge, strong, weak: second } of d.labels) {
    const weak = size > 13 ? "" : second;
    const verdict = d.verdict[edge];
    ctx.font = `${verdict > 1 ? "700 " : ""}${size}px ${p.font}`;
    const first = widthOf(ctx, strong);
    ctx.font = `${size}px ${p.font}`;
    const w = Math.max(first, weak ? widthOf(ctx, weak) : 0) + 12;
    const h = weak ? size * 3 : size * 1.7;
    const free = place(d, edge, w, h, taken);
    if (!free && (verdict < 2 || covering >= MOST_COVERING)) continue;
    const spot = free ?? pointAt(d.routes, edge * 8, 0.5);
    if (!Number.isFinite(spot[0])) continue;
    covering += free ? 0 : 1;
    const [x, y] = spot;
    taken.push([x - w / 2, y - h / 2, w, h]);
    ctx.fillStyle = p.bg;
    ctx.strokeStyle = p.line;
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.roundRect(x - w / 2, y - h / 2, w, h, 4);
    ctx.fill();
    ctx.stroke();
    ctx.fillStyle = verdict > 1 ? p.texts[verdict] : p.fg;
    ctx.font = `${verdict > 1 ? "700 " : ""}${size}px ${p.font}`;
    ctx.fillText(strong, x, weak ? y - size * 0.27 : y + size * 0.37);
    if (!weak) continue;
    ctx.fillStyle = p.dim;
    ctx.font = `${size}px ${p.font}`;
    ctx.fillText(weak, x, y + size);
  }
}

/** Where on its curve a label covers nothing else; null: nowhere. */
function place(
  d: Drawing,
  edge: number,
  w: number,
  h: number,
  taken: [number, number, number, number][],
): [number, number] | null {
  for (const t of [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74]) {
    const [x, y] = pointAt(d.routes, edge * 8, t);
    if (!Number.isFinite(x)) return null;
    if (
      taken.some(
        ([tx, ty, tw, th]) =>
          Math.abs(x - tx - tw / 2) < (w + tw) / 2 + 3 && Math.abs(y - ty - th / 2) < (h + th) / 2 + 2,
      )
    )
      continue;
    if (!overCard(d, x - w / 2, y - h / 2, w, h)) return [x, y];
  }
  return null;
}

function overCard(d: Drawing, x: number, y: number, w: number, h: number): boolean {
  for (let i = 0; i < d.x.length; i++)
    if (x < d.x[i] + NODE_W && x + w > d.x[i] && y < d.y[i] + NODE_H && y + h > d.y[i]) return true;
  return false;
}
