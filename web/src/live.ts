/** The page's side of the live connection: who subscribed gets frames, with the dictionary they speak in. */

import { signal } from "@preact/signals";
import { type Frame, FrameType } from "./proto/frame";
import type { FromWorker, Subscription, ToWorker } from "./net.worker";

/** Texts by their number on one connection. */
export type Dictionary = Map<number, string>;

type Taker = (frame: Frame, texts: Dictionary) => void;

export interface LinkState {
  phase: "connecting" | "open" | "waiting";
  attempt: number;
  /** When the next attempt is made, ms since the epoch; 0: none is waited for. */
  retryAtMs: number;
  why: string;
}

/** A dictionary of so many texts is given up together with its connection: a tab may be open for days. */
const MOST_TEXTS = 250_000;

export const link = signal<LinkState>({ phase: "connecting", attempt: 0, retryAtMs: 0, why: "" });
/** What the server refused last, by subscription. */
export const refusals = signal<Record<number, { error: string; way_on: string }>>({});
export const gap = signal<{ from_ms: number; until_ms: number; why: string } | null>(null);

let worker: Worker | undefined;
let connection = 0;
let texts: Dictionary = new Map();
let nextId = 1;
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
  link.value = { phase: told.phase, attempt: told.attempt, retryAtMs, why: told.why };
}

function framesCame(told: Extract<FromWorker, { op: "frames" }>): void {
  const began = performance.now();
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
  if (frame.type === FrameType.gap)
    gap.value = frame.head as unknown as { from_ms: number; until_ms: number; why: string };
  if (frame.type !== FrameType.error) {
    takers.get(frame.sub)?.(frame, texts);
    return;
  }
  const { sub, error, way_on } = frame.head as unknown as { sub: number; error: string; way_on: string };
  refusals.value = { ...refusals.value, [sub || frame.sub]: { error, way_on } };
}

export type Wanted = Omit<Subscription, "id">;

/** One view's subscription; `update` asks for something else, `close` ends it. */
export class Live {
  readonly id = nextId++;
  private asked = "";

  constructor(take: Taker) {
    takers.set(this.id, take);
  }

  update(wanted: Wanted): void {
    const text = JSON.stringify(wanted);
    if (text === this.asked) return;
    this.asked = text;
    if (refusals.value[this.id]) {
      const { [this.id]: _, ...others } = refusals.value;
      refusals.value = others;
    }
    tell({ op: "sub", sub: { id: this.id, ...wanted } });
  }

  pause(on: boolean): void {
    tell({ op: "pause", id: this.id, on });
  }

  close(): void {
    takers.delete(this.id);
    tell({ op: "unsub", id: this.id });
  }
}
