import { describe, expect, test } from "vitest";
import { squeezed } from "../src/map/text";
import { edgeAt, nodeAt, nodeToward, pointAt, routed } from "../src/map/geometry";
import { NODE_H, NODE_W, type Positions } from "../src/map/cards";

const places: Positions = new Map([
  [1, [0, 0]],
  [2, [400, 0]],
  [3, [400, 200]],
  [4, [0, 200]],
]);
const edges: [number, number][] = [
  [1, 2],
  [1, 3],
  [3, 4],
  [2, 3],
  [1, 1],
  [1, 99],
];

describe("what is hit", () => {
  const routes = routed(edges, places);

  test("is the edge whose curve is near", () => {
    edges.slice(0, 5).forEach((_, edge) => {
      const [x, y] = pointAt(routes, edge * 8, 0.37);
      expect(edgeAt(routes, x + 1, y + 1, 6)).toBe(edge);
    });
    expect(edgeAt(routes, 200, -300, 6)).toBe(-1);
  });

  test("is no edge whose end has no place", () => {
    expect(Number.isNaN(routes[5 * 8])).toBe(true);
  });

  test("is the node under the point", () => {
    expect(nodeAt(places, 10, 10)).toBe(1);
    expect(nodeAt(places, 400 + NODE_W, 200 + NODE_H)).toBe(3);
    expect(nodeAt(places, 300, 100)).toBeNull();
  });

  test("edges of one side begin apart", () => {
    expect(routes[1]).not.toBe(routes[9]);
  });
});

test("arrows lead to the nearest node that way", () => {
  expect(nodeToward(places, 1, 1, 0)).toBe(2);
  expect(nodeToward(places, 2, 0, 1)).toBe(3);
  expect(nodeToward(places, 3, -1, 0)).toBe(4);
  expect(nodeToward(places, 1, -1, 0)).toBeNull();
  expect(nodeToward(places, 77, 1, 0)).toBe(1);
});

test("a name too long keeps its beginning and its end", () => {
  const width = (text: string): number => [...text].length;
  expect(squeezed("short", 10, width)).toBe("short");
  const cut = squeezed("monitoring/prometheus-operator-5f6d8", 16, width);
  expect(cut.length).toBe(16);
  expect(cut).toMatch(/^monitor.*…/);
  expect(cut).toMatch(/f6d8$/);
  expect(width(squeezed("名".repeat(5000), 9, width))).toBeLessThanOrEqual(9);
});
