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
  TITLE,
  touches,
} from "./cards";

/** Finds places for new nodes; nobody moves. */
export function added({ nodes, edges, known }: LayoutInput, fresh: LayoutNode[]): Positions {
  const found: Positions = new Map();
  const places = new Map<string, [number, number][]>();
  for (const node of nodes) {
    const at = known.get(node.id);
    if (!at) continue;
    found.set(node.id, at);
    places.set(node.group, [...(places.get(node.group) ?? []), at]);
  }
  // those seen before and gone for now keep their places too: they may come back
  const taken: [number, number][] = [...known.values()];
  for (const node of [...fresh].sort(byName)) {
    const at = freeIn(node, places, edges, found, taken) ?? freeBeside(places, edges, found, node, taken);
    found.set(node.id, at);
    taken.push(at);
    places.set(node.group, [...(places.get(node.group) ?? []), at]);
  }
  return found;
}

function wished(node: LayoutNode, edges: [number, number][], found: Positions): [number, number] | null {
  let [x, y, n] = [0, 0, 0];
  for (const [a, b] of edges) {
    const from = b === node.id ? found.get(a) : undefined;
    const to = a === node.id ? found.get(b) : undefined;
    if (from) [x, y, n] = [x + from[0] + PITCH_X, y + from[1], n + 1];
    if (to) [x, y, n] = [x + to[0] - PITCH_X, y + to[1], n + 1];
  }
  return n ? [x / n, y / n] : null;
}

function freeIn(
  node: LayoutNode,
  places: Map<string, [number, number][]>,
  edges: [number, number][],
  found: Positions,
  taken: [number, number][],
): [number, number] | null {
  const mine = places.get(node.group);
  if (!mine) return null;
  const box = island(mine);
  const others = [...places].filter(([group]) => group !== node.group).map(([, list]) => island(list));
  const wish = wished(node, edges, found) ?? [box.x + PAD, box.y + box.h - PAD];
  const [x0, y0] = [Math.min(...mine.map(([x]) => x)), Math.min(...mine.map(([, y]) => y))];
  let best: [number, number] | null = null;
  let cost = Infinity;
  const columns = Math.round((box.w - 2 * PAD - NODE_W) / PITCH_X) + 1;
  const rows = Math.round((box.h - 2 * PAD - TITLE - NODE_H) / PITCH_Y) + 1;
  for (let i = -1; i <= columns; i++)
    for (let j = -1; j <= rows; j++) {
      const at: [number, number] = [x0 + i * PITCH_X, y0 + j * PITCH_Y];
      const grown = island([...mine, at]);
      const far =
        Math.hypot(at[0] - wish[0], at[1] - wish[1]) + (i < 0 || j < 0 || i === columns || j === rows ? 150 : 0);
      if (far >= cost || taken.some((other) => overlaps(at, other))) continue;
      if (others.some((other) => touches(grown, other, 8))) continue;
      [best, cost] = [at, far];
    }
  return best;
}

const overlaps = ([ax, ay]: [number, number], [bx, by]: [number, number]): boolean =>
  Math.abs(ax - bx) < NODE_W + 20 && Math.abs(ay - by) < NODE_H + 12;

function freeBeside(
  places: Map<string, [number, number][]>,
  edges: [number, number][],
  found: Positions,
  node: LayoutNode,
  taken: [number, number][],
): [number, number] {
  const boxes = [...places.values()].map((list) => island(list));
  const all = island(taken);
  const wish = wished(node, edges, found) ?? [all.x + PAD, all.y + all.h];
  const fits = (at: [number, number]): boolean =>
    !boxes.some((box) => touches(island([at]), box, APART / 2)) && !taken.some((other) => overlaps(at, other));
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
