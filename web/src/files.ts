/** What is looked at as files: the map as a picture, the flows as lines, all of it as a bundle. */

import { signal } from "@preact/signals";
import { ApiError, ask } from "./api";
import type { Act } from "./map/acts";
import type { MapModel } from "./map/model";
import type { Format } from "./map/sheet";
import { STEPS } from "./map/style";
import { good, goodPairs, note, place, scope, time, utc } from "./state";
import { count, durationText, moment } from "./units";
import { askedTime, type Pair, queryOf, write } from "./url";

function saved(href: string, name: string): void {
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.click();
}

/** "rubin-map-2026-01-02T15-04-05" */
const named = (what: string): string =>
  `rubin-${what && `${what}-`}${new Date().toISOString().slice(0, 19).replace(/:/g, "-")}`;

/** What asks for all flows of the filter and the time. */
function allFlows(): Pair[] {
  const times = askedTime(time.value);
  return [...goodPairs.value, ...(times.length ? times : [["all", "1"] as Pair])];
}

/** All flows of the filter and the time, as the server writes them. */
export function flowsFile(format: "jsonl" | "csv"): void {
  const pairs = allFlows();
  if (format === "csv") pairs.push(["format", "csv"]);
  saved(`/api/v1/flows?${queryOf(pairs)}`, `${named("flows")}.${format}`);
}

/** What a bundle would hold, and where it is to be had. */
export interface Offer {
  flows: number;
  bytes: number;
  since_ms: number;
  until_ms: number;
  href: string;
}

/** The bundle that was asked for, until it is saved or refused. */
export const offer = signal<Offer | null>(null);

/** Asks how much a bundle of the filter and the time would be; the page as it is now would come with it. */
export async function offerBundle(): Promise<void> {
  const pairs = allFlows();
  const href = `/api/v1/bundle?${queryOf([...pairs, ["page", write(place.value)]])}`;
  try {
    const told = await ask<Omit<Offer, "href">>("count", pairs);
    if (told.flows) offer.value = { ...told, href };
    else note("there is no flow to be saved");
  } catch (error) {
    if (error instanceof ApiError) note(`${error.message}. ${error.wayOn}`);
  }
}

export function saveBundle({ href }: Offer): void {
  offer.value = null;
  saved(href, `${named("")}.rubinz`);
}

/** What saves the flows, for a menu. */
export const flowActs: Act[] = [
  { title: "flows as JSON lines", keys: "y r", run: () => flowsFile("jsonl") },
  { title: "flows as CSV", keys: "y v", run: () => flowsFile("csv") },
  { title: "a bundle to open elsewhere", keys: "y b", run: () => void offerBundle() },
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
