import { describe, expect, test } from "vitest";
import { askedTime, type Place, read, write } from "../src/url";

const parts = (path: string): [string, string] => {
  const url = new URL(path, "http://x");
  return [url.pathname, url.search];
};

const PLACES: Place[] = [
  { screen: "map", filter: [], time: { mode: "live", windowMs: 60_000 }, view: {} },
  {
    screen: "flows",
    filter: [
      ["to-port", "443"],
      ["to-port", "8443"],
      ["not.to-port", "53"],
    ],
    time: { mode: "live", windowMs: 900_000 },
    view: { cols: "time,verdict", sel: "flow:1" },
  },
  {
    screen: "drops",
    filter: [
      ["from-label", "app=cart,tier=web & <b>"],
      ["http-status", "5+"],
    ],
    time: { mode: "at", atMs: 1_764_194_400_123, windowMs: 30_000 },
    view: {},
  },
  {
    screen: "services",
    filter: [["namespace", "名/+ %"]],
    time: { mode: "range", sinceMs: 1_764_194_400_000, untilMs: 1_764_194_460_000 },
    view: { by: "endpoint" },
  },
];

describe("a URL", () => {
  test.each(PLACES)("leads back to the place: $screen", (place) => {
    expect(read(...parts(write(place)))).toEqual(place);
    expect(write(read(...parts(write(place))))).toBe(write(place));
  });

  test("of what looks alike is one, whatever the order of its view", () => {
    const a = read("/flows", "?v.b=2&to-port=1&v.a=1");
    const b = read("/flows", "?v.a=1&v.b=2&to-port=1");
    expect(write(a)).toBe(write(b));
  });

  test("keeps what it does not know", () => {
    expect(write(read("/map", "?from-a-newer-version=3&v.wings=on"))).toBe("/map?from-a-newer-version=3&v.wings=on");
  });

  test("never keeps a token", () => {
    expect(write(read("/", "?token=secret"))).toBe("/map");
  });

  test("of a flow opens it", () => {
    expect(read("/flows/0d5a1f6e-1111-4222-8333-444455556666", "").view.sel).toBe(
      "flow:0d5a1f6e-1111-4222-8333-444455556666",
    );
  });

  test("that is nonsense is the map, now", () => {
    expect(read("/%00/x", "?since=never&until=&at=x&window=-4")).toMatchObject({
      screen: "map",
      time: { mode: "live", windowMs: 60_000 },
    });
  });

  test("asks over HTTP for all that is held, or for the time that is looked at", () => {
    expect(askedTime({ mode: "live", windowMs: 60_000 })).toEqual([]);
    expect(askedTime({ mode: "at", atMs: 60_000, windowMs: 1000 })).toEqual([
      ["since", "1970-01-01T00:00:59.000Z"],
      ["until", "1970-01-01T00:01:00.000Z"],
    ]);
  });
});
