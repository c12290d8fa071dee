import { describe, expect, test } from "vitest";
import { decode, encode, FrameError, FrameType, HEADER_BYTES } from "../src/proto/frame";

const frame = {
  type: FrameType.map,
  snapshot: true,
  sub: 7,
  seq: 4_000_000_000,
  tickMs: 1_764_194_400_123.456,
  head: {
    summary: "9 services",
    strings: [
      [1, "shop/cart"],
      [2, "ü → 名"],
    ] as [number, string][],
  },
  tables: {
    nodes: {
      n: 3,
      columns: {
        id: Uint32Array.of(1, 2, 4_294_967_295),
        kind: Uint8Array.of(0, 1, 11),
        rate: Float32Array.of(0.5, NaN, 3),
      },
    },
    edges: { n: 1, columns: { port: Uint16Array.of(65_535), time: Float64Array.of(1.25), drift: Int32Array.of(-5) } },
  },
};

describe("a frame", () => {
  test("says the same before and after", () => {
    const read = decode(encode(frame));
    expect(read).toMatchObject({ type: 1, snapshot: true, sub: 7, seq: 4_000_000_000, tickMs: 1_764_194_400_123.456 });
    expect(read.head.summary).toBe("9 services");
    expect(read.strings).toEqual(frame.head.strings);
    for (const [name, table] of Object.entries(frame.tables))
      for (const [column, values] of Object.entries(table.columns))
        expect([...(read.tables[name].columns[column] as Uint8Array)]).toEqual([...values]);
  });

  test("has columns that begin at multiples of eight and are read in place", () => {
    const bytes = encode(frame);
    const read = decode(bytes);
    for (const table of Object.values(read.tables))
      for (const column of Object.values(table.columns)) {
        expect(column.byteOffset % 8).toBe(0);
        expect(column.buffer).toBe(bytes);
      }
  });

  test("without tables is its head", () => {
    const read = decode(encode({ ...frame, type: FrameType.stats, head: { missed: 4 }, tables: {} }));
    expect(read.head.missed).toBe(4);
    expect(read.tables).toEqual({});
  });

  test("cut anywhere is an error, never nonsense", () => {
    const bytes = encode(frame);
    for (let end = 0; end < bytes.byteLength - 8; end += 1) {
      if (end > HEADER_BYTES && end % 5) continue;
      expect(() => decode(bytes.slice(0, end))).toThrow(FrameError);
    }
  });

  test("of another version is refused", () => {
    const bytes = encode(frame);
    new Uint8Array(bytes)[3] = 0x39;
    expect(() => decode(bytes)).toThrow("another version");
  });
});
