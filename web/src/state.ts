/** What the page is about: the place, which is the URL; the filter as the server understands it; small settings. */

import { batch, computed, effect, signal } from "@preact/signals";
import { ApiError, ask } from "./api";
import { link } from "./live";
import { type Pair, type Place, pairsOf, queryOf, read, type Screen, type Time, write } from "./url";

export interface FilterWord {
  name: string;
  short: string;
  metavar: string;
  help: string;
  choices: string[];
  own: boolean;
}
export interface ColumnWord {
  name: string;
  title: string;
  align: "left" | "right";
  width: number;
  default: boolean;
  filter: string;
}
export interface Meta {
  version: string;
  server: string;
  kind: string;
  node: string;
  scopes: string[];
  filters: FilterWord[];
  columns: ColumnWord[];
  verdicts: { name: string; glyph: string; class: string }[];
}
export interface Chip {
  name: string;
  value: string;
  not: boolean;
  text: string;
}
export interface Parsed {
  query: string;
  chips: Chip[];
  rest: Record<string, string>;
  guess: string;
  command: string;
}

const DEFAULT_SCOPE = "workload";

/** The path and the query as they were when the page opened or history moved; "": said, and seen. */
export const arrivedAt = signal<[string, string]>([location.pathname, location.search]);
export const place = signal<Place>(read(location.pathname, location.search));
export const meta = signal<Meta | null>(null);
export const metaError = signal<ApiError | null>(null);

export const screen = computed(() => place.value.screen);
export const time = computed(() => place.value.time);
export const view = computed(() => place.value.view);
export const filterText = computed(() => queryOf(place.value.filter));
/** One that the server knows: another one in a link is said, and this shown. */
export const scope = computed(() => {
  const asked = view.value.scope || DEFAULT_SCOPE;
  return (meta.value?.scopes ?? [asked]).includes(asked) ? asked : DEFAULT_SCOPE;
});
export const selection = computed(() => view.value.sel ?? "");

/** The last filter that the server understood; what is shown obeys this one. */
export const good = signal<Parsed>({ query: "", chips: [], rest: {}, guess: "", command: "rubin observe" });
/** Why the filter of the URL is not obeyed; null: it is. */
export const badFilter = signal<ApiError | null>(null);
/** Whether the filter of the URL was understood once: until then nothing is asked, lest too much be shown. */
export const settled = signal(false);
export const goodPairs = computed(() => pairsOf(good.value.query));

export const paused = signal(false);
export const announced = signal("");
export const toast = signal("");
export const utc = signal(stored("utc") === "1");
export const theme = signal(stored("theme") || "system");
export const density = signal(stored("density") || "compact");
export const quiet = signal(stored("quiet") === "1");

function stored(name: string): string {
  try {
    return localStorage.getItem(`rubin.${name}`) ?? "";
  } catch {
    return ""; // storage is refused to this page: settings last as long as the page
  }
}

function store(name: string, value: string): void {
  try {
    localStorage.setItem(`rubin.${name}`, value);
  } catch (refused) {
    console.info("settings are not kept", refused);
  }
}

/** Whether nothing shall move by itself. */
export const still = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches || quiet.value;

let pushedMs = 0;
const COALESCE_MS = 200;

/** Goes to a place; the browser's back button leads back, save from steps within 200 ms, which are one. */
export function go(change: Partial<Place>, how: "push" | "replace" = "push"): void {
  const next = { ...place.value, ...change };
  const path = write(next);
  if (path !== location.pathname + location.search) {
    const soon = performance.now() - pushedMs < COALESCE_MS;
    if (how === "push" && !soon) history.pushState(null, "", path);
    else history.replaceState(null, "", path);
    if (how === "push") pushedMs = performance.now();
  }
  place.value = next;
}

/** Changes keys of the view; "" takes one away. */
export function look(change: Record<string, string>, how: "push" | "replace" = "replace"): void {
  go({ view: { ...place.value.view, ...change } }, how);
}

/** Opens something in the panel; "" closes it. */
export const select = (what: string): void => look({ sel: what }, "push");

export function goScreen(to: Screen): void {
  const { screen, view } = place.value;
  if (screen === "map") ofMap = picked(view, MAP_KEYS);
  go({ screen: to, view: { ...picked(view, SHARED_KEYS), ...(to === "map" ? ofMap : {}) } });
}

const SHARED_KEYS = ["scope", "cols", "metric", "colour", "abnormal"];
/** What the map alone has comes back with it. */
const MAP_KEYS = ["cam", "idle", "open", "pin", "shut", "table", "tsort"];
let ofMap: Record<string, string> = {};

const picked = (view: Record<string, string>, keys: string[]): Record<string, string> =>
  Object.fromEntries(keys.flatMap((key) => (view[key] ? [[key, view[key]]] : [])));

export const goTime = (to: Time): void => {
  batch(() => {
    paused.value = false;
    go({ time: to });
  });
};

const term = (name: string, value: string, not = false): Pair => [`${not ? "not." : ""}${name}`, value || "1"];

/** Narrows the filter by a term: "only" takes the place of others of its name. */
export function narrow(name: string, value: string, how: "include" | "exclude" | "only"): void {
  const pair = term(name, value, how === "exclude");
  const others = place.value.filter.filter(([key, old]) => {
    if (key === pair[0] && old === pair[1]) return false;
    return how !== "only" || (key !== name && key !== `not.${name}`);
  });
  go({ filter: [...others, pair] });
}

export function withoutChip(chip: Chip): void {
  const [key, value] = term(chip.name, chip.value, chip.not);
  go({ filter: place.value.filter.filter((pair) => pair[0] !== key || pair[1] !== value) });
}

export function turnChip(chip: Chip): void {
  const [key, value] = term(chip.name, chip.value, chip.not);
  const turned = term(chip.name, chip.value, !chip.not);
  go({ filter: place.value.filter.map((pair) => (pair[0] === key && pair[1] === value ? turned : pair)) });
}

/** The pairs of both, each once. */
export function joined(...parts: Pair[][]): Pair[] {
  return [...new Map(parts.flat().map((pair) => [pair.join("="), pair])).values()];
}

let asking = new AbortController();
let understood: string | null = null;

async function understand(query: string): Promise<void> {
  asking.abort();
  asking = new AbortController();
  try {
    const parsed = await ask<Parsed>("parse", [["query", query]], asking.signal);
    const known = new Set(pairsOf(parsed.query).map(([name]) => name));
    const unknown = pairsOf(query).filter(([name]) => !known.has(name)); // of another version: kept, and not obeyed
    batch(() => {
      good.value = parsed;
      badFilter.value = null;
      settled.value = true;
      const filter = joined(pairsOf(parsed.query), unknown);
      understood = queryOf(filter);
      go({ filter }, "replace");
    });
  } catch (error) {
    if (error instanceof ApiError) {
      badFilter.value = error;
      settled.value = settled.value || error.status === 0;
    }
  }
}

export function begin(): void {
  addEventListener("popstate", () => {
    arrivedAt.value = [location.pathname, location.search];
    place.value = read(location.pathname, location.search);
  });
  effect(() => {
    const query = filterText.value;
    if (query === understood) return;
    understood = query;
    void understand(query);
  });
  effect(() => {
    if (link.value.phase === "open" && badFilter.peek()?.status === 0) void understand(filterText.peek());
  });
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
    document.documentElement.dataset.density = density.value;
    store("theme", theme.value);
    store("density", density.value);
    store("utc", utc.value ? "1" : "");
    store("quiet", quiet.value ? "1" : "");
  });
  effect(() => {
    document.title = `${screen.value[0].toUpperCase()}${screen.value.slice(1)} – Rubin`;
  });
  void words();
}

async function words(): Promise<void> {
  try {
    meta.value = await ask<Meta>("meta");
    metaError.value = null;
  } catch (error) {
    if (error instanceof ApiError) metaError.value = error;
    setTimeout(words, 2000);
  }
}

let saidMs = 0;
/** Says something to a screen reader, at most once in 5 s: changes of kind, never ticks. */
export function announce(text: string): void {
  if (Date.now() - saidMs < 5000) return;
  saidMs = Date.now();
  announced.value = text;
}

let hide: ReturnType<typeof setTimeout> | undefined;
export function note(text: string): void {
  clearTimeout(hide);
  toast.value = text;
  announce(text);
  hide = setTimeout(() => {
    toast.value = "";
  }, 4000);
}

export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    note(`${what} copied`);
  } catch {
    note(`the browser refuses the clipboard: ${text}`);
  }
}
