import { expect, test } from "vitest";
import { decode, encode, type Frame, FrameType } from "../src/proto/frame";
import { merged, range, type Series } from "../src/time/series";

function frame(times: number[], forwarded: number[], snapshot: boolean, bucketMs = 1000): Frame {
  const zero = new Uint32Array(times.length);
  const columns = {
    time: Float64Array.from(times),
    forwarded: Uint32Array.from(forwarded),
    dropped: zero,
    error: zero,
    audit: zero,
    other: zero,
    lost: zero,
  };
  const head = { bucket_ms: bucketMs, oldest_ms: 0, newest_ms: Math.max(...times) };
  return decode(
    encode({
      type: FrameType.series,
      snapshot,
      sub: 1,
      seq: 1,
      tickMs: 0,
      head,
      tables: { buckets: { n: times.length, columns } },
    }),
  );
}

test("new buckets take the place of those of their time", () => {
  const first = merged(null, frame([0, 1000, 2000], [5, 6, 1], true)) as Series;
  const then = merged(first, frame([2000, 3000], [7, 8], false)) as Series;
  expect([...then.time]).toEqual([0, 1000, 2000, 3000]);
  expect([...then.counts.forwarded]).toEqual([5, 6, 7, 8]);
  expect(range(then)).toEqual([0, 4000]);
});

test("other buckets, or a snapshot, take the place of all", () => {
  const first = merged(null, frame([0, 1000], [5, 6], true)) as Series;
  expect([...(merged(first, frame([0], [1], false, 2000)) as Series).time]).toEqual([0]);
  expect([...(merged(first, frame([9000], [1], true)) as Series).time]).toEqual([9000]);
});

test("a tab open for a day holds three hundred", () => {
  let series: Series | null = null;
  for (let at = 0; at < 1000; at++) series = merged(series, frame([at * 1000, (at + 1) * 1000], [1, 0], at === 0));
  expect(series?.time.length).toBe(300);
  expect(series?.time[299]).toBe(1_000_000);
});
