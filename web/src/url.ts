/** What is seen, as a URL, and back: the screen, the filter, the time, and keys of the view, which begin with "v.". */

import { durationMs, durationText } from "./units";

export const SCREENS = ["map", "flows", "drops", "services", "dns", "health"] as const;
export type Screen = (typeof SCREENS)[number];

export type Pair = [string, string];

export type Time =
  | { mode: "live"; windowMs: number }
  | { mode: "at"; atMs: number; windowMs: number }
  | { mode: "range"; sinceMs: number; untilMs: number };

export interface Place {
  screen: Screen;
  /** The filter's terms as they stand in the URL, with keys that are not known here. */
  filter: Pair[];
  time: Time;
  /** Keys of the view without their "v.". */
  view: Record<string, string>;
}

export const WINDOW_MS = 60_000;
const TIME_KEYS = new Set(["since", "until", "at", "window"]);

/** Of a location's path and query. */
export function read(pathname: string, search: string): Place {
  const [first, second] = pathname.split("/").filter(Boolean);
  const screen = SCREENS.find((each) => each === first) ?? "map";
  const filter: Pair[] = [];
  const times: Record<string, string> = {};
  const view: Record<string, string> = {};
  for (const [key, value] of new URLSearchParams(search)) {
    if (key.startsWith("v.")) view[key.slice(2)] = value;
    else if (TIME_KEYS.has(key)) times[key] = value;
    else if (key !== "token") filter.push([key, value]);
  }
  if (screen === "flows" && second) view.sel ??= `flow:${second}`;
  return { screen, filter, time: timeOf(times), view };
}

const LAST_MS = Date.UTC(2200, 0);
const LONGEST_MS = 3650 * 86_400_000;

/** Ms since the epoch of a date; NaN: it is none that can be looked at. */
export function momentMs(text = ""): number {
  const ms = Date.parse(text);
  return ms > 0 && ms < LAST_MS ? ms : NaN;
}

/** The ms of a duration that can be looked at; NaN: it is none. */
export function lengthMs(text = ""): number {
  const ms = durationMs(text);
  return ms > 0 && ms <= LONGEST_MS ? ms : NaN;
}

function timeOf(times: Record<string, string>): Time {
  const windowMs = lengthMs(times.window) || WINDOW_MS;
  const atMs = momentMs(times.at);
  if (atMs) return { mode: "at", atMs, windowMs };
  const [sinceMs, untilMs] = [momentMs(times.since), momentMs(times.until)];
  if (sinceMs && untilMs && untilMs > sinceMs) return { mode: "range", sinceMs, untilMs };
  if (sinceMs) return { mode: "range", sinceMs, untilMs: Math.max(Date.now(), sinceMs + 1) };
  if (untilMs) return { mode: "at", atMs: untilMs, windowMs };
  return { mode: "live", windowMs: lengthMs(times.since) || windowMs };
}

const iso = (ms: number): string => new Date(ms).toISOString();

/** The keys that say a time; none for the live one with its usual window. */
export function timePairs(time: Time): Pair[] {
  if (time.mode === "live") return time.windowMs === WINDOW_MS ? [] : [["since", durationText(time.windowMs)]];
  if (time.mode === "range")
    return [
      ["since", iso(time.sinceMs)],
      ["until", iso(time.untilMs)],
    ];
  const window: Pair[] = time.windowMs === WINDOW_MS ? [] : [["window", durationText(time.windowMs)]];
  return [["at", iso(time.atMs)], ...window];
}

const quoted = (text: string): string =>
  encodeURIComponent(text).replace(/%(2F|3A|2C|40|2A|21|7E)/g, (hex) => decodeURIComponent(hex));

export function queryOf(pairs: Pair[]): string {
  return pairs.map(([key, value]) => `${quoted(key)}=${quoted(value)}`).join("&");
}

export function pairsOf(query: string): Pair[] {
  return [...new URLSearchParams(query)];
}

/** The path with its query; what looks alike has one URL: keys of the view stand in order. */
export function write(place: Place): string {
  const view = Object.entries(place.view)
    .filter(([, value]) => value !== "")
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]): Pair => [`v.${key}`, value]);
  const query = queryOf([...place.filter, ...timePairs(place.time), ...view]);
  return `/${place.screen}${query && `?${query}`}`;
}

/** since and until for questions over HTTP; live with its usual window asks for all that is held. */
export function askedTime(time: Time): Pair[] {
  if (time.mode === "at")
    return [
      ["since", iso(time.atMs - time.windowMs)],
      ["until", iso(time.atMs)],
    ];
  return timePairs(time);
}

/** As the live connection takes it. */
export function liveTime(time: Time): Record<string, number | string> {
  if (time.mode === "live") return { mode: "live", window_ms: time.windowMs };
  if (time.mode === "at") return { mode: "at", at_ms: time.atMs, window_ms: time.windowMs };
  return { mode: "range", since_ms: time.sinceMs, until_ms: time.untilMs };
}
