/** What part of the map is seen: the world's point at the screen's corner, and pixels by unit of the world. */

export interface Camera {
  x: number;
  y: number;
  k: number;
}
export interface Box {
  x: number;
  y: number;
  w: number;
  h: number;
}

export const K_MIN = 0.04;
export const K_MAX = 3;

export const toScreen = (c: Camera, x: number, y: number): [number, number] => [(x - c.x) * c.k, (y - c.y) * c.k];
export const toWorld = (c: Camera, x: number, y: number): [number, number] => [x / c.k + c.x, y / c.k + c.y];

/** Moved by so many pixels of the screen: what lay under the pointer stays under it. */
export const panned = (c: Camera, dx: number, dy: number): Camera => ({ x: c.x - dx / c.k, y: c.y - dy / c.k, k: c.k });

/** Nearer by a factor; the point of the screen keeps its place. */
export function zoomed(c: Camera, factor: number, x: number, y: number): Camera {
  const k = Math.min(K_MAX, Math.max(K_MIN, c.k * factor));
  return { x: c.x + x / c.k - x / k, y: c.y + y / c.k - y / k, k };
}

/** All of a box in the middle of a screen, never nearer than 1:1 unless asked. */
export function fitted(box: Box, width: number, height: number, margin = 28, most = 1): Camera {
  if (box.w <= 0 || box.h <= 0 || width <= 0 || height <= 0) return { x: 0, y: 0, k: 1 };
  const k = Math.min(most, Math.max(K_MIN, Math.min((width - 2 * margin) / box.w, (height - 2 * margin) / box.h)));
  return { x: box.x - (width / k - box.w) / 2, y: box.y - (height / k - box.h) / 2, k };
}

/** Moved as little as makes a box seen. */
export function shown(c: Camera, box: Box, width: number, height: number, margin = 40): Camera {
  const [x1, y1] = toScreen(c, box.x, box.y);
  const [x2, y2] = toScreen(c, box.x + box.w, box.y + box.h);
  const move = (low: number, high: number, size: number): number =>
    low < margin ? margin - low : high > size - margin ? size - margin - high : 0;
  return panned(c, move(x1, x2, width), move(y1, y2, height));
}

/** The part of a world of this box's shape that is seen whole. */
export const framed = (box: Box, width: number, height: number): Camera => fitted(box, width, height, 0, K_MAX);

const CAMERA = /^(-?\d{1,6}(?:\.\d)?),(-?\d{1,6}(?:\.\d)?),(\d(?:\.\d{1,4})?)$/;

/** As it stands in the URL: "120.5,-40,0.75". */
export const cameraText = ({ x, y, k }: Camera): string => `${fine(x, 10)},${fine(y, 10)},${fine(k, 10_000)}`;

const fine = (value: number, steps: number): number => Math.round(value * steps) / steps + 0; // no "-0"

/** The camera that a text says; null: none. */
export function cameraOf(text: string): Camera | null {
  const [, x, y, k] = (CAMERA.exec(text) ?? []).map(Number);
  return k >= K_MIN && k <= K_MAX ? { x, y, k } : null;
}
