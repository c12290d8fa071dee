import { expect, test } from "vitest";
import { Past } from "../src/map/idle";
import { areMany, collapsed, idOf, isClosed } from "../src/map/islands";
import { EMPTY, type MapEdge, type MapNode, MORE, pathOf, type Scene } from "../src/map/scene";
import { isFound, labelOf, subtitle } from "../src/map/style";

const node = (id: number, name: string, group: string, more: Partial<MapNode> = {}): MapNode => ({
  id,
  name,
  group,
  kind: 0,
  members: 1,
  rateIn: 1,
  rateOut: 2,
  drops: 0,
  errors: 0,
  query: `namespace=${group}&workload=Deployment/${name}`,
  ...more,
});

const edge = (source: number, destination: number, more: Partial<MapEdge> = {}): MapEdge => ({
  id: source * 100 + destination,
  source,
  destination,
  flows: 1,
  bytes: 10,
  requests: 0,
  p50: NaN,
  p99: NaN,
  errors: 0,
  drops: 0,
  audits: 0,
  rtt: NaN,
  retransmits: 0,
  encrypted: 0,
  verdict: 1,
  ports: "80/TCP",
  protocol: "",
  isNew: false,
  ...more,
});

const sceneOf = (nodes: MapNode[], edges: MapEdge[]): Scene => ({
  ...EMPTY,
  nodes,
  edges,
  nodeById: new Map(nodes.map((one) => [one.id, one])),
});

const scene = sceneOf(
  [
    node(1, "web", "shop"),
    node(2, "cart", "shop", { drops: 3 }),
    node(3, "+40 more", "shop", { kind: MORE, members: 40, query: "" }),
    node(4, "dns", "kube-system"),
    node(5, "example.org", "outside", { query: "fqdn=example.org" }),
  ],
  [
    edge(1, 2, { verdict: 2, drops: 3 }),
    edge(1, 4, { p99: 5, requests: 10, errors: 0.1, rtt: 1, encrypted: 1, ports: "53/UDP" }),
    edge(2, 4, { p99: 9, requests: 30, errors: 0.5, rtt: 3, flows: 3, verdict: 3, encrypted: 2, ports: "53/TCP, 53/UDP" }),
    edge(4, 5),
  ],
);
const none = { open: new Set<string>(), shut: new Set<string>() };
const shut = (...names: string[]) => ({ ...none, shut: new Set(names) });

test("islands are closed where nodes are many, unless they are opened, and where they are shut", () => {
  expect(isClosed("shop", false, none)).toBe(false);
  expect(isClosed("shop", true, none)).toBe(true);
  expect(isClosed("", true, none)).toBe(false);
  expect(isClosed("shop", true, { ...none, open: new Set(["shop"]) })).toBe(false);
  expect(isClosed("shop", true, { ...none, open: new Set(["*"]) })).toBe(false);
  expect(isClosed("shop", false, shut("shop"))).toBe(true);
});

test("many are more than sixty, and a few less after that", () => {
  expect([60, 61].map((nodes) => areMany(nodes, false))).toEqual([false, true]);
  expect([45, 46].map((nodes) => areMany(nodes, true))).toEqual([false, true]);
});

test("a closed island is one node with all that is on it", () => {
  const [card] = collapsed(scene, false, shut("shop")).nodes.filter((one) => one.island);
  expect(card).toMatchObject({ name: "shop", group: "", members: 42, rateIn: 3, rateOut: 6, drops: 3 });
  expect(card.query).toBe("namespace=shop");
  expect(card.island).toMatchObject({ group: "shop", edges: 1, dropping: 1 });
  expect(subtitle(card, "")).toBe("42 workloads · 1 edge, 1 dropping within");
  expect([isFound(card, "cart"), isFound(card, "dns")]).toEqual([true, false]);
});

test("what is outside has no namespace to ask for", () => {
  expect(collapsed(scene, false, shut("outside")).nodes.find((one) => one.island)?.query).toBe("");
});

test("edges between the same two islands are one, with sums, the worst and the mean", () => {
  const found = collapsed(scene, false, shut("shop", "kube-system"));
  expect(found.nodes).toHaveLength(3);
  expect(found.edges).toHaveLength(2);
  const [both] = found.edges.filter((one) => one.merged?.edges === 2);
  expect(both).toMatchObject({ flows: 4, bytes: 20, requests: 40, p99: 9, rtt: 2.5, encrypted: 3, verdict: 3 });
  expect(both.errors).toBeCloseTo(0.4);
  expect(both.p50).toBeNaN();
  expect(both.ports).toBe("53/UDP, 53/TCP");
  expect(labelOf(both, "flows").weak).toBe("2 edges");
  expect([both.source, both.destination]).toEqual([idOf("card|shop"), idOf("card|kube-system")]);
});

test("where nothing is closed the scene is the same", () => {
  expect(collapsed(scene, false, none)).toBe(scene);
});

test("a path leads from all who ask, however far, to all who are asked", () => {
  const path = pathOf(scene, { node: 4 });
  expect([...path.nodes].sort()).toEqual([1, 2, 4, 5]);
  expect([...path.edges].sort()).toEqual([102, 104, 204, 405]);
  expect([...pathOf(scene, { edge: 102 }).edges].sort()).toEqual([102, 204, 405]);
  expect([...pathOf(sceneOf([node(1, "a", ""), node(2, "b", "")], [edge(1, 2), edge(2, 1)]), { node: 1 }).nodes]).toHaveLength(2);
});

test("who was seen before and is not now is idle, until something else is asked", () => {
  const past = new Past();
  past.note(scene);
  const now = sceneOf([scene.nodes[0]], []);
  const idle = past.with(now).nodes.filter((one) => one.idle);
  expect(idle.map((one) => one.id)).toEqual([2, 3, 4, 5]);
  expect(idle[0]).toMatchObject({ name: "cart", rateIn: 0, drops: 0 });
  past.forget();
  expect(past.with(now)).toBe(now);
});
