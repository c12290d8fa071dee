import { expect, test } from "vitest";
import { cameraOf, cameraText } from "../src/map/camera";
import { noPins, pinsOf, pinText } from "../src/map/pins";
import { misread } from "../src/misread";
import { read } from "../src/url";

const known = { scopes: ["workload", "pod"], columns: [{ name: "time" }, { name: "source" }] as never[] };

test.each([
  ["/", "", []],
  ["/map", "?v.scope=pod&v.cols=time,source&v.metric=p99&v.hops=3&v.focus=17&v.cam=1,2,0.5&v.pin=a:1:-2&v.wings=on", []],
  ["/map", "?since=15m&to-port=53", []],
  ["/map", "?at=2026-01-02T03:04:05Z&window=30s", []],
  ["/policies/x", "", ["the screen “policies”"]],
  ["/map", "?since=never&until=&at=x&window=-4", ["since=never", "at=x", "window=-4"]],
  ["/map", "?at=%2B275760-09-13T00:00:00Z&window=9999999d", ["at=+275760-09-13T00:00:00Z", "window=9999999d"]],
  ["/map", "?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", ["an end before its beginning"]],
  ["/map", "?namespace=%zz", ["a broken % in the link"]],
  ["/map", "?namespace=%ff", ["a broken % in the link"]],
  ["/map", "?v.scope=galaxy&v.cols=time,wings", ["the scope “galaxy”", "the column “wings”"]],
  ["/map", "?v.metric=joy&v.hops=99&v.focus=me&v.cam=9e9,0,1", ["v.metric=joy", "v.hops=99", "v.focus=me", "v.cam=9e9,0,1"]],
  ["/map", "?v.pin=a:1:2,b:x:y", ["1 of v.pin"]],
])("%s%s opens, and says what it does not understand", (path, search, words) => {
  expect(misread(path, search, known)).toEqual(words);
});

test("what only the server knows is said once it has told", () => {
  expect(misread("/map", "?v.scope=galaxy&v.hops=0", null)).toEqual(["v.hops=0"]);
});

test("a time that no calendar has is now", () => {
  expect(read("/map", "?at=%2B275760-09-13T00:00:00Z").time.mode).toBe("live");
  expect(read("/map", "?since=999999999d").time).toEqual({ mode: "live", windowMs: 60_000 });
});

test("pins stand in a URL as they are", () => {
  const pins = new Map<number, [number, number]>([
    [4_294_967_295, [-12, 340]],
    [1, [0, 5.4]],
  ]);
  expect(pinText(pins)).toBe("1z141z3:-12:340,1:0:5");
  expect(pinsOf(pinText(pins))).toEqual(new Map([...pins.entries()].map(([id, [x, y]]) => [id, [x, Math.round(y)]])));
  expect(noPins("1:2:3,,x:,9:9")).toEqual(["x:", "9:9"]);
});

test("a camera stands in a URL so that its text means itself", () => {
  const text = cameraText({ x: -0.04, y: 1234.5678, k: 0.123456 });
  expect(text).toBe("0,1234.6,0.1235");
  expect(cameraText(cameraOf(text) as never)).toBe(text);
  expect([cameraOf(""), cameraOf("1,2,9"), cameraOf("1,2,0"), cameraOf("a,b,c")]).toEqual([null, null, null, null]);
});
