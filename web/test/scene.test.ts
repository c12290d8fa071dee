import { expect, test } from "vitest";
import { abnormalEdge, around, type MapEdge, sceneOf } from "../src/map/scene";
import { drawingOf, labelOf, subtitle, type Wish } from "../src/map/style";
import { routed } from "../src/map/geometry";
import { layout } from "../src/map/layout";
import { LOOK } from "../src/map/draw";
import { decode, encode, FrameType } from "../src/proto/frame";

const texts = new Map([
  [1, "shop/cart"],
  [2, "shop/payments"],
  [3, "shop"],
  [4, "workload=shop/cart"],
  [5, "8443/TCP"],
  [6, "grpc"],
  [7, "<b>*.example</b>"],
  [8, "outside"],
]);
const f4 = (...values: number[]): Float32Array => Float32Array.from(values);
const u4 = (...values: number[]): Uint32Array => Uint32Array.from(values);
const u1 = (...values: number[]): Uint8Array => Uint8Array.from(values);

const frame = decode(
  encode({
    type: FrameType.map,
    snapshot: true,
    sub: 1,
    seq: 1,
    tickMs: 5,
    head: { window_ms: 60_000, folded: { nodes: 3, edges: 9 }, summary: "3 services, 2 connections, 1 dropping" },
    tables: {
      nodes: {
        n: 3,
        columns: {
          id: u4(10, 11, 12),
          name: u4(1, 2, 7),
          group: u4(3, 3, 8),
          kind: u1(0, 0, 4),
          members: u4(3, 2, 12),
          rate_in: f4(1, 5, 4),
          rate_out: f4(340, 0, 0),
          drops: f4(5, 5, 0),
          errors: f4(0, 0, 0),
          query: u4(4, 0, 0),
        },
      },
      edges: {
        n: 3,
        columns: {
          id: u4(20, 21, 22),
          source: u4(10, 11, 10),
          destination: u4(11, 12, 99),
          flows: f4(5, 4, 1),
          bytes: f4(1, 2, 3),
          requests: f4(0, 4, 0),
          p50_ms: f4(NaN, 2, NaN),
          p99_ms: f4(NaN, 38, NaN),
          errors: f4(0, 0, 0),
          drops: f4(5.2, 0, 0),
          audits: f4(0, 0, 0),
          rtt_ms: f4(NaN, 1, 1),
          retransmits: f4(0, 0, 0),
          encrypted: u1(0, 2, 0),
          verdict: u1(2, 1, 1),
          ports: u4(5, 5, 5),
          protocol: u4(0, 6, 0),
          is_new: u1(0, 1, 0),
        },
      },
    },
  }),
);
const scene = sceneOf(frame, texts);

test("a scene has the frame's nodes, and edges between them only", () => {
  expect(scene.nodes.map((node) => node.name)).toEqual(["shop/cart", "shop/payments", "<b>*.example</b>"]);
  expect(scene.edges.map((edge) => edge.id)).toEqual([20, 21]);
  expect(scene.summary).toBe("3 services, 2 connections, 1 dropping");
  expect(scene.folded).toEqual({ nodes: 3, edges: 9 });
});

test("what is abnormal is", () => {
  expect(scene.edges.map(abnormalEdge)).toEqual([true, false]);
});

test("hops lead both ways", () => {
  expect([...around(scene, 12, 1)].sort()).toEqual([11, 12]);
  expect([...around(scene, 12, 2)].sort()).toEqual([10, 11, 12]);
});

test("edges are labelled by what matters, never by colour alone", () => {
  const [dropped, spoken] = scene.edges;
  expect(labelOf(dropped, "flows")).toEqual({ strong: "⊘ 5.2/s", weak: "dropped" });
  expect(labelOf(spoken, "flows")).toEqual({ strong: "4/s", weak: "p99 38 ms" });
  expect(labelOf({ ...spoken, verdict: 3, errors: 0.22 } as MapEdge, "flows").strong).toBe("! 22 %");
  expect(labelOf({ ...spoken, verdict: 4, audits: 4 } as MapEdge, "flows")).toEqual({ strong: "◇ 4/s", weak: "audit" });
});

test("a card says how many there are", () => {
  expect(subtitle(scene.nodes[0], "grpc")).toBe("3 pods · GRPC");
  expect(subtitle(scene.nodes[2], "")).toBe("12 addresses");
});

test("a drawing dims what the wish leaves out", () => {
  const edges = scene.edges;
  const pairs = edges.map((edge): [number, number] => [edge.source, edge.destination]);
  const places = layout({ nodes: scene.nodes, edges: pairs, known: new Map() });
  const wish: Wish = { metric: "flows", colour: "verdict", scope: "workload", abnormal: true, focus: 0, hops: 1, selected: 0, find: "", pinned: new Set() };
  const drawing = drawingOf(scene, edges, places, routed(pairs, places), wish);
  expect([...drawing.dim]).toEqual([0, 1]);
  expect([...drawing.look].map((look) => (look & LOOK.dim) !== 0)).toEqual([false, false, true]);
  expect(drawing.shorts).toEqual(["cart", "payments", "<b>*.example</b>"]);
  expect(drawing.islands.map((island) => island.title)).toEqual(["NAMESPACE shop · 2 workloads", "OUTSIDE · 1 name"]);
});
