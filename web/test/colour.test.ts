import { expect, test } from "vitest";
import { COLOURS, colourOf, inkOf, LEGENDS, nameOf, saidOf, STEP } from "../src/map/colour";
import { DASHES, inked, type Palette } from "../src/map/draw";
import type { MapEdge } from "../src/map/scene";
import { labelOf } from "../src/map/style";

const edge = (more: Partial<MapEdge>): MapEdge =>
  ({ flows: 5, bytes: 1, requests: 10, p99: NaN, errors: 0, drops: 0, audits: 0, encrypted: 0, verdict: 1, ...more }) as MapEdge;

test("each figure has its step, and what is not known has none", () => {
  const latency = [NaN, 0.5, 10, 99, 100, 5000].map((p99) => inkOf(edge({ p99 }), "latency"));
  expect(latency).toEqual([0, STEP, STEP + 1, STEP + 1, STEP + 2, STEP + 3]);
  const errors = [0, 0.001, 0.01, 0.05, 1].map((share) => inkOf(edge({ errors: share }), "errors"));
  expect(errors).toEqual([STEP, STEP + 1, STEP + 2, STEP + 3, STEP + 3]);
  expect(inkOf(edge({ requests: 0 }), "errors")).toBe(0);
  expect([0, 1, 2, 3].map((encrypted) => inkOf(edge({ encrypted }), "encryption"))).toEqual([0, STEP, STEP + 3, STEP + 1]);
  expect([0, 1, 2, 3, 4].map((verdict) => inkOf(edge({ verdict }), "verdict"))).toEqual([0, 1, 2, 3, 4]);
  expect([colourOf("errors"), colourOf("wings"), colourOf()]).toEqual(["errors", "verdict", "verdict"]);
});

test("no ink is told by its colour alone: each has words and dashes of its own", () => {
  for (const colour of COLOURS) {
    const inks = LEGENDS[colour].map(([ink]) => ink);
    const looks = new Set(inks.map((ink) => (ink === 3 ? "double" : DASHES[ink].join(" "))));
    expect(looks.size).toBe(inks.length);
    expect(new Set(LEGENDS[colour].map(([, words]) => words)).size).toBe(inks.length);
  }
  const palette = { verdicts: ["0", "1", "2", "3", "4"], steps: ["a", "b", "c", "d"], dim: "dim" } as Palette;
  expect([0, 4, STEP, STEP + 3].map((ink) => [inked(palette, ink), nameOf(ink)])).toEqual([
    ["0", "v-unknown"],
    ["4", "v-audit"],
    ["a", "step-a"],
    ["d", "step-d"],
  ]);
});

test("an edge says what its colour stands for, and a drop stays a drop", () => {
  expect(labelOf(edge({ p99: 38 }), "flows", "latency")).toEqual({ strong: "p99 38 ms", weak: "5/s" });
  expect(labelOf(edge({ encrypted: 3 }), "flows", "encryption").strong).toBe("in part");
  expect(labelOf(edge({}), "flows", "errors").strong).toBe("0 % errors");
  expect(labelOf(edge({}), "flows", "latency")).toEqual({ strong: "5/s", weak: "" });
  expect(labelOf(edge({ verdict: 2, drops: 5, p99: 38 }), "flows", "latency").strong).toBe("⊘ 5/s");
  expect(saidOf(edge({ p99: 38 }), "verdict")).toBe("");
});
