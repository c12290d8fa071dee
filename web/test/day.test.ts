/** A tab that is open for a day: every tick of it, through the worker, the dictionary, the table and the bars. */
import { expect, test, vi } from "vitest";
import type { FromWorker, ToWorker } from "../src/net.worker";
import { type Column, encode, FrameType } from "../src/proto/frame";
import { FlowRing } from "../src/table/ring";
import { merged, type Series } from "../src/time/series";

const TICKS = 172_800; // two a second, of flows and of bars in turn
const FRESH = 3; // texts that were never there before, in each tick
const MOST_GROWTH_MB = 60;

interface Inside {
  process: {
    memoryUsage: () => { heapUsed: number; arrayBuffers: number };
    getBuiltinModule: (name: string) => unknown;
  };
}
const { process } = globalThis as unknown as Inside;
const v8 = process.getBuiltinModule("v8") as { setFlagsFromString: (flags: string) => void };
const vm = process.getBuiltinModule("vm") as { runInNewContext: (code: string) => () => void };
v8.setFlagsFromString("--expose-gc");
const collect = vm.runInNewContext("gc");

function heldMb(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 1e6;
}

/** What the worker connects to; a test sends frames with `onmessage`. */
class Socket {
  static readonly OPEN = 1;
  static last: Socket;
  static opened = 0;
  readonly readyState = 1;
  readonly said: Record<string, unknown>[] = [];
  binaryType = "";
  onopen = (): void => undefined;
  onclose = (_: { reason: string }): void => undefined;
  onmessage = (_: { data: ArrayBuffer }): void => undefined;

  constructor(readonly url: string) {
    Socket.last = this;
    Socket.opened += 1;
    queueMicrotask(() => this.onopen());
  }
  send(text: string): void {
    this.said.push(JSON.parse(text) as Record<string, unknown>);
    if (this.said.length > 100) this.said.splice(0, 50);
  }
  close(): void {}
}

/** The page's end of the worker, which runs in the same thread here. */
class Inline {
  static last: Inline;
  onmessage = (_: { data: FromWorker }): void => undefined;
  constructor() {
    Inline.last = this;
  }
  postMessage(data: ToWorker): void {
    scope.onmessage({ data });
  }
}
const scope = { onmessage: (_: { data: ToWorker }): void => undefined };

async function begun() {
  vi.stubGlobal("self", scope);
  vi.stubGlobal("WebSocket", Socket);
  vi.stubGlobal("Worker", Inline);
  vi.stubGlobal("location", { protocol: "http:", host: "there" });
  vi.stubGlobal("document", { hidden: false, addEventListener: () => undefined });
  vi.stubGlobal("requestAnimationFrame", (run: () => void) => run());
  vi.stubGlobal("postMessage", (data: FromWorker) => Inline.last.onmessage({ data }));
  await import("../src/net.worker");
  const live = await import("../src/live");
  live.start();
  await Promise.resolve();
  return live;
}

const u4 = (...values: number[]): Column => Uint32Array.from(values);

function flows(sub: number, seq: number, tick: number, strings: [number, string][]): ArrayBuffer {
  const numbers = strings.map(([number]) => number);
  const columns = {
    uuid_a: u4(1, 1, 1),
    uuid_d: u4(...numbers),
    time: Float64Array.from(numbers, (_, i) => tick * 500 + i),
    verdict: Uint8Array.of(1, 2, 1),
    source: u4(...numbers),
    summary: u4(...numbers),
  };
  const head = { seen: FRESH, sent: FRESH, strings };
  const tables = { rows: { n: FRESH, columns } };
  return encode({ type: FrameType.flows, snapshot: seq === 1, sub, seq, tickMs: tick * 500, head, tables });
}

function bars(sub: number, seq: number, second: number): ArrayBuffer {
  const columns: Record<string, Column> = { time: Float64Array.of(second * 1000, (second + 1) * 1000) };
  for (const name of ["forwarded", "dropped", "error", "audit", "other", "lost"]) columns[name] = u4(5, 1);
  const head = { bucket_ms: 1000, oldest_ms: 0, newest_ms: second * 1000 };
  const tables = { buckets: { n: 2, columns } };
  return encode({ type: FrameType.series, snapshot: seq === 1, sub, seq, tickMs: second * 1000, head, tables });
}

test("a tab that is open for a day holds no more at its end than after an hour", { timeout: 300_000 }, async () => {
  const { Live, link } = await begun();
  const ring = new FlowRing(20_000);
  let series: Series | null = null;
  let [most, taken] = [0, 0];
  const table = new Live((frame, texts) => {
    taken += 1;
    most = Math.max(most, texts.size);
    if (frame.snapshot) ring.resume(frame.tables.rows, texts);
    else ring.append(frame.tables.rows, texts);
  });
  const over = new Live((frame) => {
    series = merged(series, frame);
  });
  const wanted = { query: "", scope: "workload", time: {}, max_rows: 500 };
  table.update({ ...wanted, view: "flows" });
  over.update({ ...wanted, view: "series" });
  const [first, second] = Socket.last.said.slice(-2).map(({ id }) => id as number);
  let socket = Socket.last;
  let [number, flowsSent, barsSent, afterAnHour] = [0, 0, 0, 0];
  for (let tick = 0; tick < TICKS; tick++) {
    if (socket !== Socket.last) {
      await Promise.resolve(); // a connection anew: sequences begin again
      [socket, flowsSent, barsSent] = [Socket.last, 0, 0];
    }
    if (tick % 2) {
      socket.onmessage({ data: bars(second, ++barsSent, (tick - 1) / 2) });
    } else {
      const strings = Array.from({ length: FRESH }, (): [number, string] => [++number, `pod-${number}`]);
      socket.onmessage({ data: flows(first, ++flowsSent, tick, strings) });
    }
    if (tick === 7200) afterAnHour = heldMb();
  }
  expect(taken).toBe(TICKS / 2);
  expect(link.value.received.skipped).toBe(0);
  expect(most).toBeLessThan(260_000);
  expect(Socket.opened).toBeGreaterThan(1);
  expect(ring.texts.size).toBeLessThanOrEqual(3 * 20_000);
  expect(ring.text("source", ring.place(ring.added - 1))).toBe(`pod-${number}`);
  expect((series as unknown as Series).time.length).toBe(300);
  expect(heldMb() - afterAnHour).toBeLessThan(MOST_GROWTH_MB);
});

test("a frame that is none ends the connection, and the next one begins", async () => {
  vi.useFakeTimers();
  const { link } = await import("../src/live");
  const before = Socket.opened;
  Socket.last.onmessage({ data: new ArrayBuffer(3) });
  expect(link.value.phase).toBe("waiting");
  vi.setSystemTime(Date.now() + 3_600_000); // the machine's clock is put on by an hour meanwhile
  await vi.advanceTimersByTimeAsync(600);
  expect([Socket.opened, link.value.phase]).toEqual([before + 1, "open"]);
  vi.useRealTimers();
});
