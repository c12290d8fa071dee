/** The newest flows, one typed array a column; the oldest make room. Texts are numbers of the connection's dictionary. */

import type { Dictionary } from "../live";
import type { Column, Table } from "../proto/frame";

export const CAPACITY = 100_000;

const COLUMNS = {
  uuid_a: Uint32Array,
  uuid_b: Uint32Array,
  uuid_c: Uint32Array,
  uuid_d: Uint32Array,
  time: Float64Array,
  verdict: Uint8Array,
  type: Uint8Array,
  reply: Uint8Array,
  direction: Uint8Array,
  source: Uint32Array,
  destination: Uint32Array,
  source_ip: Uint32Array,
  destination_ip: Uint32Array,
  source_port: Uint16Array,
  destination_port: Uint16Array,
  protocol: Uint32Array,
  summary: Uint32Array,
  process: Uint32Array,
  node: Uint32Array,
  bytes: Float64Array,
  packets: Uint32Array,
  latency_ms: Float32Array,
  reason: Uint32Array,
  l7: Uint32Array,
  is_loss: Uint8Array,
  pair: Uint32Array,
  source_filter: Uint32Array,
  destination_filter: Uint32Array,
} as const;

export type FlowColumn = keyof typeof COLUMNS;
/** Columns that hold numbers of texts. */
export const TEXTS: FlowColumn[] = [
  "source",
  "destination",
  "source_ip",
  "destination_ip",
  "protocol",
  "summary",
  "process",
  "node",
  "reason",
  "l7",
  "source_filter",
  "destination_filter",
];

export class FlowRing {
  readonly columns: Record<FlowColumn, Column>;
  texts: Dictionary = new Map();
  /** Rows ever added since the last `clear`; the rows held are numbers `oldest` to `added`. */
  added = 0;

  constructor(readonly capacity = CAPACITY) {
    const made = Object.entries(COLUMNS).map(([name, kind]) => [name, new kind(capacity)]);
    this.columns = Object.fromEntries(made) as Record<FlowColumn, Column>;
  }

  get size(): number {
    return Math.min(this.added, this.capacity);
  }

  get oldest(): number {
    return this.added - this.size;
  }

  clear(): void {
    this.added = 0;
  }

  /** Adds a table's rows, the oldest first; a column that is missing there is 0. */
  append(table: Table, texts: Dictionary): void {
    this.texts = texts;
    const skip = Math.max(0, table.n - this.capacity);
    const n = table.n - skip;
    this.added += skip;
    const at = this.added % this.capacity;
    const first = Math.min(n, this.capacity - at);
    for (const [name, kept] of Object.entries(this.columns)) {
      const given = table.columns[name];
      if (given) {
        kept.set(given.subarray(skip, skip + first), at);
        kept.set(given.subarray(skip + first), 0);
      } else {
        kept.fill(0, at, at + first);
        kept.fill(0, 0, n - first);
      }
    }
    this.added += n;
  }

  /** Where a row's values lie. */
  place(row: number): number {
    return row % this.capacity;
  }

  text(column: FlowColumn, place: number): string {
    return this.texts.get(this.columns[column][place]) ?? "";
  }

  uuid(place: number): string {
    const { uuid_a, uuid_b, uuid_c, uuid_d } = this.columns;
    const hex = [uuid_a, uuid_b, uuid_c, uuid_d].map((part) => part[place].toString(16).padStart(8, "0")).join("");
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  }
}

/** Which texts a search finds, remembered: a dictionary only grows, so each text is looked at once. */
export class TextSearch {
  private hits = new Uint8Array(1024);
  private dictionary: Dictionary | null = null;
  private seen = 0;
  private wanted = "";

  /** By number: whether the text holds the wanted one, in any case. */
  marks(dictionary: Dictionary, wanted: string): Uint8Array {
    if (dictionary !== this.dictionary || wanted !== this.wanted) {
      this.hits.fill(0);
      [this.dictionary, this.wanted, this.seen] = [dictionary, wanted, 0];
    }
    if (this.seen === dictionary.size) return this.hits;
    const low = wanted.toLowerCase();
    let place = 0;
    for (const [number, text] of dictionary) {
      if (place++ < this.seen) continue;
      if (number >= this.hits.length) {
        const more = new Uint8Array(Math.max(number + 1, this.hits.length * 2));
        more.set(this.hits);
        this.hits = more;
      }
      this.hits[number] = text.toLowerCase().includes(low) ? 1 : 0;
    }
    this.seen = dictionary.size;
    return this.hits;
  }
}

export interface Restriction {
  /** Text anywhere in a row; "" restricts nothing. */
  text: string;
  /** Values of the column "verdict" that are kept; null: all. */
  verdicts: Set<number> | null;
  /** One row for both directions of a connection, its newest. */
  pairs: boolean;
}

/** The numbers of the rows that are kept, the oldest first; null: all of them. */
export function kept(ring: FlowRing, want: Restriction, search: TextSearch): Float64Array | null {
  if (!want.text && !want.verdicts && !want.pairs) return null;
  const hits = want.text ? rowsWith(ring, want.text, search) : null;
  const allowed = want.verdicts ? Uint8Array.from({ length: 256 }, (_, i) => (want.verdicts?.has(i) ? 1 : 0)) : null;
  const { verdict, pair } = ring.columns;
  const found = new Float64Array(ring.size);
  const taken = want.pairs ? new Taken(ring.size) : null;
  let at = ring.size;
  let place = ring.place(ring.added);
  for (let row = ring.added - 1; row >= ring.oldest; row--) {
    place = place ? place - 1 : ring.capacity - 1;
    if (allowed && !allowed[verdict[place]]) continue;
    if (hits && !hits[place]) continue;
    if (taken && pair[place] && !taken.add(pair[place])) continue;
    found[--at] = row;
  }
  return found.subarray(at);
}

/** By place: whether a row holds the text, or has the port. One column after the other, which is what is quick. */
function rowsWith(ring: FlowRing, text: string, search: TextSearch): Uint8Array {
  const marks = search.marks(ring.texts, text);
  const hits = new Uint8Array(ring.capacity);
  const n = ring.size;
  for (const name of TEXTS) {
    const column = ring.columns[name] as Uint32Array;
    for (let i = 0; i < n; i++) hits[i] |= marks[column[i]];
  }
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port < 0) return hits;
  for (const column of [ring.columns.source_port, ring.columns.destination_port] as Uint16Array[])
    for (let i = 0; i < n; i++) if (column[i] === port) hits[i] = 1;
  return hits;
}

/** A set of numbers that are not 0, by open addressing: `Set` would take ten times as long for 100,000. */
class Taken {
  private readonly slots: Uint32Array;
  private readonly mask: number;

  constructor(most: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(16, most * 2)));
    this.slots = new Uint32Array(size);
    this.mask = size - 1;
  }

  /** Whether it was not there yet. */
  add(value: number): boolean {
    let at = Math.imul(value, 0x9e3779b1) & this.mask;
    while (this.slots[at]) {
      if (this.slots[at] === value) return false;
      at = (at + 1) & this.mask;
    }
    this.slots[at] = value;
    return true;
  }
}
