/** The page's side of the live connection: who subscribed gets frames, with the dictionary they speak in. */

import { signal } from "@preact/signals";
import { type Frame, FrameType } from "./proto/frame";
import type { FromWorker, Received, Subscription, ToWorker } from "./net.worker";

/** Texts by their number on one connection. */
export type Dictionary = Map<number, string>;

type Taker = (frame: Frame, texts: Dictionary) => void;

export interface LinkState {
  phase: "connecting" | "open" | "waiting";
  attempt: number;
  /** When the next attempt is made, ms since the epoch; 0: none is waited for. */
  retryAtMs: number;
  why: string;
  /** Changes with each frame, and tells nobody: to be looked at from outside. */
  received: Received;
}

/** A time of which flows may be missing. */
export interface Gap {
  from_ms: number;
  until_ms: number;
  why: string;
}

/** A dictionary of so many texts is given up together with its connection: a tab may be open for days. */
const MOST_TEXTS = 250_000;
const MOST_GAPS = 100;
const MOST_IDS = 0xffff;

const received: Received = { frames: 0, skipped: 0, waited: 0 };
export const link = signal<LinkState>({ phase: "connecting", attempt: 0, retryAtMs: 0, why: "", received });
/** What the server refused last, by subscription. */
export const refusals = signal<Record<number, { error: string; way_on: string }>>({});
/** The oldest first. */
export const gaps = signal<Gap[]>([]);

let worker: Worker | undefined;
let connection = 0;
let texts: Dictionary = new Map();
let lastId = 0;
const takers = new Map<number, Taker>();

export const timings = { takeMs: [] as number[] };

const tell = (message: ToWorker): void => worker?.postMessage(message);

export function start(): void {
  worker = new Worker(new URL("./net.worker.ts", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => (data.op === "state" ? stateIs(data) : framesCame(data));
  tell({ op: "open", url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/live` });
  document.addEventListener("visibilitychange", () => {
    tell({ op: "hidden", on: document.hidden });
  });
  tell({ op: "ready" });
}

function stateIs(told: Extract<FromWorker, { op: "state" }>): void {
  const retryAtMs = told.retryMs ? Date.now() + told.retryMs : 0;
  link.value = { phase: told.phase, attempt: told.attempt, retryAtMs, why: told.why, received };
}

function framesCame(told: Extract<FromWorker, { op: "frames" }>): void {
  const began = performance.now();
  Object.assign(received, told.received);
  if (told.connection !== connection) {
    connection = told.connection;
    texts = new Map();
  }
  for (const frame of told.frames) {
    for (const [number, text] of frame.strings) texts.set(number, text);
    given(frame);
  }
  timings.takeMs.push(performance.now() - began);
  if (timings.takeMs.length > 1000) timings.takeMs.splice(0, 500);
  if (texts.size > MOST_TEXTS) tell({ op: "again" });
  if (document.hidden) tell({ op: "ready" });
  else requestAnimationFrame(() => tell({ op: "ready" }));
}

function given(frame: Frame): void {
  if (frame.type === FrameType.gap) broken(frame.head as unknown as Gap);
  if (frame.type !== FrameType.error) {
    takers.get(frame.sub)?.(frame, texts);
    return;
  }
  const { sub, error, way_on } = frame.head as unknown as { sub: number; error: string; way_on: string };
  refusals.value = { ...refusals.value, [sub || frame.sub]: { error, way_on } };
}

/** The server tells each connection all that it knows of. */
function broken(gap: Gap): void {
  const others = gaps.value.filter(({ from_ms, until_ms }) => from_ms !== gap.from_ms || until_ms !== gap.until_ms);
  gaps.value = [...others, gap].sort((a, b) => a.from_ms - b.from_ms).slice(-MOST_GAPS);
}

export type Wanted = Omit<Subscription, "id">;

/** A number that nothing goes by: a page that is open for days needs more than there are. */
function freeId(): number {
  do lastId = (lastId % MOST_IDS) + 1;
  while (takers.has(lastId));
  return lastId;
}

/**
 * One view's subscription; `update` asks for something else, `close` ends it. Each question has a number of its own:
 * what is still under way of the one before is given to nobody.
 */
export class Live {
  private id = 0;
  private asked = "";
  private still = false;

  constructor(private readonly take: Taker) {}

  /** Whether that is another question than before. */
  update(wanted: Wanted): boolean {
    const text = JSON.stringify(wanted);
    if (text === this.asked) return false;
    this.close();
    this.asked = text;
    this.id = freeId();
    takers.set(this.id, this.take);
    tell({ op: "sub", sub: { id: this.id, ...wanted } });
    if (this.still) this.pause(true);
    return true;
  }

  pause(on: boolean): void {
    this.still = on;
    if (this.id) tell({ op: "pause", id: this.id, on });
  }

  close(): void {
    if (!this.id) return;
    takers.delete(this.id);
    tell({ op: "unsub", id: this.id });
    if (refusals.peek()[this.id]) {
      const { [this.id]: _, ...others } = refusals.peek();
      refusals.value = others;
    }
    [this.id, this.asked] = [0, ""];
  }
}
