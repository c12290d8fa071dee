/** The sizes of cards and islands, and where cards stand. */

export const NODE_W = 154;
export const NODE_H = 54;
export const PITCH_X = NODE_W + 92; // room for a label on the edge
export const PITCH_Y = 112;
export const PAD = 20;
export const TITLE = 22;
export const APART = 44; // between islands, above and below
export const BETWEEN = 88; // between islands, beside

export interface LayoutNode {
  id: number;
  group: string;
  name: string;
}
export type Positions = Map<number, [number, number]>;

export interface LayoutInput {
  nodes: LayoutNode[];
  /** Source and destination ids. */
  edges: [number, number][];
  /** Of nodes that stay where they are. */
  known: Positions;
}

export interface Rect {
  x: number;
  y: number;
  w: number;
  h: number;
}
export const touches = (a: Rect, b: Rect, gap: number): boolean =>
  a.x < b.x + b.w + gap && b.x < a.x + a.w + gap && a.y < b.y + b.h + gap && b.y < a.y + a.h + gap;

/** The rectangle around nodes of a group, with its title. */
export function island(places: Iterable<[number, number]>): Rect {
  let [x1, y1, x2, y2] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of places) {
    x1 = Math.min(x1, x);
    y1 = Math.min(y1, y);
    x2 = Math.max(x2, x + NODE_W);
    y2 = Math.max(y2, y + NODE_H);
  }
  return { x: x1 - PAD, y: y1 - PAD - TITLE, w: x2 - x1 + 2 * PAD, h: y2 - y1 + 2 * PAD + TITLE };
}

/** The order of what is else alike, so that the same input gives the same places. */
export const byName = (a: LayoutNode, b: LayoutNode): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : a.id - b.id;
