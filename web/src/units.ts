/** Numbers in words: SI for rates, IEC for bytes, three significant digits. "–": not known. */

export const NONE = "–";
const SI = ["", "k", "M", "G", "T"];
const IEC = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Without the last digits, which depend on the order in which numbers were added up: a half stays a half. */
const settled = (value: number): number => Number(value.toPrecision(12));

/** With three significant digits and no exponent. */
export function digits(exact: number): string {
  const value = settled(exact);
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return String(Number(value.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3)));
}

function scaled(exact: number, step: number, names: string[]): [string, string] {
  let value = settled(exact);
  let place = 0;
  while (Math.abs(value) >= step && place < names.length - 1) {
    value /= step;
    place += 1;
  }
  return [digits(value), names[place]];
}

export function count(value: number): string {
  if (!Number.isFinite(value)) return NONE;
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, " "); // toLocaleString takes fifty times as long
}

/** "1 group", "2 groups" */
export const plural = (n: number, word: string): string =>
  `${count(n)} ${word}${n === 1 ? "" : word.endsWith("s") ? "es" : "s"}`;

/** A rate by the second: "340/s", "1.2k/s"; below one a second by the minute. */
export function rate(perSecond: number): string {
  if (!Number.isFinite(perSecond)) return NONE;
  if (perSecond > 0 && perSecond < 1) return `${digits(Math.max(perSecond * 60, 0.1))}/min`;
  const [number, prefix] = scaled(perSecond, 1000, SI);
  return `${number}${prefix}/s`;
}

export function bytes(value: number): string {
  if (!Number.isFinite(value)) return NONE;
  return scaled(value, 1024, IEC).join(" ");
}

/** A duration given in ms. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return NONE;
  if (ms === 0) return "0 ms";
  if (ms < 0.001) return `${digits(ms * 1e6)} ns`;
  if (ms < 1) return `${digits(ms * 1e3)} µs`;
  if (ms < 1000) return `${digits(ms)} ms`;
  if (ms < 120_000) return `${digits(ms / 1000)} s`;
  if (ms < 7_200_000) return `${digits(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${digits(ms / 3_600_000)} h` : `${digits(ms / 86_400_000)} d`;
}

/** A duration given in ns; 0: not known. */
export const nanoseconds = (ns: number): string => (ns ? duration(ns / 1e6) : NONE);

export function percent(share: number): string {
  if (!Number.isFinite(share)) return NONE;
  return `${share > 0 && share < 0.001 ? "<0.1" : digits(share * 100)} %`;
}

const two = (value: number): string => String(value).padStart(2, "0");

/** The time of day, local or UTC: "14:02:11" or, with `ms`, "14:02:11.204". */
export function clock(ms: number, utc: boolean, withMs = false): string {
  if (!Number.isFinite(ms) || ms <= 0) return NONE;
  const at = new Date(ms);
  const parts = utc
    ? [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
    : [at.getHours(), at.getMinutes(), at.getSeconds()];
  const day = parts.map(two).join(":");
  return withMs ? `${day}.${String(Math.floor(ms % 1000)).padStart(3, "0")}` : day;
}

/** The date and the time of day. */
export function moment(ms: number, utc: boolean): string {
  if (!Number.isFinite(ms) || ms <= 0) return NONE;
  const at = new Date(ms);
  const date = utc
    ? [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate()]
    : [at.getFullYear(), at.getMonth() + 1, at.getDate()];
  return `${date.map(two).join("-")} ${clock(ms, utc, true)}${utc ? " UTC" : ""}`;
}

/** How long ago: "3 s ago". */
export function ago(ms: number, nowMs: number): string {
  return ms > 0
    ? `${duration(Math.max(Math.round((nowMs - ms) / 1000), 0) * 1000)} ago`.replace("0 ms ago", "now")
    : NONE;
}

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The ms of "90s", "1h30m"; NaN: no duration. */
export function durationMs(text: string): number {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return NaN;
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) sum += Number(number) * UNITS[unit];
  return sum;
}

/** The shortest text that `durationMs` reads as these ms. */
export function durationText(ms: number): string {
  for (const unit of ["d", "h", "m", "s"])
    if (ms >= UNITS[unit] && ms % UNITS[unit] === 0) return `${ms / UNITS[unit]}${unit}`;
  return `${Math.round(ms)}ms`;
}
