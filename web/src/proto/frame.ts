/** Binary frames of the live connection: a header, a JSON head, then columns that are read in place. */

export const HEADER_BYTES = 32;
const MAGIC = 0x31305552; // "RU01", little endian
const SNAPSHOT = 1;

export const FrameType = { map: 1, flows: 2, series: 3, stats: 4, gap: 5, bye: 6, error: 7 } as const;

export type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

export interface Table {
  n: number;
  columns: Record<string, Column>;
}

export type Head = Record<string, unknown>;

export interface Frame {
  type: number;
  snapshot: boolean;
  sub: number;
  seq: number;
  tickMs: number;
  head: Head;
  /** Additions to the connection's dictionary. */
  strings: [number, string][];
  tables: Record<string, Table>;
}

/** What came is no frame of this version. */
export class FrameError extends Error {}

type Make = (buffer: ArrayBuffer, at: number, n: number) => Column;

const KINDS: Record<string, [number, Make]> = {
  u1: [1, (buffer, at, n) => new Uint8Array(buffer, at, n)],
  u2: [2, (buffer, at, n) => new Uint16Array(buffer, at, n)],
  u4: [4, (buffer, at, n) => new Uint32Array(buffer, at, n)],
  i4: [4, (buffer, at, n) => new Int32Array(buffer, at, n)],
  f4: [4, (buffer, at, n) => new Float32Array(buffer, at, n)],
  f8: [8, (buffer, at, n) => new Float64Array(buffer, at, n)],
};

const aligned = (at: number): number => (at + 7) & ~7;

interface TableHead {
  n: number;
  columns: [string, string][];
}

/** The frame; its columns are views of the buffer. Throws FrameError. */
export function decode(buffer: ArrayBuffer): Frame {
  if (buffer.byteLength < HEADER_BYTES) throw new FrameError(`${buffer.byteLength} bytes are no frame`);
  const view = new DataView(buffer);
  if (view.getUint32(0, true) !== MAGIC) throw new FrameError("the server speaks another version of frames");
  const headBytes = view.getUint32(12, true);
  if (HEADER_BYTES + headBytes > buffer.byteLength) throw new FrameError("the head of a frame is cut off");
  const head = headOf(buffer, headBytes);
  const tables: Record<string, Table> = {};
  let at = aligned(HEADER_BYTES + headBytes);
  for (const [name, told] of Object.entries((head.tables ?? {}) as Record<string, TableHead>)) {
    const columns: Record<string, Column> = {};
    for (const [column, kind] of told.columns) {
      const known = KINDS[kind];
      if (!known) throw new FrameError(`column ${column} is of unknown kind ${kind}`);
      const [bytes, make] = known;
      if (at + bytes * told.n > buffer.byteLength) throw new FrameError(`column ${column} is cut off`);
      columns[column] = make(buffer, at, told.n);
      at = aligned(at + bytes * told.n);
    }
    tables[name] = { n: told.n, columns };
  }
  return {
    type: view.getUint8(4),
    snapshot: (view.getUint8(5) & SNAPSHOT) !== 0,
    sub: view.getUint16(6, true),
    seq: view.getUint32(8, true),
    tickMs: view.getFloat64(16, true),
    head,
    strings: (head.strings ?? []) as [number, string][],
    tables,
  };
}

function headOf(buffer: ArrayBuffer, bytes: number): Head {
  if (!bytes) return {};
  // what pads the head to a multiple of 8 may be counted in its length
  const text = new TextDecoder().decode(new Uint8Array(buffer, HEADER_BYTES, bytes)).replace(/\0+$/, "");
  try {
    return JSON.parse(text) as Head;
  } catch (error) {
    throw new FrameError(`the head of a frame is no JSON: ${String(error)}`);
  }
}

/** The bytes of a frame; the other half of `decode`, for tests. */
export function encode(frame: Omit<Frame, "strings">): ArrayBuffer {
  const heads: Record<string, TableHead> = {};
  const columns: Column[] = [];
  for (const [name, table] of Object.entries(frame.tables)) {
    heads[name] = { n: table.n, columns: [] };
    for (const [column, values] of Object.entries(table.columns)) {
      heads[name].columns.push([column, kindOf(values)]);
      columns.push(values);
    }
  }
  const head = new TextEncoder().encode(JSON.stringify({ ...frame.head, tables: heads }));
  const start = aligned(HEADER_BYTES + head.length);
  const bytes = new Uint8Array(columns.reduce((sum, column) => aligned(sum + column.byteLength), start));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint8(4, frame.type);
  view.setUint8(5, frame.snapshot ? SNAPSHOT : 0);
  view.setUint16(6, frame.sub, true);
  view.setUint32(8, frame.seq, true);
  view.setUint32(12, head.length, true);
  view.setFloat64(16, frame.tickMs, true);
  bytes.set(head, HEADER_BYTES);
  let at = start;
  for (const column of columns) {
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), at);
    at = aligned(at + column.byteLength);
  }
  return bytes.buffer;
}

function kindOf(values: Column): string {
  if (values instanceof Uint8Array) return "u1";
  if (values instanceof Uint16Array) return "u2";
  if (values instanceof Uint32Array) return "u4";
  if (values instanceof Int32Array) return "i4";
  return values instanceof Float32Array ? "f4" : "f8";
}
