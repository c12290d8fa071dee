/** What the colour of an edge says: the worst that became of its flows, or a figure in steps of one hue. */

import { duration, percent } from "../units";
import { type MapEdge, VERDICTS } from "./scene";

export const COLOURS = ["verdict", "latency", "errors", "encryption"] as const;
export type Colour = (typeof COLOURS)[number];

/** The one that a text names, or the usual one. */
export const colourOf = (text = ""): Colour => COLOURS.find((each) => each === text) ?? COLOURS[0];

/** Inks of a drawing: 0 to 4 are verdicts, from here on steps, from little to much. Each has dashes of its own. */
export const STEP = 5;
const NOT_KNOWN = 0;

/** The least p99, in ms, and the least share of failed requests of the steps two to four. */
const LEAST_MS = [10, 100, 1000];
const LEAST_SHARE = [Number.MIN_VALUE, 0.01, 0.05];
/** By what the server says: not known, plain, encrypted, some of both. */
const OF_ENCRYPTED = [NOT_KNOWN, STEP, STEP + 3, STEP + 1];
const ENCRYPTED = ["", "plain", "encrypted", "in part"];

const stepOf = (value: number, least: number[]): number => STEP + least.filter((each) => value >= each).length;

/** The ink of an edge. */
export function inkOf(edge: MapEdge, colour: Colour): number {
  if (colour === "latency") return Number.isFinite(edge.p99) ? stepOf(edge.p99, LEAST_MS) : NOT_KNOWN;
  if (colour === "errors") return edge.requests > 0 ? stepOf(edge.errors, LEAST_SHARE) : NOT_KNOWN;
  if (colour === "encryption") return OF_ENCRYPTED[edge.encrypted] ?? NOT_KNOWN;
  return edge.verdict;
}

/** What its colour says, in words; "": that is not known, or the verdict's to say. */
export function saidOf(edge: MapEdge, colour: Colour): string {
  if (inkOf(edge, colour) < STEP) return "";
  if (colour === "latency") return `p99 ${duration(edge.p99)}`;
  return colour === "errors" ? `${percent(edge.errors)} errors` : ENCRYPTED[edge.encrypted];
}

const steps = (words: string[]): [number, string][] => words.map((text, i) => [STEP + i, text]);
const UNKNOWN: [number, string] = [NOT_KNOWN, "not known"];

/** Each ink that there may be, and what it means. */
export const LEGENDS: Record<Colour, [ink: number, words: string][]> = {
  verdict: [1, 2, 3, 4, 0].map((verdict) => [verdict, `${VERDICTS[verdict].glyph} ${VERDICTS[verdict].word}`]),
  latency: [
    ...steps([`p99 < ${duration(LEAST_MS[0])}`, ...LEAST_MS.map((least) => `≥ ${duration(least)}`)]),
    UNKNOWN,
  ],
  errors: [...steps(["no errors", "some", ...LEAST_SHARE.slice(1).map((least) => `≥ ${percent(least)}`)]), UNKNOWN],
  encryption: [[STEP, "plain"], [STEP + 1, "in part"], [STEP + 3, "encrypted"], UNKNOWN],
};

/** The name of an ink in style sheets. */
export const nameOf = (ink: number): string => (ink < STEP ? `v-${VERDICTS[ink].name}` : `step-${"abcd"[ink - STEP]}`);
