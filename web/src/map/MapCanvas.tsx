/** The map on the screen: one picture moved about, what is selected drawn over it, pointer and keyboard. */

import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { register } from "../keys";
import { go, narrow, place, select, selection, still } from "../state";
import { pairsOf } from "../url";
import { toScreen, toWorld } from "./camera";
import { type Palette, strokeEdge } from "./draw";
import { nodeToward } from "./geometry";
import { NODE_H, NODE_W } from "./cards";
import type { MapModel } from "./model";
import { palette } from "./style";

const PULSE_MS = 1500;
const DRAG_PX = 4;

export function selectedId(text: string, kind: "node" | "edge"): number {
  return text.startsWith(`${kind}:`) ? Number(text.slice(kind.length + 1)) : 0;
}

export function MapCanvas({ model, summary }: { model: MapModel; summary: string }) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const hover = useRef<{ node: number } | { edge: number } | null>(null);
  const frame = useRef(0);
  const colours = useRef<Palette | null>(null);
  const pulses = useRef(new Map<number, number>());

  const paint = (): void => {
    frame.current = 0;
    const began = performance.now();
    const target = canvas.current;
    const ctx = target?.getContext("2d");
    if (!target || !ctx) return;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const [w, h] = [target.width / ratio, target.height / ratio];
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, w, h);
    const { picture, camera } = model;
    under(ctx, ratio);
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (picture) {
      const k = camera.k / picture.camera.k;
      const [x, y] = toScreen(camera, picture.camera.x, picture.camera.y);
      ctx.drawImage(picture.bitmap, x, y, picture.w * k, picture.h * k);
    }
    over(ctx, ratio);
    model.times.frameMs.push(performance.now() - began);
    if (model.times.frameMs.length > 2000) model.times.frameMs.splice(0, 1000);
  };

  const turned = (ctx: CanvasRenderingContext2D, ratio: number): void => {
    const { x, y, k } = model.camera;
    ctx.setTransform(ratio * k, 0, 0, ratio * k, -x * k * ratio, -y * k * ratio);
  };

  const nearNode = (): number => {
    const over = hover.current;
    return over && "node" in over ? over.node : selectedId(selection.value, "node");
  };

  /** Edges of what is selected, below the picture, so that no label is covered. */
  const under = (ctx: CanvasRenderingContext2D, ratio: number): void => {
    turned(ctx, ratio);
    const p = colours.current ?? palette();
    colours.current = p;
    const near = nearNode();
    const chosenEdge = selectedId(selection.value, "edge");
    const nearEdge = hover.current && "edge" in hover.current ? hover.current.edge : 0;
    const now = performance.now();
    let moving = false;
    model.edges.forEach((edge, i) => {
      const began = pulses.current.get(edge.id);
      const pulse = began !== undefined && now - began < PULSE_MS;
      moving ||= pulse;
      if (!pulse && edge.id !== chosenEdge && edge.id !== nearEdge && edge.source !== near && edge.destination !== near)
        return;
      ctx.strokeStyle = ctx.fillStyle = p.verdicts[edge.verdict] ?? p.dim;
      ctx.globalAlpha = pulse ? 1 - (now - (began ?? 0)) / PULSE_MS : 1;
      strokeEdge(
        ctx,
        model.routes,
        i * 8,
        edge.verdict,
        edge.id === chosenEdge || edge.id === nearEdge ? 7 : 5,
        p.bg,
        true,
      );
    });
    ctx.globalAlpha = 1;
    ctx.setLineDash([]);
    if (moving) ask();
  };

  const over = (ctx: CanvasRenderingContext2D, ratio: number): void => {
    turned(ctx, ratio);
    const p = colours.current ?? palette();
    const chosen = selectedId(selection.value, "node");
    const near = nearNode();
    const { camera } = model;
    for (const [id, wide, ink] of [
      [near, 1.5, p.dim],
      [chosen, 2.5, p.fg],
    ] as const) {
      const at = id ? model.places.get(id) : undefined;
      if (!at || !model.scene.value.nodeById.has(id)) continue;
      ctx.strokeStyle = ink;
      ctx.lineWidth = wide / Math.min(camera.k, 1);
      ctx.beginPath();
      ctx.roundRect(at[0] - 2, at[1] - 2, NODE_W + 4, NODE_H + 4, 8);
      ctx.stroke();
    }
  };

  const ask = (): void => {
    frame.current ||= requestAnimationFrame(paint);
  };

  useSignalEffect(() => {
    model.changed.value;
    selection.value;
    ask();
  });

  useSignalEffect(() => {
    const { edges } = model.scene.value;
    for (const edge of edges) {
      if (!edge.isNew) pulses.current.delete(edge.id);
      else if (!pulses.current.has(edge.id)) pulses.current.set(edge.id, still() ? 0 : performance.now());
    }
  });

  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      const ratio = Math.min(devicePixelRatio || 1, 2);
      if (!canvas.current) return;
      canvas.current.width = Math.round(width * ratio);
      canvas.current.height = Math.round(height * ratio);
      model.sizeIs(width, height);
      ask();
    });
    if (box.current) watch.observe(box.current);
    const redraw = (): void => {
      colours.current = null;
      model.redraw();
    };
    const themes = new MutationObserver(redraw);
    themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", redraw);
    const wheel = (event: WheelEvent): void => {
      event.preventDefault();
      const at = (canvas.current as HTMLCanvasElement).getBoundingClientRect();
      model.zoom(
        Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)),
        event.clientX - at.left,
        event.clientY - at.top,
      );
    };
    canvas.current?.addEventListener("wheel", wheel, { passive: false });
    return () => {
      watch.disconnect();
      themes.disconnect();
      dark.removeEventListener("change", redraw);
      canvas.current?.removeEventListener("wheel", wheel);
      cancelAnimationFrame(frame.current);
    };
  }, []);

  const pointed = (event: PointerEvent | MouseEvent): [number, number] => {
    const at = (canvas.current as HTMLCanvasElement).getBoundingClientRect();
    return toWorld(model.camera, event.clientX - at.left, event.clientY - at.top);
  };

  const down = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    const target = event.currentTarget as HTMLCanvasElement;
    target.setPointerCapture(event.pointerId);
    const [wx, wy] = pointed(event);
    const hit = model.hit(wx, wy);
    const node = hit && "node" in hit ? hit.node : 0;
    const from = node ? (model.places.get(node) as [number, number]) : null;
    let [x, y, far] = [event.clientX, event.clientY, 0];
    const move = (now: PointerEvent): void => {
      far += Math.abs(now.clientX - x) + Math.abs(now.clientY - y);
      if (far > DRAG_PX && from) {
        const [nx, ny] = pointed(now);
        model.pin(node, [from[0] + nx - wx, from[1] + ny - wy]);
      } else if (far > DRAG_PX) model.pan(now.clientX - x, now.clientY - y);
      [x, y] = [now.clientX, now.clientY];
    };
    const up = (now: PointerEvent): void => {
      target.removeEventListener("pointermove", move);
      target.removeEventListener("pointerup", up);
      target.removeEventListener("pointercancel", up);
      if (far <= DRAG_PX) clicked(now, hit);
    };
    target.addEventListener("pointermove", move);
    target.addEventListener("pointerup", up);
    target.addEventListener("pointercancel", up);
  };

  const clicked = (event: PointerEvent, hit: ReturnType<MapModel["hit"]>): void => {
    if (!hit) return select("");
    const node = "node" in hit ? model.scene.value.nodeById.get(hit.node) : undefined;
    const [pair] = node ? pairsOf(node.query) : [];
    if (pair && event.shiftKey) return narrow(pair[0], pair[1], "exclude");
    if (pair && event.altKey) return narrow(pair[0], pair[1], "only");
    select("node" in hit ? `node:${hit.node}` : `edge:${hit.edge}`);
  };

  const opened = (event: MouseEvent): void => {
    const hit = model.hit(...pointed(event));
    if (hit && "node" in hit) openFlows(model, hit.node);
  };

  const moved = (event: PointerEvent): void => {
    if (event.buttons) return;
    const hit = model.hit(...pointed(event));
    if (JSON.stringify(hit) === JSON.stringify(hover.current)) return;
    hover.current = hit;
    (event.currentTarget as HTMLElement).classList.toggle("over", hit !== null);
    ask();
  };

  useEffect(() => keysOf(model), []);

  return (
    <div class="map-canvas" ref={box}>
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label={`Map: ${summary}. Arrows go from one to another, Enter opens, t shows a table.`}
        onPointerDown={down}
        onPointerMove={moved}
        onPointerLeave={() => {
          hover.current = null;
          ask();
        }}
        onDblClick={opened}
      />
    </div>
  );
}

/** The flows of a node. */
export function openFlows(model: MapModel, id: number): void {
  const node = model.scene.value.nodeById.get(id);
  if (!node) return;
  const mine = pairsOf(node.query);
  const names = new Set(mine.map(([name]) => name));
  go({ screen: "flows", filter: [...place.value.filter.filter(([name]) => !names.has(name)), ...mine], view: {} });
}

function keysOf(model: MapModel): () => void {
  const onMap = (): boolean => place.value.screen === "map" && place.value.view.table !== "1";
  const step = (dx: number, dy: number) => (): void => {
    const id = nodeToward(model.present(), selectedId(selection.value, "node"), dx, dy);
    if (id === null) return;
    select(`node:${id}`);
    model.reveal(id);
  };
  const pan = (dx: number, dy: number) => (): void => model.pan(dx * 80, dy * 80);
  const key = (keys: string, title: string, run: () => void) => ({
    keys,
    title,
    run,
    group: "Map" as const,
    when: onMap,
  });
  return register([
    key("ArrowLeft", "go to the next node that way", step(-1, 0)),
    key("ArrowRight", "go to the next node that way", step(1, 0)),
    key("ArrowUp", "go to the next node that way", step(0, -1)),
    key("ArrowDown", "go to the next node that way", step(0, 1)),
    key("Shift-ArrowLeft", "move the map", pan(1, 0)),
    key("Shift-ArrowRight", "move the map", pan(-1, 0)),
    key("Shift-ArrowUp", "move the map", pan(0, 1)),
    key("Shift-ArrowDown", "move the map", pan(0, -1)),
    key("+", "nearer", () => model.zoom(1.25)),
    key("-", "farther", () => model.zoom(0.8)),
    key("z", "all of the map", () => model.fit()),
    key("L", "lay out anew", () => model.layAnew()),
    key("Enter", "flows of the selected node", () => openFlows(model, selectedId(selection.value, "node"))),
  ]);
}
