/** The map as a file: all of it, what it is of above, the legend below; a PNG or an SVG, drawn by the same hand. */

import type { Box } from "./camera";
import { type Colour, LEGENDS, STEP } from "./colour";
import { draw, type Drawing, inked, type Palette, strokeEdge, WIDTHS } from "./draw";
import { SvgContext } from "./svg";
import { type Ctx, squeezed, widthOf } from "./text";

export type Format = "png" | "svg";

export interface Words {
  title: string;
  /** What is looked at: the filter, the time, how much there is. */
  lines: string[];
  /** Of the widths of edges, the least first. */
  widths: string[];
}

const HEAD = 30;
const LINE = 20;
const LEGEND = 44;
const PAD = 24;
const LEAST_W = 900;
/** Browsers draw no larger pictures everywhere. */
const MOST_PIXELS = 16_000_000;
const MOST_SIDE = 8_000;

export async function sheet(
  format: Format,
  d: Drawing,
  box: Box,
  words: Words,
  colour: Colour,
  p: Palette,
): Promise<Blob> {
  const head = HEAD + words.lines.length * LINE + PAD;
  const w = Math.ceil(Math.max(box.w + 2 * PAD, LEAST_W));
  const h = Math.ceil(head + box.h + LEGEND + PAD);
  const ratio = Math.min(2, Math.sqrt(MOST_PIXELS / (w * h)), MOST_SIDE / Math.max(w, h));
  const canvas = new OffscreenCanvas(Math.ceil(w * ratio), Math.ceil(h * ratio));
  const ruler = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
  if (format === "png") {
    drawn(ruler, d, box, words, colour, p, { w, h, head, ratio });
    return canvas.convertToBlob({ type: "image/png" });
  }
  const svg = new SvgContext(ruler);
  drawn(svg, d, box, words, colour, p, { w, h, head, ratio: 1 });
  return new Blob([svg.text(w, h, [words.title, ...words.lines].join(" · "))], { type: "image/svg+xml" });
}

function drawn(
  ctx: Ctx,
  d: Drawing,
  box: Box,
  words: Words,
  colour: Colour,
  p: Palette,
  { w, h, head, ratio }: { w: number; h: number; head: number; ratio: number },
): void {
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.fillStyle = p.bg;
  ctx.fillRect(0, 0, w, h);
  draw(ctx, d, { x: box.x - (w - box.w) / 2, y: box.y - head, k: 1 }, w, h, ratio, p);
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  ctx.fillStyle = p.fg;
  ctx.font = `700 16px ${p.font}`;
  ctx.fillText(words.title, PAD, HEAD);
  ctx.font = `12px ${p.font}`;
  ctx.fillStyle = p.dim;
  words.lines.forEach((line, i) => {
    const text = squeezed(line, w - 2 * PAD, (each) => widthOf(ctx, each));
    ctx.fillText(text, PAD, HEAD + (i + 1) * LINE);
  });
  legend(ctx, words.widths, colour, h - LEGEND / 2, p);
}

const SAMPLE = 34;

function legend(ctx: Ctx, widths: string[], colour: Colour, y: number, p: Palette): void {
  let x = PAD;
  const said = (text: string, ink: string): void => {
    ctx.setLineDash([]);
    ctx.fillStyle = ink;
    ctx.fillText(text, x, y + 4);
    x += widthOf(ctx, text) + 18;
  };
  const sample = (as: number, wide: number, ink: string): void => {
    ctx.strokeStyle = ctx.fillStyle = ink;
    const [from, to] = [x, x + SAMPLE];
    strokeEdge(ctx, Float32Array.of(from, y, from, y, to - 10, y, to, y), 0, as, wide, p.bg);
    x = to + 6;
  };
  for (const [ink, text] of LEGENDS[colour]) {
    sample(ink, 2, inked(p, ink));
    said(text, ink < STEP ? p.texts[ink] : p.fg);
  }
  widths.forEach((text, i) => {
    sample(1, WIDTHS[i], p.dim);
    said(text, p.dim);
  });
}
