/** Text on a canvas: how wide it is, and how it is made to fit. */

import { shown } from "../table/shown";

/** What of a canvas the map is drawn with; a canvas of the page, one of a worker and an SVG picture all have it. */
export interface Ctx {
  fillStyle: string | CanvasGradient | CanvasPattern;
  strokeStyle: string | CanvasGradient | CanvasPattern;
  lineWidth: number;
  lineCap: CanvasLineCap;
  globalAlpha: number;
  font: string;
  textAlign: CanvasTextAlign;
  textBaseline: CanvasTextBaseline;
  setTransform(a: number, b: number, c: number, d: number, e: number, f: number): void;
  setLineDash(dashes: number[]): void;
  beginPath(): void;
  closePath(): void;
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  bezierCurveTo(x1: number, y1: number, x2: number, y2: number, x: number, y: number): void;
  roundRect(x: number, y: number, w: number, h: number, radius: number): void;
  arc(x: number, y: number, radius: number, from: number, to: number): void;
  fill(): void;
  stroke(): void;
  clip(): void;
  save(): void;
  restore(): void;
  fillRect(x: number, y: number, w: number, h: number): void;
  fillText(text: string, x: number, y: number): void;
  measureText(text: string): { width: number };
}

const widths = new Map<string, number>();

/** In units of the canvas; remembered, since measuring is slow. */
export function widthOf(ctx: Ctx, text: string): number {
  const key = `${ctx.font}\n${text}`;
  let width = widths.get(key);
  if (width === undefined) {
    if (widths.size > 20_000) widths.clear();
    width = ctx.measureText(text).width;
    widths.set(key, width);
  }
  return width;
}

/** The text as it is shown, or its beginning and its end with "…" between, in at most so many pixels. */
export function squeezed(name: string, most: number, width: (text: string) => number): string {
  const text = shown(name);
  if (width(text) <= most) return text;
  const letters = [...text.slice(0, 400), ...(text.length > 400 ? text.slice(-100) : "")];
  let [low, high] = [1, letters.length - 1];
  const cut = (n: number): string =>
    `${letters.slice(0, Math.ceil(n / 2)).join("")}…${n > 1 ? letters.slice(-Math.floor(n / 2)).join("") : ""}`;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (width(cut(middle)) <= most) low = middle;
    else high = middle - 1;
  }
  return cut(low);
}
