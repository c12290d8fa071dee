/** When: flows by verdict over all that is held, the time that is looked at, pause, steps and ranges. */

import { computed, effect, signal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../icons";
import { register } from "../keys";
import { gaps, Live } from "../live";
import { announce, go, good, goTime, note, paused, settled, time, utc } from "../state";
import { clock, count, duration, plural } from "../units";
import { liveTime, WINDOW_MS } from "../url";
import { endOf, eventsAt, eventsOf, MARKS, nextEvent, type TimeEvent } from "./events";
import { bars, LEFT, signs, TOP } from "./paint";
import { merged, range, type Series, STACK } from "./series";
import "./time.css";

const series = signal<Series | null>(null);
const events = signal<TimeEvent[]>([]);
/** Those of the bucket that is looked at. */
const happened = computed(() => {
  const at = time.value;
  return at.mode === "at" && series.value ? eventsAt(events.value, series.value.bucketMs, at.atMs) : [];
});
export const stats = signal<{
  per_second?: number;
  lost?: number;
  sentence?: string;
  nodes?: unknown;
  missed?: number;
  missed_drops?: number;
  following?: boolean;
}>({});
let pausedAtMs = 0;
/** So near a sign the pointer is on it. */
const NEAR_PX = 8;

export function TimeBar({ hidden }: { hidden: boolean }) {
  useEffect(() => {
    const live = new Live((frame, texts) => {
      series.value = merged(series.peek(), frame);
      events.value = eventsOf(frame, texts) ?? events.peek();
    });
    const numbers = new Live((frame) => {
      stats.value = frame.head as typeof stats.value;
    });
    const ends = [
      effect(() => {
        if (!settled.value) return;
        const asked = { query: good.value.query, scope: "workload", max_rows: 300 };
        live.update({ ...asked, view: "series", time: { mode: "live", window_ms: WINDOW_MS } });
        numbers.update({ ...asked, view: "stats", time: liveTime(time.value) });
      }),
      effect(() => {
        numbers.pause(paused.value);
        if (paused.value) pausedAtMs = Date.now();
      }),
      keysOf(),
    ];
    return () => {
      for (const end of ends) end();
      live.close();
      numbers.close();
    };
  }, []);
  return (
    <section class="time-bar" aria-label="Time" hidden={hidden}>
      <div class="time-head">
        <button onClick={pause} aria-pressed={paused.value ? "true" : "false"}>
          <Icon name={paused.value ? "play" : "pause"} /> {paused.value ? "resume" : "pause"} <kbd>space</kbd>
        </button>
        <button onClick={() => step(-1)} aria-label="one step back" disabled={!series.value}>
          <Icon name="back" /> <kbd>[</kbd>
        </button>
        <button onClick={() => step(1)} aria-label="one step on" disabled={!series.value}>
          <kbd>]</kbd>
        </button>
        <button onClick={() => stepEvent(-1)} aria-label="the event before" disabled={!events.value.length}>
          <kbd>{"{"}</kbd>
        </button>
        <button onClick={() => stepEvent(1)} aria-label="the next event" disabled={!events.value.length}>
          <kbd>{"}"}</kbd>
        </button>
        {(time.value.mode !== "live" || paused.value) && (
          <button class="primary" onClick={now}>
            now <kbd>.</kbd>
          </button>
        )}
        <span class="time-words">
          <When />
          {happened.value.map(({ ms, kind, words }) => (
            <b key={`${ms} ${kind}`} title={words}>
              {" "}
              · {MARKS[kind].glyph} {words}
            </b>
          ))}
        </span>
        <Broken />
        <span class="quiet time-hint">
          {!happened.value.length && "shift-drag selects a range · a click looks at a time · "}
          <Held />
        </span>
      </div>
      <Bars />
    </section>
  );
}

function When() {
  const at = time.value;
  if (paused.value && at.mode === "live") return <Missed />;
  if (at.mode === "live") return <>live, the last {duration(at.windowMs)}</>;
  if (at.mode === "at")
    return (
      <>
        at {clock(at.atMs, utc.value)}, the {duration(at.windowMs)} before
      </>
    );
  return (
    <>
      {clock(at.sinceMs, utc.value)} to {clock(at.untilMs, utc.value)} ({duration(at.untilMs - at.sinceMs)})
    </>
  );
}

function Missed() {
  const { missed, missed_drops } = stats.value;
  return (
    <>
      paused at {clock(pausedAtMs, utc.value)} · +{count(missed ?? 0)} flows
      {missed_drops ? `, ${count(missed_drops)} dropped` : ""} since
    </>
  );
}

/** The last time of which flows may be missing, while it is among what is held. */
function Broken() {
  const last = gaps.value.at(-1);
  if (!last || !series.value || last.until_ms <= range(series.value)[0]) return null;
  return (
    <span class="time-gap v-error" title={last.why}>
      flows may be missing {clock(last.from_ms, utc.value)} to {clock(last.until_ms, utc.value)}
    </span>
  );
}

function Held() {
  const held = series.value;
  if (!held?.time.length) return <>nothing is held yet</>;
  return (
    <>
      {duration(held.newestMs - held.oldestMs)} held, {duration(held.bucketMs)} a bar
    </>
  );
}

function Bars() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drag = useRef<[number, number] | null>(null);
  const paint = (): void => {
    const target = canvas.current;
    const ctx = target?.getContext("2d");
    if (!target || !ctx) return;
    const ratio = devicePixelRatio || 1;
    const [w, h] = [target.clientWidth, target.clientHeight];
    if (target.width !== Math.round(w * ratio)) target.width = Math.round(w * ratio);
    if (target.height !== Math.round(h * ratio)) target.height = Math.round(h * ratio);
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, w, h);
    if (series.value?.time.length) bars(ctx, series.value, events.value, w, h, time.value, drag.current);
  };
  useSignalEffect(() => {
    series.value;
    events.value;
    time.value;
    utc.value;
    gaps.value;
    requestAnimationFrame(paint);
  });
  useEffect(() => {
    const watch = new ResizeObserver(paint);
    if (canvas.current) watch.observe(canvas.current);
    const themes = new MutationObserver(paint);
    themes.observe(document.documentElement, { attributes: true });
    return () => {
      watch.disconnect();
      themes.disconnect();
    };
  }, []);
  const at = (event: PointerEvent): number => {
    const held = series.value as Series;
    const box = (canvas.current as HTMLCanvasElement).getBoundingClientRect();
    const [from, to] = range(held);
    const share = (event.clientX - box.left - LEFT) / (box.width - 2 * LEFT);
    return from + Math.min(1, Math.max(0, share)) * (to - from);
  };
  const sign = (event: PointerEvent): TimeEvent | null => {
    const box = (canvas.current as HTMLCanvasElement).getBoundingClientRect();
    if (!series.value || event.clientY - box.top > TOP) return null;
    const near = signs(series.value, events.value, box.width).find(
      ([, x]) => Math.abs(x - (event.clientX - box.left)) < NEAR_PX,
    );
    return near?.[0] ?? null;
  };
  const down = (event: PointerEvent): void => {
    if (!series.value || event.button !== 0) return;
    const target = event.currentTarget as HTMLCanvasElement;
    target.setPointerCapture(event.pointerId);
    const from = at(event);
    const x = event.clientX;
    const move = (now: PointerEvent): void => {
      if (event.shiftKey || Math.abs(now.clientX - x) > 12) drag.current = [from, at(now)];
      paint();
    };
    const up = (now: PointerEvent): void => {
      target.removeEventListener("pointermove", move);
      target.removeEventListener("pointerup", up);
      const held = series.value as Series;
      const [a, b] = drag.current ?? [from, from];
      drag.current = null;
      if (Math.abs(a - b) >= held.bucketMs / 2)
        goTime({ mode: "range", sinceMs: Math.min(a, b), untilMs: Math.max(a, b) });
      else {
        const hit = sign(now);
        lookAt(hit ? endOf(hit, held.bucketMs) : Math.ceil(at(now) / held.bucketMs) * held.bucketMs);
      }
    };
    target.addEventListener("pointermove", move);
    target.addEventListener("pointerup", up);
  };
  const total = (name: (typeof STACK)[number]): number =>
    series.value?.counts[name].reduce((sum, n) => sum + n, 0) ?? 0;
  const words = series.value
    ? `${count(total("forwarded"))} forwarded, ${count(total("dropped"))} dropped, ${count(total("error"))} errors`
    : "nothing yet";
  const many = plural(events.value.length, "event");
  return (
    <canvas
      ref={canvas}
      class="bars"
      role="img"
      aria-label={`Flows over time: ${words}, ${many}`}
      onPointerDown={down}
      onPointerMove={(event) => {
        const hit = event.buttons ? null : sign(event);
        event.currentTarget.title = hit ? `${clock(hit.ms, utc.value)} ${hit.words}` : "";
      }}
    />
  );
}

function pause(): void {
  paused.value = !paused.value;
}

function now(): void {
  paused.value = false;
  go({ time: { mode: "live", windowMs: WINDOW_MS } });
}

function step(by: number): void {
  const held = series.peek();
  if (!held) return;
  const at = time.peek();
  if (at.mode === "range") {
    const size = by * (at.untilMs - at.sinceMs);
    return goTime({ mode: "range", sinceMs: at.sinceMs + size, untilMs: at.untilMs + size });
  }
  const [, end] = range(held);
  const from = at.mode === "at" ? at.atMs : Math.floor(end / held.bucketMs) * held.bucketMs;
  const to = from + by * held.bucketMs;
  if (to >= end) return now();
  goTime({ mode: "at", atMs: Math.max(to, held.oldestMs), windowMs: at.windowMs });
}

function lookAt(atMs: number): void {
  const now = time.peek();
  const windowMs = now.mode === "range" ? WINDOW_MS : now.windowMs;
  goTime({ mode: "at", atMs, windowMs: Math.max(windowMs, series.peek()?.bucketMs ?? 0) });
}

function stepEvent(by: 1 | -1): void {
  const held = series.peek();
  if (!held) return;
  const at = time.peek();
  const from = at.mode === "at" ? at.atMs : at.mode === "range" ? at.untilMs : Infinity;
  const to = nextEvent(events.peek(), held.bucketMs, from, by);
  if (to === null) return note(`there is no ${by > 0 ? "later" : "earlier"} event in what is held`);
  lookAt(to);
  announce(eventsAt(events.peek(), held.bucketMs, to).map(({ words }) => words).join("; "));
}

function keysOf(): () => void {
  const key = (keys: string, title: string, run: () => void) => ({ keys, title, run, group: "Time" as const });
  return register([
    key("Space", "pause, and on: counting goes on", pause),
    key("[", "one step back", () => step(-1)),
    key("]", "one step on", () => step(1)),
    key("{", "the event before", () => stepEvent(-1)),
    key("}", "the next event", () => stepEvent(1)),
    key(".", "now", now),
  ]);
}
