import { describe, expect, test } from "vitest";
import { island, type LayoutNode, NODE_H, NODE_W, type Positions } from "../src/map/cards";
import { layout } from "../src/map/layout";
import { ranks } from "../src/map/ranks";
import { cpuMs } from "./cpu";

function random(seed: number): () => number {
  return () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed / 2_147_483_648;
  };
}

function mesh(n: number, e: number, seed = 1): { nodes: LayoutNode[]; edges: [number, number][] } {
  const next = random(seed);
  const nodes = Array.from({ length: n }, (_, i) => ({ id: i + 1, group: `ns${i % 12}`, name: `w${i}` }));
  const edges = Array.from({ length: e }, (): [number, number] => [
    1 + Math.floor(next() * n),
    1 + Math.floor(next() * n),
  ]);
  return { nodes, edges };
}

const shop: LayoutNode[] = ["web", "cart", "catalog", "payments", "db"].map((name, i) => ({
  id: i + 1,
  group: "shop",
  name,
}));
const asks: [number, number][] = [
  [1, 2],
  [1, 3],
  [2, 4],
  [3, 5],
];

function disjoint(places: Positions): void {
  const all = [...places.values()];
  for (let i = 0; i < all.length; i++)
    for (let j = 0; j < i; j++) {
      const apart = Math.abs(all[i][0] - all[j][0]) >= NODE_W || Math.abs(all[i][1] - all[j][1]) >= NODE_H;
      expect(apart).toBe(true);
    }
}

describe("the layout", () => {
  test("goes left to right by who asks whom", () => {
    const places = layout({ nodes: shop, edges: asks, known: new Map() });
    for (const [a, b] of asks) expect((places.get(a) as number[])[0]).toBeLessThan((places.get(b) as number[])[0]);
  });

  test("is the same for the same input", () => {
    const input = mesh(60, 200);
    expect(layout({ ...input, known: new Map() })).toEqual(layout({ ...input, known: new Map() }));
  });

  test("lays no node over another and keeps islands apart", () => {
    const input = mesh(120, 400);
    const places = layout({ ...input, known: new Map() });
    expect(places.size).toBe(120);
    disjoint(places);
    const groups = [...new Set(input.nodes.map((node) => node.group))];
    const boxes = groups.map((group) =>
      island(input.nodes.filter((node) => node.group === group).map((node) => places.get(node.id) as [number, number])),
    );
    for (const [i, a] of boxes.entries())
      for (const b of boxes.slice(0, i))
        expect(a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h).toBe(false);
  });

  test("moves nobody when others come, go and come back", () => {
    const input = mesh(50, 150);
    const before = layout({ ...input, known: new Map() });
    const known = new Map(before);
    for (let step = 0; step < 20; step++) {
      const more = { id: 1000 + step, group: step % 3 ? "ns3" : `new${step}`, name: `late${step}` };
      const fewer = input.nodes.filter((node) => node.id % 7 !== step % 7);
      const places = layout({ nodes: [...fewer, more], edges: [...input.edges, [1, more.id]], known });
      for (const [id, at] of places) {
        if (known.has(id)) expect(at).toEqual(known.get(id));
        known.set(id, at);
      }
    }
    for (const [id, at] of before) expect(known.get(id)).toEqual(at);
    disjoint(known);
  });

  test("of circles ends and gives every node a rank", () => {
    const rank = ranks(
      [1, 2, 3],
      [
        [1, 2],
        [2, 3],
        [3, 1],
        [2, 2],
      ],
    );
    expect([...rank.keys()].sort()).toEqual([1, 2, 3]);
    expect(rank.get(2)).toBe(1);
  });

  test("of namespaces that are opened moves nobody, and is soon done", () => {
    const input = mesh(500, 2000);
    const closed = Array.from({ length: 12 }, (_, i) => ({ id: 1000 + i, group: "", name: `ns${i}` }));
    const first = input.nodes.filter((node) => node.group === "ns3");
    const known = layout({ nodes: [...closed, ...first], edges: [], known: new Map() });
    const began = cpuMs();
    const places = layout({ ...input, known });
    expect(cpuMs() - began).toBeLessThan(400);
    for (const node of first) expect(places.get(node.id)).toEqual(known.get(node.id));
    expect(places.size).toBe(500);
    disjoint(new Map([...known, ...places]));
  });

  test("of 500 nodes and 2,000 edges is soon done", () => {
    const input = mesh(500, 2000);
    layout({ ...input, known: new Map() });
    const began = cpuMs();
    layout({ ...input, known: new Map() });
    expect(cpuMs() - began).toBeLessThan(400);
  });
});

test("places that all ask each other stand in no row", () => {
  const nodes = Array.from({ length: 10 }, (_, i) => ({ id: i + 1, group: "", name: `team-${i}` }));
  const edges = nodes.flatMap((a) => nodes.filter((b) => a.id < b.id).map((b): [number, number] => [a.id, b.id]));
  const places = [...layout({ nodes, edges, known: new Map() }).values()];
  expect(new Set(places.map(String)).size).toBe(10);
  expect(new Set(places.map(([x]) => x)).size).toBeLessThan(7);
});
