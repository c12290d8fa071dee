/** The curves of edges: one Bézier curve each, eight numbers; and what lies under a point. */

import { NODE_H, NODE_W, type Positions } from "./cards";

/** x1 y1 cx1 cy1 cx2 cy2 x2 y2 of each edge. */
export type Routes = Float32Array;

type Side = 0 | 1 | 2 | 3; // left, right, top, bottom

interface End {
  edge: number;
  at: 0 | 1;
  toward: number;
}

/** A curve for each edge (source, destination); NaN where an end has no place. */
export function routed(edges: [number, number][], places: Positions): Routes {
  const routes = new Float32Array(edges.length * 8).fill(NaN);
  const sides: [Side, Side][] = [];
  const ends = new Map<string, End[]>();
  edges.forEach(([from, to], edge) => {
    const [a, b] = [places.get(from), places.get(to)];
    sides.push(a && b ? sidesOf(a, b) : [1, 0]);
    if (!a || !b || from === to) return;
    const [sa, sb] = sides[edge];
    push(ends, `${from} ${sa}`, { edge, at: 0, toward: sa < 2 ? b[1] : b[0] });
    push(ends, `${to} ${sb}`, { edge, at: 1, toward: sb < 2 ? a[1] : a[0] });
  });
  // ends on one side of a node stand apart, in the order of where they lead
  for (const [key, list] of ends) {
    const [id, side] = key.split(" ").map(Number);
    const [x, y] = places.get(id) as [number, number];
    list.sort((a, b) => a.toward - b.toward || a.edge - b.edge);
    list.forEach((end, i) => {
      const share = list.length === 1 ? 0.5 : 0.22 + (0.56 * i) / (list.length - 1);
      const at = end.edge * 8 + end.at * 6;
      routes[at] = side === 0 ? x : side === 1 ? x + NODE_W : x + NODE_W * share;
      routes[at + 1] = side === 2 ? y : side === 3 ? y + NODE_H : y + NODE_H * share;
    });
  }
  edges.forEach(([from, to], edge) => bend(routes, edge * 8, sides[edge], from === to ? places.get(from) : undefined));
  return routes;
}

function push(ends: Map<string, End[]>, key: string, end: End): void {
  const list = ends.get(key);
  if (list) list.push(end);
  else ends.set(key, [end]);
}

function sidesOf(a: [number, number], b: [number, number]): [Side, Side] {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  if (dx >= NODE_W + 20) return [1, 0];
  if (dx <= -NODE_W - 20) return [0, 1];
  if (Math.abs(dy) > NODE_H * 3) return [1, 1];
  return dy > 0 ? [3, 2] : [2, 3];
}

function bend(routes: Routes, at: number, [from, to]: [Side, Side], self: [number, number] | undefined): void {
  if (self) {
    const [x, y] = self;
    routes.set([x + NODE_W * 0.6, y, x + NODE_W * 0.6, y - 38, x + NODE_W * 0.85, y - 38, x + NODE_W * 0.85, y], at);
    return;
  }
  const [x1, y1, x2, y2] = [routes[at], routes[at + 1], routes[at + 6], routes[at + 7]];
  const reach = from === to ? 70 : Math.max(24, from < 2 ? Math.abs(x2 - x1) / 2 : Math.abs(y2 - y1) / 2);
  const [ox, oy] = OUT[from];
  const [ix, iy] = OUT[to];
  routes.set([x1 + ox * reach, y1 + oy * reach, x2 + ix * reach, y2 + iy * reach], at + 2);
}

const OUT: Record<Side, [number, number]> = { 0: [-1, 0], 1: [1, 0], 2: [0, -1], 3: [0, 1] };

/** The point of a curve; t from 0 to 1. */
export function pointAt(routes: Routes, at: number, t: number): [number, number] {
  const u = 1 - t;
  const [a, b, c, d] = [u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t];
  return [
    a * routes[at] + b * routes[at + 2] + c * routes[at + 4] + d * routes[at + 6],
    a * routes[at + 1] + b * routes[at + 3] + c * routes[at + 5] + d * routes[at + 7],
  ];
}

const STEPS = 20;

/** The nearest edge within a distance; -1: none. */
export function edgeAt(routes: Routes, x: number, y: number, within: number): number {
  let [best, least] = [-1, within * within];
  for (let edge = 0; edge < routes.length / 8; edge++) {
    const at = edge * 8;
    if (outside(routes, at, x, y, within)) continue;
    let [px, py] = [routes[at], routes[at + 1]];
    for (let step = 1; step <= STEPS; step++) {
      const [qx, qy] = pointAt(routes, at, step / STEPS);
      const far = apart(x, y, px, py, qx, qy);
      if (far < least) [best, least] = [edge, far];
      [px, py] = [qx, qy];
    }
  }
  return best;
}

/** Whether a point lies outside the box of a curve's four points, which holds all of it. */
function outside(r: Routes, at: number, x: number, y: number, by: number): boolean {
  return !(
    x >= Math.min(r[at], r[at + 2], r[at + 4], r[at + 6]) - by &&
    x <= Math.max(r[at], r[at + 2], r[at + 4], r[at + 6]) + by &&
    y >= Math.min(r[at + 1], r[at + 3], r[at + 5], r[at + 7]) - by &&
    y <= Math.max(r[at + 1], r[at + 3], r[at + 5], r[at + 7]) + by
  );
}

/** The square of the distance of a point to a piece of a line. */
function apart(x: number, y: number, ax: number, ay: number, bx: number, by: number): number {
  const [dx, dy] = [bx - ax, by - ay];
  const t = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
  return (x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2;
}

/** The node at a point of the world; null: none. */
export function nodeAt(places: Iterable<[number, [number, number]]>, x: number, y: number, slack = 0): number | null {
  let found: number | null = null;
  for (const [id, [nx, ny]] of places)
    if (x >= nx - slack && x <= nx + NODE_W + slack && y >= ny - slack && y <= ny + NODE_H + slack) found = id;
  return found;
}

/** The nearest node in a direction from one; null: none. */
export function nodeToward(places: Positions, from: number, dx: number, dy: number): number | null {
  const here = places.get(from);
  if (!here) return places.keys().next().value ?? null;
  let [best, least]: [number | null, number] = [null, Infinity];
  for (const [id, [x, y]] of places) {
    const [ax, ay] = [x - here[0], y - here[1]];
    const along = ax * dx + ay * dy;
    const aside = Math.abs(ax * dy) + Math.abs(ay * dx);
    if (id === from || along <= 0 || aside > along * 2.5) continue;
    const cost = along + aside * 2;
    if (cost < least) [best, least] = [id, cost];
  }
  return best;
}
