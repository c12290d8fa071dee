/** Draws the map: islands, edges, cards, labels. Runs in a worker; the page only moves the picture about. */

import type { Camera } from "./camera";
import { STEP } from "./colour";
import type { Routes } from "./geometry";
import { drawLabels } from "./labels";
import { type Ctx, squeezed, widthOf } from "./text";
import { NODE_H, NODE_W } from "./cards";

export const LOOK = { bad: 1, outside: 2, dim: 4, more: 8, locked: 16, found: 32, pinned: 64, idle: 128, ghost: 256, fresh: 512 } as const;
/** Why an edge is drawn faintly; 0: it is not. */
export const FAINT = { dim: 1, ghost: 2 } as const;
const SHINES = [1, 0.12, 0.3];

export interface Drawing {
  x: Float32Array;
  y: Float32Array;
  titles: string[];
  /** Titles without what their island says already. */
  shorts: string[];
  subs: string[];
  rates: string[];
  /** Bits of LOOK. */
  look: Uint16Array;
  /** Of the bar under a card: the shares of refused and of failed. */
  dropped: Float32Array;
  failed: Float32Array;
  routes: Routes;
  verdict: Uint8Array;
  /** Its colour and its dashes: a verdict, or a step. */
  ink: Uint8Array;
  /** 0 to 3. */
  width: Uint8Array;
  /** Of FAINT. */
  dim: Uint8Array;
  labels: { edge: number; strong: string; weak: string }[];
  islands: { x: number; y: number; w: number; h: number; title: string }[];
}

/** What lies on the path under the pointer: by row of the drawing 1 or 0. */
export interface Lit {
  nodes: Uint8Array;
  edges: Uint8Array;
}

export interface Palette {
  bg: string;
  card: string;
  line: string;
  fg: string;
  dim: string;
  /** By verdict of the map: unknown, forwarded, dropped, error, audit. */
  verdicts: string[];
  /** From little to much. */
  steps: string[];
  /** Those of the verdicts, for text. */
  texts: string[];
  font: string;
}

export const WIDTHS = [1.2, 2, 3, 4.2];
/** By ink: dashes. An error is a double line; of steps the fuller line is the greater. */
export const DASHES: number[][] = [[1.5, 4], [], [9, 6], [], [2, 4], [3, 5], [8, 5], [16, 4], []];
/** From below: what is abnormal, and what is much, lies on top. */
const LAYERS = [0, 1, 5, 6, 7, 8, 4, 3, 2];

/** The colour of an ink. */
export const inked = (p: Palette, ink: number): string => p.verdicts[ink] ?? p.steps[ink - STEP] ?? p.dim;
const TEXT_FROM = 0.3;
const LABELS_FROM = 0.42;
const SUBS_FROM = 0.68; // farther away there is one line, in larger letters

/** Letters of 12 units near by; farther away they grow, so that names can be read as long as a card has room. */
const letters = (k: number): number => Math.min(18, Math.max(12, 9.5 / k));

/** What is not `lit` is dimmed; null: nothing is by that. */
export function draw(
  ctx: Ctx,
  d: Drawing,
  camera: Camera,
  w: number,
  h: number,
  ratio: number,
  p: Palette,
  lit: Lit | null = null,
): void {
  ctx.setTransform(
    ratio * camera.k,
    0,
    0,
    ratio * camera.k,
    -camera.x * camera.k * ratio,
    -camera.y * camera.k * ratio,
  );
  const seen = { x1: camera.x, y1: camera.y, x2: camera.x + w / camera.k, y2: camera.y + h / camera.k };
  drawIslands(ctx, d, camera.k, p);
  drawEdges(ctx, d, seen, camera.k, p, lit);
  drawNodes(ctx, d, seen, camera.k, p, lit);
  if (camera.k >= LABELS_FROM) drawLabels(ctx, d, camera.k, p);
}

function drawIslands(ctx: Ctx, d: Drawing, k: number, p: Palette): void {
  ctx.lineWidth = 1 / Math.min(k, 1);
  for (const { x, y, w, h, title } of d.islands) {
    ctx.strokeStyle = p.line;
    ctx.setLineDash([2, 3]);
    ctx.beginPath();
    ctx.roundRect(x, y, w, h, 10);
    ctx.stroke();
    ctx.setLineDash([]);
    const size = Math.min(34, 11 / Math.min(1, k * 1.4));
    ctx.font = `${size}px ${p.font}`;
    ctx.fillStyle = p.dim;
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    const fits = (text: string): boolean => widthOf(ctx, text) <= w - 28;
    const words =
      [title, title.replace(/^NAMESPACE /, ""), title.replace(/^NAMESPACE | · .*$/g, "")].find(fits) ?? title;
    ctx.fillText(
      squeezed(words, w - 28, (text) => widthOf(ctx, text)),
      x + 14,
      k < 0.6 ? y - size * 0.7 : y + 18,
    );
  }
}

interface Seen {
  x1: number;
  y1: number;
  x2: number;
  y2: number;
}

function drawEdges(ctx: Ctx, d: Drawing, seen: Seen, k: number, p: Palette, lit: Lit | null): void {
  ctx.lineCap = "butt";
  for (const ink of LAYERS) {
    ctx.strokeStyle = ctx.fillStyle = inked(p, ink);
    for (let edge = 0; edge < d.ink.length; edge++) {
      if (d.ink[edge] !== ink || !meets(d.routes, edge * 8, seen)) continue;
      const faint = lit && !lit.edges[edge] ? FAINT.dim : d.dim[edge];
      ctx.globalAlpha = faint ? SHINES[faint] : ink === 1 ? 0.75 : 1;
      const wide = WIDTHS[d.width[edge]] + (ink === 2 ? 1 : 0);
      strokeEdge(ctx, d.routes, edge * 8, ink, wide, p.bg, k < 0.3);
    }
  }
  ctx.globalAlpha = 1;
  ctx.setLineDash([]);
}

export function strokeEdge(
  ctx: Ctx,
  r: Routes,
  at: number,
  ink: number,
  wide: number,
  bg: string,
  plain = false,
): void {
  const angle = Math.atan2(r[at + 7] - r[at + 5], r[at + 6] - r[at + 4]);
  const head = 6 + wide;
  const [ex, ey] = [r[at + 6] - Math.cos(angle) * head * 0.8, r[at + 7] - Math.sin(angle) * head * 0.8];
  ctx.setLineDash(DASHES[ink]);
  ctx.lineWidth = ink === 3 ? wide + 2.4 : wide;
  ctx.beginPath();
  ctx.moveTo(r[at], r[at + 1]);
  ctx.bezierCurveTo(r[at + 2], r[at + 3], r[at + 4], r[at + 5], ex, ey);
  ctx.stroke();
  if (ink === 3 && !plain) {
    const outer = ctx.strokeStyle;
    ctx.strokeStyle = bg;
    ctx.lineWidth = Math.max(1, wide * 0.6);
    ctx.stroke();
    ctx.strokeStyle = outer;
  }
  if (plain) return;
  ctx.setLineDash([]);
  ctx.beginPath();
  ctx.moveTo(r[at + 6], r[at + 7]);
  for (const side of [-0.42, 0.42])
    ctx.lineTo(r[at + 6] - Math.cos(angle + side) * head * 1.25, r[at + 7] - Math.sin(angle + side) * head * 1.25);
  ctx.closePath();
  ctx.fill();
}

const meets = (r: Routes, at: number, seen: Seen): boolean =>
  Math.min(r[at], r[at + 2], r[at + 4], r[at + 6]) <= seen.x2 &&
  Math.max(r[at], r[at + 2], r[at + 4], r[at + 6]) >= seen.x1 &&
  Math.min(r[at + 1], r[at + 3], r[at + 5], r[at + 7]) <= seen.y2 &&
  Math.max(r[at + 1], r[at + 3], r[at + 5], r[at + 7]) >= seen.y1;

function drawNodes(ctx: Ctx, d: Drawing, seen: Seen, k: number, p: Palette, lit: Lit | null): void {
  ctx.textBaseline = "alphabetic";
  for (let i = 0; i < d.x.length; i++) {
    const [x, y, look] = [d.x[i], d.y[i], d.look[i]];
    if (!(x <= seen.x2 && x + NODE_W >= seen.x1 && y <= seen.y2 && y + NODE_H >= seen.y1)) continue;
    const isDim = look & LOOK.dim || (lit && !lit.nodes[i]);
    ctx.globalAlpha = isDim ? 0.25 : look & LOOK.ghost ? SHINES[FAINT.ghost] : look & LOOK.idle ? 0.45 : 1;
    if (look & LOOK.ghost) outline(ctx, x, y, p);
    else card(ctx, d, i, p);
    if (look & LOOK.ghost && !isDim) ctx.globalAlpha = 0.7; // a name is read
    if (k >= TEXT_FROM) words(ctx, d, i, k, p);
  }
  ctx.globalAlpha = 1;
}

function card(ctx: Ctx, d: Drawing, i: number, p: Palette): void {
  const [x, y, bad] = [d.x[i], d.y[i], d.look[i] & LOOK.bad];
  ctx.fillStyle = p.card;
  ctx.strokeStyle = bad ? p.verdicts[2] : p.line;
  ctx.lineWidth = bad ? 2 : 1.2;
  ctx.setLineDash(d.look[i] & LOOK.more ? [5, 4] : []);
  ctx.beginPath();
  ctx.roundRect(x, y, NODE_W, NODE_H, 7);
  ctx.fill();
  ctx.save();
  ctx.clip();
  const bars = [1 - d.dropped[i] - d.failed[i], d.failed[i], d.dropped[i]];
  let from = x;
  bars.forEach((share, verdict) => {
    if (share <= 0) return;
    const wide = Math.max(share * NODE_W, 3);
    ctx.fillStyle = p.verdicts[[1, 3, 2][verdict]];
    ctx.fillRect(verdict === 2 ? x + NODE_W - wide : from, y + NODE_H - 4, wide, 4);
    from += wide;
  });
  ctx.restore();
  ctx.beginPath();
  ctx.roundRect(x, y, NODE_W, NODE_H, 7);
  ctx.stroke();
  ctx.setLineDash([]);
  if (d.look[i] & LOOK.found) {
    ctx.strokeStyle = p.fg;
    ctx.lineWidth = 3;
    ctx.stroke();
  }
  if (d.look[i] & LOOK.fresh) {
    ctx.strokeStyle = p.fg;
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    ctx.roundRect(x - 4, y - 4, NODE_W + 8, NODE_H + 8, 11);
    ctx.stroke();
  }
  if (d.look[i] & LOOK.pinned) pin(ctx, x + NODE_W - 10, y, p);
}

/** Of who is not there: nothing but a border. */
function outline(ctx: Ctx, x: number, y: number, p: Palette): void {
  ctx.strokeStyle = p.fg;
  ctx.lineWidth = 1.5;
  ctx.setLineDash([3, 3]);
  ctx.beginPath();
  ctx.roundRect(x, y, NODE_W, NODE_H, 7);
  ctx.stroke();
  ctx.setLineDash([]);
}

/** A head and a needle at the upper border of a card. */
function pin(ctx: Ctx, x: number, y: number, p: Palette): void {
  ctx.fillStyle = ctx.strokeStyle = p.fg;
  ctx.lineWidth = 1.5;
  ctx.beginPath();
  ctx.roundRect(x - 3.5, y - 8, 7, 7, 3.5);
  ctx.fill();
  ctx.beginPath();
  ctx.moveTo(x, y - 2);
  ctx.lineTo(x, y + 5);
  ctx.stroke();
}

function words(ctx: Ctx, d: Drawing, i: number, k: number, p: Palette): void {
  const [x, y, locked] = [d.x[i], d.y[i], d.look[i] & LOOK.locked];
  ctx.fillStyle = p.fg;
  ctx.textAlign = "left";
  const size = k >= SUBS_FROM ? 12 : letters(k);
  ctx.font = `600 ${size}px ${p.font}`;
  const room = NODE_W - (locked ? 38 : 16);
  const title = d.titles[i];
  const short = widthOf(ctx, title) > room ? d.shorts[i] : title;
  ctx.fillText(
    squeezed(short, room, (text) => widthOf(ctx, text)),
    x + 10,
    size === 12 ? y + 20 : y + 25 + size / 3,
  );
  if (locked) lock(ctx, x + NODE_W - 22, y + 8, p.dim);
  if (size !== 12) return;
  ctx.font = `11px ${p.font}`;
  ctx.fillStyle = p.dim;
  const rate = d.rates[i];
  ctx.textAlign = "right";
  ctx.fillText(rate, x + NODE_W - 10, y + 38);
  ctx.textAlign = "left";
  const most = NODE_W - 28 - widthOf(ctx, rate);
  const sub = widthOf(ctx, d.subs[i]) > most ? (d.subs[i].split(" · ").pop() ?? "") : d.subs[i];
  ctx.fillText(
    squeezed(sub, most, (text) => widthOf(ctx, text)),
    x + 10,
    y + 38,
  );
}

function lock(ctx: Ctx, x: number, y: number, ink: string): void {
  ctx.fillStyle = ctx.strokeStyle = ink;
  ctx.lineWidth = 1.5;
  ctx.beginPath();
  ctx.roundRect(x, y + 5.5, 11, 8, 1.5);
  ctx.fill();
  ctx.beginPath();
  ctx.arc(x + 5.5, y + 5, 3.3, Math.PI, 0);
  ctx.stroke();
}

type Values = ArrayLike<number | string>;

function same(a: Values, b: Values): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

const SEEN = ["titles", "subs", "rates", "look", "verdict", "ink", "width", "dim", "x", "y", "dropped", "failed"] as const;

/** Whether a new picture would show anything else; shares that waver by less than a pixel do not count. */
export function looksAlike(a: Drawing, b: Drawing): boolean {
  const words = ({ labels }: Drawing): string[] =>
    labels.flatMap(({ edge, strong, weak }) => [String(edge), strong, weak]);
  return SEEN.every((name) => same(a[name], b[name])) && same(words(a), words(b));
}
