/**
 * The live connection, away from the page's thread: reads frames, keeps subscriptions, connects again after a break.
 * The page takes what has come at most once per animation frame ("ready"); a frame is credited when it was taken.
 */
import { decode, type Frame, FrameType } from "./proto/frame";

export interface Subscription {
  id: number;
  view: string;
  query: string;
  scope: string;
  time: Record<string, number | string>;
  max_rows: number;
}

export type ToWorker =
  | { op: "open"; url: string }
  | { op: "sub"; sub: Subscription }
  | { op: "unsub"; id: number }
  | { op: "pause"; id: number; on: boolean }
  | { op: "again" }
  | { op: "hidden"; on: boolean }
  | { op: "ready" };

export type FromWorker =
  | { op: "frames"; connection: number; frames: Frame[]; received: Received }
  | { op: "state"; phase: "connecting" | "open" | "waiting"; attempt: number; retryMs: number; why: string };

/** What this connection has brought: frames, sequence numbers that never came, the most that ever waited at once. */
export interface Received {
  frames: number;
  skipped: number;
  waited: number;
}

const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15_000];
const HIDDEN_MS = 5000;

let url = "";
let socket: WebSocket | null = null;
let connection = 0;
let attempt = 0;
let retry: ReturnType<typeof setTimeout> | undefined;
let ready = false;
let hidden = false;
let flush: ReturnType<typeof setTimeout> | undefined;
let waiting: Frame[] = [];
/** Credits that are given back together with those of the next frames that the page takes. */
let owed = 0;
let received: Received = { frames: 0, skipped: 0, waited: 0 };
/** By subscription, the last sequence number. */
const sequences = new Map<number, number>();
const subscriptions = new Map<number, Subscription>();
const paused = new Set<number>();

const tell = (message: FromWorker, owned: Transferable[] = []): void => postMessage(message, { transfer: owned });
const say = (message: object): void => {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
};

function connect(): void {
  clearTimeout(retry);
  socket?.close();
  const mine = new WebSocket(url);
  mine.binaryType = "arraybuffer";
  socket = mine;
  connection += 1;
  waiting = [];
  owed = 0;
  received = { frames: 0, skipped: 0, waited: 0 };
  sequences.clear();
  tell({ op: "state", phase: "connecting", attempt, retryMs: 0, why: "" });
  mine.onopen = () => {
    attempt = 0;
    tell({ op: "state", phase: "open", attempt: 0, retryMs: 0, why: "" });
    for (const sub of subscriptions.values()) say({ op: "sub", after: null, ...sub });
    for (const id of paused) say({ op: "pause", id, on: true });
  };
  mine.onmessage = (event) => mine === socket && take(event.data as ArrayBuffer);
  mine.onclose = (event) => mine === socket && lost(event.reason);
}

function lost(why: string): void {
  socket = null;
  const retryMs = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)];
  attempt += 1;
  tell({ op: "state", phase: "waiting", attempt, retryMs, why });
  retry = setTimeout(connect, retryMs);
}

function take(buffer: ArrayBuffer): void {
  let frame: Frame;
  try {
    frame = decode(buffer);
  } catch (error) {
    socket?.close();
    lost(String(error));
    return;
  }
  note(frame);
  const newest = frame.type === FrameType.map || frame.type === FrameType.stats;
  const before = newest ? waiting.findIndex((each) => each.type === frame.type && each.sub === frame.sub) : -1;
  if (before >= 0) {
    // what the page did not take is overtaken; its dictionary additions are not said again
    frame.strings = [...waiting[before].strings, ...frame.strings];
    waiting.splice(before, 1);
    owed += 1;
    if (!hidden) credit(); // nobody looks at a hidden page: the server keeps the newest until this one is taken
  }
  waiting.push(frame);
  received.waited = Math.max(received.waited, waiting.length);
  give();
}

function note(frame: Frame): void {
  received.frames += 1;
  if (!frame.seq) return; // said at once, out of the order
  const before = sequences.get(frame.sub);
  if (before !== undefined) received.skipped += Math.max(0, frame.seq - before - 1);
  sequences.set(frame.sub, frame.seq);
}

function credit(): void {
  if (owed) say({ op: "credit", n: owed });
  owed = 0;
}

function give(): void {
  if (!ready || !waiting.length || flush !== undefined) return;
  if (hidden) {
    flush = setTimeout(() => {
      flush = undefined;
      send();
    }, HIDDEN_MS);
    return;
  }
  send();
}

function send(): void {
  if (!waiting.length) return;
  const frames = waiting;
  waiting = [];
  ready = false;
  const owned = new Set<ArrayBuffer>();
  for (const frame of frames)
    for (const table of Object.values(frame.tables))
      for (const column of Object.values(table.columns)) owned.add(column.buffer as ArrayBuffer);
  tell({ op: "frames", connection, frames, received }, [...owned]);
  owed += frames.filter((frame) => frame.seq).length;
  credit();
}

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  switch (data.op) {
    case "open":
      url = data.url;
      connect();
      break;
    case "sub":
      say({ op: subscriptions.has(data.sub.id) ? "update" : "sub", after: null, ...data.sub });
      subscriptions.set(data.sub.id, data.sub);
      break;
    case "unsub":
      subscriptions.delete(data.id);
      paused.delete(data.id);
      sequences.delete(data.id);
      waiting = waiting.filter((frame) => frame.sub !== data.id || frame.strings.length > 0);
      say({ op: "unsub", id: data.id });
      break;
    case "pause":
      if (data.on) paused.add(data.id);
      else paused.delete(data.id);
      say({ op: "pause", id: data.id, on: data.on });
      break;
    case "again":
      connect();
      break;
    case "hidden":
      hidden = data.on;
      if (!hidden && flush !== undefined) {
        clearTimeout(flush);
        flush = undefined;
        give();
      }
      break;
    case "ready":
      ready = true;
      give();
      break;
  }
};
