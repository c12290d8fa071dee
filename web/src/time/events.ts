/** What happened for the first time in what is held, as the server tells it, and the way from one to the next. */

import type { Dictionary } from "../live";
import type { Frame } from "../proto/frame";
import { count } from "../units";

export interface TimeEvent {
  ms: number;
  /** A place in `MARKS`. */
  kind: number;
  words: string;
}

/** By the server's number: the sign above the bars. The lower the rank, the sooner it is drawn where there is no room. */
export const MARKS = [
  { glyph: "?", rank: 9 },
  { glyph: "⊘", rank: 1 },
  { glyph: "!", rank: 2 },
  { glyph: "●", rank: 5 },
  { glyph: "▨", rank: 4 },
  { glyph: "▨", rank: 3 },
] as const;

/** Of a frame, the oldest first; null: it says nothing of them. */
export function eventsOf(frame: Frame, texts: Dictionary): TimeEvent[] | null {
  const told = frame.tables.events;
  if (!told) return null;
  const c = told.columns;
  return Array.from({ length: told.n }, (_, i) => {
    const more = c.count[i] > 1 ? `, and ${count(c.count[i] - 1)} more` : "";
    return { ms: c.time[i], kind: MARKS[c.kind[i]] ? c.kind[i] : 0, words: (texts.get(c.words[i]) ?? "") + more };
  });
}

/** The end of its bucket: a look at this time shows it. */
export const endOf = (event: TimeEvent, bucketMs: number): number => (Math.floor(event.ms / bucketMs) + 1) * bucketMs;

/** Those that a look at a time is at. */
export const eventsAt = (events: TimeEvent[], bucketMs: number, atMs: number): TimeEvent[] =>
  events.filter((event) => endOf(event, bucketMs) === atMs);

/** The times of the events before or after a time, the nearest; null: there is none. */
export function nextEvent(events: TimeEvent[], bucketMs: number, fromMs: number, by: 1 | -1): number | null {
  const ends = events.map((event) => endOf(event, bucketMs)).filter((end) => (end - fromMs) * by > 0);
  return ends.length ? (by > 0 ? Math.min(...ends) : Math.max(...ends)) : null;
}

/** Those with room for their sign, so many apart: where two are too close the more important one. */
export function marked(events: TimeEvent[], at: (ms: number) => number, apart: number): [TimeEvent, number][] {
  const found: [TimeEvent, number][] = [];
  for (const event of [...events].sort((a, b) => MARKS[a.kind].rank - MARKS[b.kind].rank || b.ms - a.ms)) {
    const x = at(event.ms);
    if (found.every(([, other]) => Math.abs(other - x) >= apart)) found.push([event, x]);
  }
  return found;
}
