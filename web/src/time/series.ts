/** Flows by verdict over time, bucket by bucket. */

import type { Frame } from "../proto/frame";

/** From the bottom of a bar to its top. */
export const STACK = ["forwarded", "other", "audit", "error", "dropped"] as const;
export interface Series {
  time: Float64Array;
  counts: Record<(typeof STACK)[number] | "lost", Uint32Array>;
  bucketMs: number;
  oldestMs: number;
  newestMs: number;
}

const MOST = 300;

const u4 = (column: unknown): Uint32Array => Uint32Array.from((column as Uint32Array | undefined) ?? []);

/** New buckets take the place of those of their time. */
export function merged(before: Series | null, frame: Frame): Series | null {
  const told = frame.tables.buckets;
  const { bucket_ms, oldest_ms, newest_ms } = frame.head as Record<string, number>;
  if (!told) return before;
  const c = told.columns;
  const fresh: Series = {
    time: Float64Array.from(c.time as Float64Array),
    counts: {
      forwarded: u4(c.forwarded),
      other: u4(c.other),
      audit: u4(c.audit),
      error: u4(c.error),
      dropped: u4(c.dropped),
      lost: u4(c.lost),
    },
    bucketMs: bucket_ms,
    oldestMs: oldest_ms,
    newestMs: newest_ms,
  };
  if (frame.snapshot || !before || before.bucketMs !== bucket_ms || !fresh.time.length)
    return fresh.time.length || !before ? fresh : before;
  const from = fresh.time[0];
  const keep = before.time.findIndex((at) => at >= from);
  const kept = keep < 0 ? before.time.length : keep;
  const drop = Math.max(0, kept + fresh.time.length - MOST);
  const join = <T extends Float64Array | Uint32Array>(a: T, b: T): T => {
    const out = new (a.constructor as new (n: number) => T)(kept - drop + b.length);
    out.set(a.subarray(drop, kept));
    out.set(b, kept - drop);
    return out;
  };
  const counts = Object.fromEntries(
    Object.entries(fresh.counts).map(([name, values]) => [name, join(before.counts[name as "lost"], values)]),
  ) as Series["counts"];
  return { ...fresh, time: join(before.time, fresh.time), counts };
}

/** What a bar's place stands for. */
export const range = (held: Series): [number, number] => {
  const first = held.time.length ? held.time[0] : held.oldestMs;
  const end = held.time.length ? held.time[held.time.length - 1] + held.bucketMs : held.newestMs;
  return [first, Math.max(end, first + held.bucketMs)];
};
