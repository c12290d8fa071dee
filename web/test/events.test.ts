import { expect, test } from "vitest";
import { decode, encode, type Frame, FrameType } from "../src/proto/frame";
import { endOf, eventsAt, eventsOf, marked, nextEvent } from "../src/time/events";

const texts = new Map([
  [1, "first drop: NETFILTER_DROP a → b port 80"],
  [2, "first flow of the node node-2"],
]);

function frame(rows: [ms: number, kind: number, count: number, words: number][]): Frame {
  const columns = {
    time: Float64Array.from(rows, ([ms]) => ms),
    kind: Uint8Array.from(rows, ([, kind]) => kind),
    count: Uint32Array.from(rows, ([, , count]) => count),
    words: Uint32Array.from(rows, ([, , , words]) => words),
  };
  const tables = { events: { n: rows.length, columns } };
  return decode(encode({ type: FrameType.series, snapshot: true, sub: 1, seq: 1, tickMs: 0, head: {}, tables }));
}

const events = eventsOf(frame([[1500, 1, 3, 1], [1600, 3, 1, 2], [7000, 99, 1, 2]]), texts) ?? [];

test("events have their words, and say how many they stand for", () => {
  expect(events.map(({ ms, kind, words }) => [ms, kind, words])).toEqual([
    [1500, 1, "first drop: NETFILTER_DROP a → b port 80, and 2 more"],
    [1600, 3, "first flow of the node node-2"],
    [7000, 0, "first flow of the node node-2"],
  ]);
  const without = frame([]);
  expect(eventsOf({ ...without, tables: {} }, texts)).toBeNull();
  expect(eventsOf(without, texts)).toEqual([]);
});

test("a step goes to the end of the next bucket with an event, and there is not always one", () => {
  expect(events.map((event) => endOf(event, 1000))).toEqual([2000, 2000, 8000]);
  expect(nextEvent(events, 1000, Infinity, -1)).toBe(8000);
  expect(nextEvent(events, 1000, 8000, -1)).toBe(2000);
  expect(nextEvent(events, 1000, 2000, -1)).toBeNull();
  expect(nextEvent(events, 1000, 2000, 1)).toBe(8000);
  expect(nextEvent(events, 1000, Infinity, 1)).toBeNull();
  expect(eventsAt(events, 1000, 2000).map(({ kind }) => kind)).toEqual([1, 3]);
});

test("where two signs have no room the drop has it", () => {
  const at = (ms: number): number => ms / 1000;
  expect(marked(events, at, 1).map(([{ kind }]) => kind)).toEqual([1, 0]);
  expect(marked(events, at, 0.05).map(([{ kind }]) => kind)).toEqual([1, 3, 0]);
});
