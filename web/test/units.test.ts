import { describe, expect, test } from "vitest";
import {
  ago,
  bytes,
  clock,
  count,
  duration,
  durationMs,
  durationText,
  moment,
  nanoseconds,
  percent,
  plural,
  rate,
} from "../src/units";

test.each([
  [rate(0), "0/s"],
  [rate(5.2), "5.2/s"],
  [rate(1234), "1.23k/s"],
  [rate(115.49999999999999), "116/s"], // 115.5, added up in another order
  [rate(999.9999999999999), "1k/s"],
  [rate(0.5), "30/min"],
  [rate(0.0001), "0.1/min"],
  [rate(NaN), "–"],
  [bytes(0), "0 B"],
  [bytes(1536), "1.5 KiB"],
  [bytes(5e9), "4.66 GiB"],
  [duration(0), "0 ms"],
  [duration(0.0004), "400 ns"],
  [duration(0.25), "250 µs"],
  [duration(38.04), "38 ms"],
  [duration(38.46), "38.5 ms"],
  [duration(2500), "2.5 s"],
  [duration(1_800_000), "30 min"],
  [duration(1.73e8), "2 d"],
  [duration(NaN), "–"],
  [nanoseconds(0), "–"],
  [nanoseconds(12e6), "12 ms"],
  [percent(0.22), "22 %"],
  [percent(0.0002), "<0.1 %"],
  [percent(NaN), "–"],
  [count(1234567), "1 234 567"],
  [count(NaN), "–"],
  [plural(1, "group"), "1 group"],
  [plural(1200, "process"), "1 200 processes"],
  [clock(1_764_194_400_204, true, true), "22:00:00.204"],
  [clock(0, true), "–"],
  [moment(1_764_194_400_204, true), "2025-11-26 22:00:00.204 UTC"],
  [ago(1000, 4000), "3 s ago"],
  [ago(4000, 4000), "now"],
  [ago(0, 4000), "–"],
])("%s is %s", (is, wanted) => expect(is).toBe(wanted));

describe("durations as text", () => {
  test.each(["60s", "15m", "1h", "2d", "1500ms"])("%s", (text) => {
    expect(durationMs(durationText(durationMs(text)))).toBe(durationMs(text));
  });
  test.each(["", "60", "-4s", "s", "1 s", "1x"])("%s is none", (text) => expect(durationMs(text)).toBeNaN());
  test("may be of several parts", () => expect(durationMs("1h30m")).toBe(5_400_000));
});
