import { expect, test } from "vitest";
import { against } from "../src/map/ghosts";
import { collapsed } from "../src/map/islands";
import { EMPTY, type MapEdge, type MapNode, MORE, type Scene } from "../src/map/scene";
import { subtitle } from "../src/map/style";

const node = (id: number, more: Partial<MapNode> = {}): MapNode => ({
  id,
  name: `n${id}`,
  group: "shop",
  kind: 0,
  members: 2,
  rateIn: 1,
  rateOut: 1,
  drops: 1,
  errors: 0,
  query: "",
  ...more,
});
const edge = (source: number, destination: number): MapEdge =>
  ({ id: 100 * source + destination, source, destination, flows: 5, drops: 1, verdict: 2, p99: 7, encrypted: 1, ports: "80/TCP" }) as MapEdge;
const scene = (nodes: MapNode[], edges: MapEdge[]): Scene => ({
  ...EMPTY,
  nodes,
  edges,
  nodeById: new Map(nodes.map((one) => [one.id, one])),
  summary: "so many",
});

const live = scene([node(1), node(2), node(3), node(9, { kind: MORE })], [edge(1, 2), edge(2, 3), edge(1, 9)]);
const then = scene([node(1), node(2), node(4), node(8, { kind: MORE })], [edge(1, 4), edge(4, 8)]);

test("who is missing then is a ghost without traffic, who is missing now is marked", () => {
  const both = against(then, live);
  expect(both.nodes.map(({ id, ghost, fresh }) => [id, ghost ?? false, fresh ?? false])).toEqual([
    [1, false, false],
    [2, false, false],
    [4, false, true],
    [8, false, false],
    [3, true, false],
  ]);
  expect(both.nodeById.get(3)).toMatchObject({ rateIn: 0, drops: 0 });
  expect(both.edges.map(({ id, ghost }) => [id, ghost ?? false])).toEqual([
    [104, false],
    [408, false],
    [102, true],
    [203, true],
  ]);
  expect(both.edges[2]).toMatchObject({ flows: 0, drops: 0, verdict: 0, encrypted: 0, p99: NaN });
  expect(both.summary).toBe("so many, 1 node not there then, 1 node not there now");
  expect([3, 4].map((id) => subtitle(both.nodeById.get(id) as MapNode, ""))).toEqual([
    "2 pods · not there then",
    "2 pods · not there now",
  ]);
});

test("a map that no live one was seen before is as it is, and so is an empty one", () => {
  expect(against(then, EMPTY)).toBe(then);
  expect(against(EMPTY, live)).toBe(EMPTY);
});

test("a closed island is a ghost where all on it are", () => {
  const shut = { open: new Set<string>(), shut: new Set(["shop", "other"]) };
  const gone = against(then, scene([...live.nodes, node(20, { group: "other" })], [...live.edges, edge(2, 20)]));
  const cards = collapsed(gone, false, shut);
  expect(cards.nodes.map(({ name, ghost }) => [name, ghost])).toEqual([
    ["shop", false],
    ["other", true],
  ]);
  expect(cards.edges.map(({ ghost }) => ghost)).toEqual([true]);
  expect(cards.nodes[0].island?.edges).toBe(2);
});
