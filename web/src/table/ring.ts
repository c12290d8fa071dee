/**
 * The newest flows, one typed array a column; the oldest make room. Texts are numbers of a dictionary of the ring's own:
 * what is held outlasts a connection and its numbers.
 */

import type { Dictionary } from "../live";
import type { Column, Table } from "../proto/frame";

export const CAPACITY = 100_000;
/** So many texts are looked through at least before those that no row has any more are forgotten. */
const FEW_TEXTS = 20_000;
/** Later than what is held by so much, nothing of it is told again. */
const LATE_MS = 60_000;
const MISSED = "flows in between are not shown: the page did not listen";
/** What `is_loss` says of a row that is no flow: events were lost; nobody read for a time. */
export const GAP = 2;

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

/** A UUID's end and the time are as good as all of it, and quick. */
function afterLast(table: Table, held: Set<number>): number {
  const { uuid_d, time } = table.columns;
  for (let i = table.n; i > 0; i--) if (held.has(uuid_d[i - 1] + time[i - 1])) return i;
  return 0;
}

const IS_TEXT = new Set<string>(TEXTS);

export class FlowRing {
  readonly columns: Record<FlowColumn, Column>;
  texts: Dictionary = new Map();
  /** Rows ever added since the last `clear`; the rows held are numbers `oldest` to `added`. */
  added = 0;
  /** Keys of the rows from before a break, while they may be told again. */
  private known: Set<number> | null = null;
  private knownUntilMs = 0;
  private readonly numbers = new Map<string, number>();
  private mostTexts = FEW_TEXTS;
  /** The connection's dictionary, and the ring's numbers by those. */
  private spoken: Dictionary = new Map();
  private own = new Map<number, number>();

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
    this.known = null;
    this.forget();
  }

  /** Adds a table's rows, the oldest first; a column that is missing there is 0. */
  append(given: Table, texts: Dictionary): void {
    const table = this.known ? this.unknown(given, this.known) : given;
    if (this.texts.size > this.mostTexts) this.forget();
    const skip = Math.max(0, table.n - this.capacity);
    const n = table.n - skip;
    this.added += skip;
    const at = this.added % this.capacity;
    const first = Math.min(n, this.capacity - at);
    for (const [name, kept] of Object.entries(this.columns)) {
      const told = table.columns[name];
      if (told) {
        const own = IS_TEXT.has(name) ? this.translated(told, texts) : told;
        kept.set(own.subarray(skip, skip + first), at);
        kept.set(own.subarray(skip + first), 0);
      } else {
        kept.fill(0, at, at + first);
        kept.fill(0, 0, n - first);
      }
    }
    this.added += n;
  }

  /**
   * Adds what came after the rows that are held, of a table that may have these, too: a snapshot after a break. Where it
   * has none of them a row tells of the gap. What comes next may have some as well: a server that began anew asks for
   * what was.
   */
  resume(table: Table, texts: Dictionary): void {
    const held = this.keys();
    const after = held.size ? afterLast(table, held) : 0;
    this.known = null;
    if (held.size && table.n && !after) this.note(table.columns.time[0], MISSED);
    if (after < table.n) {
      const columns = Object.entries(table.columns).map(([name, column]) => [name, column.subarray(after)]);
      this.append({ n: table.n - after, columns: Object.fromEntries(columns) as Table["columns"] }, texts);
    }
    this.known = held.size ? this.keys() : null;
  }

  private note(time: number, text: string): void {
    const columns = { time: Float64Array.of(time), summary: Uint32Array.of(1), is_loss: Uint8Array.of(GAP) };
    this.append({ n: 1, columns }, new Map([[1, text]]));
  }

  /** Of the rows that are held; `knownUntilMs` is the latest time of them. */
  private keys(): Set<number> {
    const { uuid_d, time } = this.columns;
    const held = new Set<number>();
    this.knownUntilMs = 0;
    for (let row = this.oldest; row < this.added; row++) {
      const place = this.place(row);
      held.add(uuid_d[place] + time[place]);
      this.knownUntilMs = Math.max(this.knownUntilMs, time[place]);
    }
    return held;
  }

  /** The rows that are not known from before a break, of which nothing is asked once all is later. */
  private unknown(table: Table, known: Set<number>): Table {
    const { time, uuid_d } = table.columns;
    if (!table.n || !time || !uuid_d) return table;
    let least = Infinity;
    for (const at of time) least = Math.min(least, at);
    if (least > this.knownUntilMs + LATE_MS) this.known = null;
    const keep = Array.from(time, (at, i) => !known.has(uuid_d[i] + at));
    const n = keep.filter(Boolean).length;
    if (n === table.n) return table;
    const columns = Object.entries(table.columns).map(([name, column]) => [name, column.filter((_, i) => keep[i])]);
    return { n, columns: Object.fromEntries(columns) as Table["columns"] };
  }

  private translated(column: Column, texts: Dictionary): Uint32Array {
    if (texts !== this.spoken) [this.spoken, this.own] = [texts, new Map()];
    return Uint32Array.from(column as Uint32Array, (number) => {
      if (!number) return 0;
      let own = this.own.get(number);
      if (own === undefined) {
        own = this.number(texts.get(number) ?? "");
        this.own.set(number, own);
      }
      return own;
    });
  }

  private number(text: string): number {
    if (!text) return 0;
    let number = this.numbers.get(text);
    if (number === undefined) {
      number = this.numbers.size + 1;
      this.numbers.set(text, number);
      this.texts.set(number, text);
    }
    return number;
  }

  /** Gives up the texts that no row has any more: a page may be open for days. */
  private forget(): void {
    const before = this.texts;
    this.texts = new Map();
    this.numbers.clear();
    this.own.clear();
    const others = new Map<number, number>();
    for (const name of TEXTS) {
      const column = this.columns[name];
      for (let place = 0; place < this.size; place++) {
        const number = column[place];
        if (!number) continue;
        let other = others.get(number);
        if (other === undefined) {
          other = this.number(before.get(number) ?? "");
          others.set(number, other);
        }
        column[place] = other;
      }
    }
    this.mostTexts = Math.max(FEW_TEXTS, 2 * this.texts.size);
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
