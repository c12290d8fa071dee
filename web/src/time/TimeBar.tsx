/** When: flows by verdict over all that is held, the time that is looked at, pause, steps and ranges. */

import { effect, signal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../icons";
import { register } from "../keys";
import { gaps, Live } from "../live";
import { palette } from "../map/style";
import { go, good, goTime, paused, settled, time, utc } from "../state";
import { clock, count, duration } from "../units";
import { liveTime, type Time, WINDOW_MS } from "../url";
import { merged, range, type Series, STACK } from "./series";

const INK: Record<(typeof STACK)[number], number> = { forwarded: 1, other: 0, audit: 4, error: 3, dropped: 2 };
const series = signal<Series | null>(null);
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

export function TimeBar({ hidden }: { hidden: boolean }) {
  useEffect(() => {
    const live = new Live((frame) => {
      series.value = merged(series.peek(), frame);
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
        {(time.value.mode !== "live" || paused.value) && (
          <button class="primary" onClick={now}>
            now <kbd>.</kbd>
          </button>
        )}
        <span class="time-words">
          <When />
        </span>
        <Broken />
        <span class="quiet time-hint">
          shift-drag selects a range · a click looks at a time · <Held />
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

const LEFT = 12;
const TOP = 4;
const AXIS = 16;

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
    if (series.value?.time.length) bars(ctx, series.value, w, h, time.value, drag.current);
  };
  useSignalEffect(() => {
    series.value;
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
      else
        goTime({
          mode: "at",
          atMs: Math.ceil(at(now) / held.bucketMs) * held.bucketMs,
          windowMs: Math.max(WINDOW_MS, held.bucketMs),
        });
    };
    target.addEventListener("pointermove", move);
    target.addEventListener("pointerup", up);
  };
  const total = (name: (typeof STACK)[number]): number =>
    series.value?.counts[name].reduce((sum, n) => sum + n, 0) ?? 0;
  const words = series.value
    ? `${count(total("forwarded"))} forwarded, ${count(total("dropped"))} dropped, ${count(total("error"))} errors`
    : "nothing yet";
  return <canvas ref={canvas} class="bars" role="img" aria-label={`Flows over time: ${words}`} onPointerDown={down} />;
}

function bars(
  ctx: CanvasRenderingContext2D,
  held: Series,
  w: number,
  h: number,
  at: Time,
  drag: [number, number] | null,
): void {
  const p = palette();
  const [from, to] = range(held);
  const x = (ms: number): number => LEFT + ((ms - from) / (to - from)) * (w - 2 * LEFT);
  const base = h - AXIS;
  const wide = Math.max(1, x(from + held.bucketMs) - x(from) - 1.2);
  let most = 1;
  for (let i = 0; i < held.time.length; i++)
    most = Math.max(
      most,
      STACK.reduce((sum, name) => sum + held.counts[name][i], 0),
    );
  for (let i = 0; i < held.time.length; i++) {
    if (held.counts.lost[i]) shade(ctx, x(held.time[i]), TOP, wide + 1.2, base - TOP, p.dim);
    let y = base;
    for (const name of STACK) {
      const n = held.counts[name][i];
      if (!n) continue;
      const tall = Math.max(name === "forwarded" || name === "other" ? 1 : 2.5, (n / most) * (base - TOP));
      ctx.globalAlpha = name === "forwarded" ? 0.7 : 1;
      ctx.fillStyle = p.verdicts[INK[name]];
      ctx.fillRect(x(held.time[i]), y - tall, wide, tall);
      y -= tall + (name === "forwarded" ? 0.5 : 0);
    }
  }
  ctx.globalAlpha = 1;
  const seen =
    drag ??
    (at.mode === "range" ? [at.sinceMs, at.untilMs] : at.mode === "at" ? [at.atMs - at.windowMs, at.atMs] : null);
  if (seen) {
    const [a, b] = [Math.max(LEFT, x(Math.min(...seen))), Math.min(w - LEFT, x(Math.max(...seen)))];
    ctx.fillStyle = p.fg;
    ctx.globalAlpha = 0.12;
    ctx.fillRect(a, TOP, b - a, base - TOP);
    ctx.globalAlpha = 1;
    ctx.fillRect(a, TOP, 1.5, base - TOP);
    ctx.fillRect(b - 1.5, TOP - 2, 3, base - TOP + 4);
  } else {
    ctx.fillStyle = p.fg;
    ctx.fillRect(x(to) - 1.5, TOP - 2, 3, base - TOP + 4);
  }
  ctx.fillStyle = p.dim;
  ctx.font = `11px ${p.font}`;
  ctx.textBaseline = "alphabetic";
  for (const [share, align] of [
    [0, "left"],
    [0.5, "center"],
    [1, "right"],
  ] as const) {
    ctx.textAlign = align;
    ctx.fillText(clock(from + (to - from) * share, utc.value), LEFT + (w - 2 * LEFT) * share, h - 3);
  }
  ctx.textAlign = "left";
  for (const gap of gaps.value)
    if (gap.until_ms > from) shade(ctx, x(gap.from_ms), TOP, x(gap.until_ms) - x(gap.from_ms), base - TOP, p.dim);
}

/** Slanted lines: here something is missing. */
function shade(ctx: CanvasRenderingContext2D, x: number, y: number, w: number, h: number, ink: string): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, Math.max(w, 2), h);
  ctx.clip();
  ctx.strokeStyle = ink;
  ctx.globalAlpha = 0.6;
  ctx.beginPath();
  for (let at = x - h; at < x + w; at += 5) {
    ctx.moveTo(at, y + h);
    ctx.lineTo(at + h, y);
  }
  ctx.stroke();
  ctx.restore();
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

function keysOf(): () => void {
  const key = (keys: string, title: string, run: () => void) => ({ keys, title, run, group: "Time" as const });
  return register([
    key("Space", "pause, and on: counting goes on", pause),
    key("[", "one step back", () => step(-1)),
    key("]", "one step on", () => step(1)),
    key(".", "now", now),
  ]);
}
