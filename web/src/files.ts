/** What is looked at as files: the map as a picture, the flows as lines. */

import type { Act } from "./map/acts";
import type { MapModel } from "./map/model";
import type { Format } from "./map/sheet";
import { STEPS } from "./map/style";
import { good, goodPairs, note, scope, time, utc } from "./state";
import { count, durationText, moment } from "./units";
import { askedTime, type Pair, queryOf } from "./url";

function saved(href: string, name: string): void {
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.click();
}

/** "rubin-map-2026-01-02T15-04-05" */
const named = (what: string): string => `rubin-${what}-${new Date().toISOString().slice(0, 19).replace(/:/g, "-")}`;

/** All flows of the filter and the time, as the server writes them. */
export function flowsFile(format: "jsonl" | "csv"): void {
  const times = askedTime(time.value);
  const pairs: Pair[] = [...goodPairs.value, ...(times.length ? times : [["all", "1"] as Pair])];
  if (format === "csv") pairs.push(["format", "csv"]);
  saved(`/api/v1/flows?${queryOf(pairs)}`, `${named("flows")}.${format}`);
}

/** What saves the flows, for a menu. */
export const flowActs: Act[] = [
  { title: "flows as JSON lines", keys: "y r", run: () => flowsFile("jsonl") },
  { title: "flows as CSV", keys: "y v", run: () => flowsFile("csv") },
];

/** The map as a picture, with its filter, its time and its legend. */
export async function mapFile(model: MapModel, format: Format): Promise<void> {
  const { nodes, summary, folded } = model.scene.value;
  if (!nodes.length) return note("there is nothing on the map");
  const { metric } = model.wish;
  const { least, words } = STEPS[metric];
  const more = folded.nodes ? `, ${count(folded.nodes)} nodes and ${count(folded.edges)} connections folded` : "";
  const file = await model.file(format, {
    title: `Rubin: map, scope ${scope.value}`,
    lines: [`filter: ${good.value.command}`, `time: ${timeWords(model)}`, `${summary}${more}`],
    widths: [`${metric} < ${words(least[0])}`, ...least.map((value) => `≥ ${words(value)}`)],
  });
  const href = URL.createObjectURL(file);
  saved(href, `${named("map")}.${format}`);
  setTimeout(() => URL.revokeObjectURL(href), 60_000); // by then the browser has taken it
}

function timeWords(model: MapModel): string {
  const now = time.value;
  const at = (ms: number): string => moment(ms, utc.value);
  if (now.mode === "range") return `${at(now.sinceMs)} to ${at(now.untilMs)}`;
  const until = now.mode === "at" ? now.atMs : model.scene.value.tickMs;
  return `${durationText(now.windowMs)} until ${at(until)}${now.mode === "live" ? ", live" : ""}`;
}
