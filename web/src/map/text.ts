/** Text on a canvas: how wide it is, and how it is made to fit. */

export type Ctx = OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D;

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

/** The text, or its beginning and its end with "…" between, in at most so many pixels. */
export function squeezed(text: string, most: number, width: (text: string) => number): string {
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
