/** Places for what comes later: nobody who stands moves. */

import {
  APART,
  byName,
  island,
  type LayoutInput,
  type LayoutNode,
  NODE_H,
  NODE_W,
  PAD,
  PITCH_X,
  PITCH_Y,
  type Positions,
  type Rect,
  TITLE,
  touches,
} from "./cards";

const WIDTH = NODE_W + 20;
const HEIGHT = NODE_H + 12;
const cellOf = (column: number, row: number): number => column * 0x100000 + row;

/** Who stands where: by group, and in a grid in which a card can only overlap those of the nine cells around it. */
class Standing {
  readonly boxes = new Map<string, Rect>();
  private readonly first = new Map<string, [number, number]>();
  private readonly cells = new Map<number, [number, number][]>();
  private whole: Rect | null = null;

  take(at: [number, number]): void {
    const key = cellOf(Math.floor(at[0] / WIDTH), Math.floor(at[1] / HEIGHT));
    const cell = this.cells.get(key);
    if (cell) cell.push(at);
    else this.cells.set(key, [at]);
    this.whole = this.whole ? around(this.whole, at) : island([at]);
  }

  /** Around all of them. */
  get all(): Rect {
    return this.whole ?? island([[0, 0]]);
  }

  join(group: string, at: [number, number]): void {
    const [box, first] = [this.boxes.get(group), this.first.get(group)];
    this.boxes.set(group, box ? around(box, at) : island([at]));
    this.first.set(group, first ? [Math.min(first[0], at[0]), Math.min(first[1], at[1])] : at);
  }

  /** The upper left of a group's places. */
  corner(group: string): [number, number] {
    return this.first.get(group) ?? [0, 0];
  }

  isTaken([x, y]: [number, number]): boolean {
    const [column, row] = [Math.floor(x / WIDTH), Math.floor(y / HEIGHT)];
    for (let i = column - 1; i <= column + 1; i++)
      for (let j = row - 1; j <= row + 1; j++)
        for (const [ox, oy] of this.cells.get(cellOf(i, j)) ?? [])
          if (Math.abs(x - ox) < WIDTH && Math.abs(y - oy) < HEIGHT) return true;
    return false;
  }
}

/** The rectangle grown to a place. */
function around(box: Rect, at: [number, number]): Rect {
  const one = island([at]);
  const [x, y] = [Math.min(box.x, one.x), Math.min(box.y, one.y)];
  return { x, y, w: Math.max(box.x + box.w, one.x + one.w) - x, h: Math.max(box.y + box.h, one.y + one.h) - y };
}

/** Finds places for new nodes; nobody moves. Of hundreds at once each takes microseconds, not a look at all others. */
export function added({ nodes, edges, known }: LayoutInput, fresh: LayoutNode[]): Positions {
  const found: Positions = new Map();
  const standing = new Standing();
  for (const node of nodes) {
    const at = known.get(node.id);
    if (!at) continue;
    found.set(node.id, at);
    standing.join(node.group, at);
  }
  // those seen before and gone for now keep their places too: they may come back
  for (const at of known.values()) standing.take(at);
  const beside = neighbours(edges);
  for (const node of [...fresh].sort(byName)) {
    const wish = wished(beside.get(node.id) ?? [], found);
    const at = freeIn(node.group, standing, wish) ?? freeBeside(standing, wish);
    found.set(node.id, at);
    standing.take(at);
    standing.join(node.group, at);
  }
  return found;
}

/** By node, the other ends of its edges, and on which side of them it would like to be. */
function neighbours(edges: [number, number][]): Map<number, [number, number][]> {
  const found = new Map<number, [number, number][]>();
  const note = (of: number, other: number, side: number): void => {
    const list = found.get(of);
    if (list) list.push([other, side]);
    else found.set(of, [[other, side]]);
  };
  for (const [a, b] of edges) {
    note(b, a, PITCH_X);
    note(a, b, -PITCH_X);
  }
  return found;
}

function wished(beside: [number, number][], found: Positions): [number, number] | null {
  let [x, y, n] = [0, 0, 0];
  for (const [other, side] of beside) {
    const at = found.get(other);
    if (at) [x, y, n] = [x + at[0] + side, y + at[1], n + 1];
  }
  return n ? [x / n, y / n] : null;
}

function freeIn(group: string, standing: Standing, wanted: [number, number] | null): [number, number] | null {
  const box = standing.boxes.get(group);
  if (!box) return null;
  const others = [...standing.boxes].filter(([other]) => other !== group).map(([, one]) => one);
  const wish = wanted ?? [box.x + PAD, box.y + box.h - PAD];
  const [x0, y0] = standing.corner(group);
  let best: [number, number] | null = null;
  let cost = Infinity;
  const columns = Math.round((box.w - 2 * PAD - NODE_W) / PITCH_X) + 1;
  const rows = Math.round((box.h - 2 * PAD - TITLE - NODE_H) / PITCH_Y) + 1;
  for (let i = -1; i <= columns; i++)
    for (let j = -1; j <= rows; j++) {
      const at: [number, number] = [x0 + i * PITCH_X, y0 + j * PITCH_Y];
      const isOutside = i < 0 || j < 0 || i === columns || j === rows;
      const far = Math.hypot(at[0] - wish[0], at[1] - wish[1]) + (isOutside ? 150 : 0);
      if (far >= cost || standing.isTaken(at)) continue;
      const grown = around(box, at);
      if (others.some((other) => touches(grown, other, 8))) continue;
      [best, cost] = [at, far];
    }
  return best;
}

function freeBeside(standing: Standing, wanted: [number, number] | null): [number, number] {
  const { all } = standing;
  const boxes = [...standing.boxes.values()];
  const wish = wanted ?? [all.x + PAD, all.y + all.h];
  const fits = (at: [number, number]): boolean => {
    if (standing.isTaken(at)) return false;
    const one = island([at]);
    return !boxes.some((box) => touches(one, box, APART / 2));
  };
  let best: [number, number] = [wish[0], all.y + all.h + APART + TITLE + PAD];
  let cost = Math.abs(best[1] - wish[1]) + 1;
  for (let x = all.x - PITCH_X; x <= all.x + all.w + PITCH_X; x += PITCH_X / 2)
    for (let y = all.y; y <= all.y + all.h + PITCH_Y; y += PITCH_Y / 2) {
      const far = Math.hypot(x - wish[0], y - wish[1]);
      if (far < cost && fits([x, y])) [best, cost] = [[x, y], far];
    }
  while (!fits(best)) best = [best[0], best[1] + PITCH_Y];
  return best;
}
