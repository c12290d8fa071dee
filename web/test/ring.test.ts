import { describe, expect, test } from "vitest";
import type { Column, Table } from "../src/proto/frame";
import { cell, filterValue } from "../src/table/cells";
import { FlowRing, kept, TextSearch } from "../src/table/ring";
import { cpuMs } from "./cpu";

const texts = new Map([
  [1, "shop/cart"],
  [2, "shop/payments"],
  [3, "TCP"],
  [4, "GET /items 200"],
  [5, "<img src=x>"],
]);

function rows(n: number, from = 0): Table {
  const of = (make: (i: number) => number, kind: new (n: number) => Column): Column => {
    const column = new kind(n);
    for (let i = 0; i < n; i++) column[i] = make(from + i);
    return column;
  };
  return {
    n,
    columns: {
      uuid_a: of((i) => i, Uint32Array),
      uuid_d: of((i) => i * 7, Uint32Array),
      time: of((i) => 1000 + i, Float64Array),
      verdict: of((i) => (i % 10 ? 1 : 2), Uint8Array),
      source: of((i) => 1 + (i % 2), Uint32Array),
      destination: of((i) => 2 - (i % 2), Uint32Array),
      destination_port: of((i) => (i % 3 ? 443 : 8443), Uint16Array),
      protocol: of(() => 3, Uint32Array),
      summary: of((i) => (i % 50 ? 4 : 5), Uint32Array),
      pair: of((i) => 1 + (i % 100), Uint32Array),
    },
  };
}

const ALL = { text: "", verdicts: null, pairs: false };

describe("the ring", () => {
  test("keeps the newest", () => {
    const ring = new FlowRing(100);
    for (let from = 0; from < 1000; from += 30) ring.append(rows(30, from), texts);
    expect(ring.size).toBe(100);
    for (let row = ring.oldest; row < ring.added; row++) expect(ring.columns.time[ring.place(row)]).toBe(1000 + row);
  });

  test("takes more at once than it holds", () => {
    const ring = new FlowRing(100);
    ring.append(rows(250), texts);
    expect([ring.size, ring.oldest, ring.columns.time[ring.place(249)]]).toEqual([100, 150, 1249]);
  });

  test("has nothing of an earlier row where a column is missing", () => {
    const ring = new FlowRing(4);
    ring.append(rows(4), texts);
    ring.append({ n: 2, columns: { time: Float64Array.of(1, 2) } }, texts);
    expect(ring.text("source", ring.place(4))).toBe("");
  });

  test("writes uuids as everybody does", () => {
    const ring = new FlowRing(4);
    ring.append(
      {
        n: 1,
        columns: {
          uuid_a: Uint32Array.of(0x0d5a1f6e),
          uuid_b: Uint32Array.of(0x11114222),
          uuid_c: Uint32Array.of(0x83334444),
          uuid_d: Uint32Array.of(5),
        },
      },
      texts,
    );
    expect(ring.uuid(0)).toBe("0d5a1f6e-1111-4222-8333-444400000005");
  });
});

describe("after a break", () => {
  const other = new Map([...texts].map(([number, text]) => [number + 70, text])); // another connection's numbers
  const renumbered = (table: Table): Table => {
    const of = (name: string): Column => table.columns[name].map((number) => (number ? number + 70 : 0));
    const names = ["source", "destination", "protocol", "summary"];
    return { ...table, columns: { ...table.columns, ...Object.fromEntries(names.map((name) => [name, of(name)])) } };
  };
  const times = (ring: FlowRing): number[] =>
    Array.from({ length: ring.size }, (_, i) => ring.columns.time[ring.place(ring.oldest + i)] - 1000);

  test("what is held stays, in its place and its words, and nothing is there twice", () => {
    const ring = new FlowRing(100);
    ring.append(rows(20), texts);
    ring.resume(renumbered(rows(20, 10)), other);
    expect(times(ring)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect([ring.text("source", ring.place(3)), ring.text("source", ring.place(29))]).toEqual([
      "shop/payments",
      "shop/payments",
    ]);
    ring.append(renumbered(rows(25, 10)), other); // a server that began anew tells what was once more
    expect(times(ring).slice(0, 30)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(times(ring).slice(30)).toEqual([30, 31, 32, 33, 34]);
  });

  test("a row says so where nothing joins them", () => {
    const ring = new FlowRing(100);
    ring.append(rows(5), texts);
    ring.resume(renumbered(rows(5, 50)), other);
    expect(ring.size).toBe(11);
    expect(ring.columns.is_loss[5]).toBe(2);
    expect(cell("summary", ring, 5, true)).toContain("not shown");
  });

  test("texts that no row has any more are given up", () => {
    const ring = new FlowRing(50);
    for (let n = 1; n < 60_000; n += 3)
      ring.append(
        { n: 3, columns: { source: Uint32Array.of(n, n + 1, n + 2) } },
        new Map([n, n + 1, n + 2].map((number) => [number, `pod-${number}`])),
      );
    expect(ring.texts.size).toBeLessThan(20_100);
    expect(ring.text("source", ring.place(ring.added - 1))).toMatch(/^pod-\d+$/);
  });
});

describe("what is kept", () => {
  const ring = new FlowRing(1000);
  ring.append(rows(1500), texts);
  const search = new TextSearch();

  test("without a wish is all", () => expect(kept(ring, ALL, search)).toBeNull());

  test("has the text, in any case, or the port", () => {
    const found = kept(ring, { ...ALL, text: "IMG" }, search) as Float64Array;
    expect([...found].every((row) => row % 50 === 0)).toBe(true);
    expect(found.length).toBe(20);
    const ports = kept(ring, { ...ALL, text: "8443" }, search) as Float64Array;
    expect([...ports].every((row) => row % 3 === 0)).toBe(true);
  });

  test("finds texts that came later", () => {
    const later = new FlowRing(10);
    const growing = new Map(texts);
    later.append(rows(5), growing);
    expect(kept(later, { ...ALL, text: "late" }, search)?.length).toBe(0);
    growing.set(9, "a late one");
    later.append({ n: 1, columns: { summary: Uint32Array.of(9) } }, growing);
    expect(kept(later, { ...ALL, text: "late" }, search)?.length).toBe(1);
  });

  test("is of the verdicts", () => {
    const found = kept(ring, { ...ALL, verdicts: new Set([2]) }, search) as Float64Array;
    expect([...found].every((row) => row % 10 === 0)).toBe(true);
    expect(found.length).toBe(100);
  });

  test("of conversations is the newest row each, in order", () => {
    const found = [...(kept(ring, { ...ALL, pairs: true }, search) as Float64Array)];
    expect(found).toEqual(Array.from({ length: 100 }, (_, i) => 1400 + i));
  });

  test("of 100,000 rows is found within 10 ms", () => {
    const big = new FlowRing();
    big.append(rows(100_000), texts);
    const want = { text: "payments", verdicts: new Set([1, 2]), pairs: false };
    const runs = 20;
    for (let run = 0; run < runs; run++) kept(big, want, search); // the compiler has seen it
    const began = cpuMs();
    for (let run = 0; run < runs; run++) kept(big, want, search);
    expect((cpuMs() - began) / runs).toBeLessThan(10);
  });
});

test("cells are text, and a click on one filters by it", () => {
  const ring = new FlowRing(10);
  ring.append(rows(10), texts);
  expect(cell("verdict", ring, 0, true)).toBe("⊘ DROPPED");
  expect(cell("summary", ring, 0, true)).toBe("<img src=x>");
  expect(cell("port", ring, 1, true)).toBe("443/TCP");
  expect(filterValue("port", ring, 1, true)).toBe("443");
  expect(filterValue("verdict", ring, 0, true)).toBe("DROPPED");
  expect(filterValue("time", ring, 0, true)).toBe("");
});
