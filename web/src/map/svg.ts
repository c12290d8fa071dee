/** An SVG picture that is drawn as a canvas is: what draws the map draws its file, too. */

import type { Ctx } from "./text";

interface Pen {
  fillStyle: string;
  strokeStyle: string;
  lineWidth: number;
  globalAlpha: number;
  font: string;
  textAlign: CanvasTextAlign;
  textBaseline: CanvasTextBaseline;
  dashes: number[];
  clipped: string;
}

const ANCHORS: Partial<Record<CanvasTextAlign, string>> = { center: "middle", right: "end" };

/** XML 1.0 allows none of them, and names come from the network. */
const NOT_XML = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Text as it may stand in XML. */
export const escaped = (text: string): string =>
  text.replace(NOT_XML, "\ufffd").replace(/[&<>"]/g, (sign) => ENTITIES[sign]);

const short = (value: number): string => String(Math.round(value * 100) / 100);

/** Draws into a text; `ruler` measures letters, since only a canvas can. Scales evenly and moves, and turns nothing. */
export class SvgContext implements Ctx {
  fillStyle = "#000";
  strokeStyle = "#000";
  lineWidth = 1;
  lineCap: CanvasLineCap = "butt";
  globalAlpha = 1;
  font = "10px sans-serif";
  textAlign: CanvasTextAlign = "left";
  textBaseline: CanvasTextBaseline = "alphabetic";
  private dashes: number[] = [];
  private clipped = "";
  private clips = 0;
  private path = "";
  private readonly parts: string[] = [];
  private readonly kept: Pen[] = [];
  private k = 1;
  private dx = 0;
  private dy = 0;

  constructor(private readonly ruler: Ctx) {}

  /** The whole picture, of so many pixels. */
  text(w: number, h: number, title: string): string {
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}"><title>${escaped(title)}</title>\n${this.parts.join("\n")}\n</svg>\n`;
  }

  setTransform(a: number, _b: number, _c: number, _d: number, e: number, f: number): void {
    [this.k, this.dx, this.dy] = [a, e, f];
  }

  setLineDash(dashes: number[]): void {
    this.dashes = dashes;
  }

  beginPath(): void {
    this.path = "";
  }

  closePath(): void {
    this.path += "Z";
  }

  moveTo(x: number, y: number): void {
    this.path += `M${this.at(x, y)}`;
  }

  lineTo(x: number, y: number): void {
    this.path += `L${this.at(x, y)}`;
  }

  bezierCurveTo(x1: number, y1: number, x2: number, y2: number, x: number, y: number): void {
    this.path += `C${this.at(x1, y1)} ${this.at(x2, y2)} ${this.at(x, y)}`;
  }

  roundRect(x: number, y: number, w: number, h: number, radius: number): void {
    const r = Math.min(radius, w / 2, h / 2);
    const turn = `A${short(r * this.k)} ${short(r * this.k)} 0 0 1 `;
    this.path += `M${this.at(x + r, y)}L${this.at(x + w - r, y)}${turn}${this.at(x + w, y + r)}`;
    this.path += `L${this.at(x + w, y + h - r)}${turn}${this.at(x + w - r, y + h)}`;
    this.path += `L${this.at(x + r, y + h)}${turn}${this.at(x, y + h - r)}L${this.at(x, y + r)}${turn}${this.at(x + r, y)}Z`;
  }

  /** Only half a circle at most, clockwise. */
  arc(x: number, y: number, radius: number, from: number, to: number): void {
    const on = (angle: number): string => this.at(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
    this.path += `M${on(from)}A${short(radius * this.k)} ${short(radius * this.k)} 0 0 1 ${on(to)}`;
  }

  fill(): void {
    this.put(`<path d="${this.path}" fill="${escaped(this.fillStyle)}"`);
  }

  stroke(): void {
    const dashes = this.dashes.length ? ` stroke-dasharray="${this.dashes.map((one) => short(one * this.k)).join(" ")}"` : "";
    const wide = short(this.lineWidth * this.k);
    this.put(`<path d="${this.path}" fill="none" stroke="${escaped(this.strokeStyle)}" stroke-width="${wide}"${dashes}`);
  }

  clip(): void {
    this.clips += 1;
    this.clipped = `c${this.clips}`;
    this.parts.push(`<clipPath id="${this.clipped}"><path d="${this.path}"/></clipPath>`);
  }

  save(): void {
    const { fillStyle, strokeStyle, lineWidth, globalAlpha, font, textAlign, textBaseline, dashes, clipped } = this;
    this.kept.push({ fillStyle, strokeStyle, lineWidth, globalAlpha, font, textAlign, textBaseline, dashes, clipped });
  }

  restore(): void {
    Object.assign(this, this.kept.pop());
  }

  fillRect(x: number, y: number, w: number, h: number): void {
    const [left, top] = [short(x * this.k + this.dx), short(y * this.k + this.dy)];
    const size = `width="${short(w * this.k)}" height="${short(h * this.k)}"`;
    this.put(`<rect x="${left}" y="${top}" ${size} fill="${escaped(this.fillStyle)}"`);
  }

  fillText(text: string, x: number, y: number): void {
    const [, weight = "400", size = "10", family = "sans-serif"] = /^(\d+ )?([\d.]+)px (.*)$/.exec(this.font) ?? [];
    const [left, top] = [short(x * this.k + this.dx), short(y * this.k + this.dy)];
    const letters = `font-family="${escaped(family)}" font-size="${short(Number(size) * this.k)}" font-weight="${weight.trim()}"`;
    const anchor = ANCHORS[this.textAlign] ? ` text-anchor="${ANCHORS[this.textAlign]}"` : "";
    const middle = this.textBaseline === "middle" ? ' dominant-baseline="central"' : "";
    this.put(`<text x="${left}" y="${top}" ${letters}${anchor}${middle} fill="${escaped(this.fillStyle)}"`, escaped(text), "text");
  }

  measureText(text: string): { width: number } {
    this.ruler.font = this.font;
    return this.ruler.measureText(text);
  }

  private at(x: number, y: number): string {
    return `${short(x * this.k + this.dx)} ${short(y * this.k + this.dy)}`;
  }

  private put(begun: string, inner = "", name = ""): void {
    const alpha = this.globalAlpha < 1 ? ` opacity="${short(this.globalAlpha)}"` : "";
    const clip = this.clipped ? ` clip-path="url(#${this.clipped})"` : "";
    this.parts.push(name ? `${begun}${alpha}${clip}>${inner}</${name}>` : `${begun}${alpha}${clip}/>`);
  }
}
