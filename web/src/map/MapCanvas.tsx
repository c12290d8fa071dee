/** The map on the screen: one picture moved about, what is selected drawn over it, pointer and keyboard. */

import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { select, selection, still } from "../state";
import { pairsOf } from "../url";
import { exclude, only, opened, selectedId } from "./acts";
import { toScreen, toWorld } from "./camera";
import { NODE_H, NODE_W } from "./cards";
import { inked, type Palette, strokeEdge } from "./draw";
import { keysOfMap } from "./hand";
import { openMenu } from "./Menu";
import { Minimap } from "./Minimap";
import { beginAnew, edgeInFocus, Mirror } from "./Mirror";
import type { MapModel, Spot } from "./model";
import { MORE } from "./scene";
import { palette } from "./style";
import "./map.css";

const PULSE_MS = 1500;
const DRAG_PX = 4;
/** So long the pointer rests before the rest is dimmed. */
const LIGHT_MS = 90;
/** What the panel would hide waits for it until a second click would have come, which else would miss. */
const PANEL_PX = 400;
const DOUBLE_MS = 300;
/** Each has colours of its own. */
const LOOKS = ["(prefers-color-scheme: dark)", "(prefers-contrast: more)", "(forced-colors: active)"];

export function MapCanvas({ model, summary }: { model: MapModel; summary: string }) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const band = useRef<HTMLDivElement>(null);
  const hover = useRef<Spot | null>(null);
  const lighting = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const choosing = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
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
    const nearEdge = edgeInFocus.value || (hover.current && "edge" in hover.current ? hover.current.edge : 0);
    const now = performance.now();
    let moving = false;
    model.edges.forEach((edge, i) => {
      const began = pulses.current.get(edge.id);
      const pulse = began !== undefined && now - began < PULSE_MS;
      moving ||= pulse;
      if (!pulse && edge.id !== chosenEdge && edge.id !== nearEdge && edge.source !== near && edge.destination !== near)
        return;
      const ink = model.drawing?.ink[i] ?? edge.verdict;
      ctx.strokeStyle = ctx.fillStyle = inked(p, ink);
      ctx.globalAlpha = pulse ? 1 - (now - (began ?? 0)) / PULSE_MS : 1;
      strokeEdge(
        ctx,
        model.routes,
        i * 8,
        ink,
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
    edgeInFocus.value;
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
      model.recolour();
    };
    const themes = new MutationObserver(redraw);
    themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    const looks = LOOKS.map((query) => matchMedia(query));
    for (const each of looks) each.addEventListener("change", redraw);
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
      for (const each of looks) each.removeEventListener("change", redraw);
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
    clearTimeout(choosing.current); // no panel opens under a hand
    hovered(null);
    const target = event.currentTarget as HTMLCanvasElement;
    target.setPointerCapture(event.pointerId);
    model.hold(true);
    const begun = pointed(event);
    const hit = model.hit(...begun);
    const node = hit && "node" in hit ? hit.node : 0;
    const from = node ? (model.places.get(node) as [number, number]) : null;
    const boxes = event.shiftKey && !node;
    let [x, y, far] = [event.clientX, event.clientY, 0];
    const move = (now: PointerEvent): void => {
      far += Math.abs(now.clientX - x) + Math.abs(now.clientY - y);
      if (far > DRAG_PX && boxes) showBand(begun, pointed(now));
      else if (far > DRAG_PX && from) {
        const [nx, ny] = pointed(now);
        model.drag(node, [from[0] + nx - begun[0], from[1] + ny - begun[1]]);
      } else if (far > DRAG_PX) model.pan(now.clientX - x, now.clientY - y);
      [x, y] = [now.clientX, now.clientY];
    };
    const up = (now: PointerEvent): void => {
      target.removeEventListener("pointermove", move);
      target.removeEventListener("pointerup", up);
      target.removeEventListener("pointercancel", up);
      model.hold(false);
      if (far <= DRAG_PX) clicked(now, hit);
      else if (boxes) {
        model.frame(boxOf(begun, pointed(now)));
        showBand(begun, begun);
      } else if (from) model.pin(node);
    };
    target.addEventListener("pointermove", move);
    target.addEventListener("pointerup", up);
    target.addEventListener("pointercancel", up);
  };

  const showBand = (a: [number, number], b: [number, number]): void => {
    const box = boxOf(a, b);
    const [x, y] = toScreen(model.camera, box.x, box.y);
    const { style } = band.current as HTMLDivElement;
    style.transform = `translate(${x}px, ${y}px)`;
    style.width = `${box.w * model.camera.k}px`;
    style.height = `${box.h * model.camera.k}px`;
    band.current?.toggleAttribute("hidden", !box.w);
  };

  const clicked = (event: PointerEvent, hit: Spot | null): void => {
    if (!hit) return select("");
    const node = "node" in hit ? model.scene.value.nodeById.get(hit.node) : undefined;
    const pairs = pairsOf(node?.query ?? "");
    if (pairs.length && event.shiftKey) return exclude(pairs);
    if (pairs.length && event.altKey) return only(pairs);
    if (node?.kind === MORE) return opened(model, node.id);
    const choose = (): void => select("node" in hit ? `node:${hit.node}` : `edge:${hit.edge}`);
    const hidden = event.clientX > innerWidth - PANEL_PX || (node && model.isHiddenBy(PANEL_PX, node.id));
    if (selection.value || !hidden) choose();
    else choosing.current = setTimeout(choose, DOUBLE_MS);
  };

  const hovered = (hit: Spot | null): void => {
    clearTimeout(lighting.current);
    if (JSON.stringify(hit) === JSON.stringify(hover.current)) return;
    hover.current = hit;
    canvas.current?.classList.toggle("over", hit !== null);
    lighting.current = setTimeout(() => model.light(hit), hit ? LIGHT_MS : 0);
    ask();
  };

  useEffect(() => keysOfMap(model, () => canvas.current as HTMLElement), []);

  return (
    <div class="map-canvas" ref={box}>
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label={`Map: ${summary}. Arrows go from one to another, Tab to its connections, Enter opens, Shift-F10 shows a menu, t a table.`}
        onFocus={beginAnew}
        onPointerDown={down}
        onPointerMove={(event) => event.buttons || hovered(model.hit(...pointed(event)))}
        onPointerLeave={() => hovered(null)}
        onDblClick={(event) => {
          const hit = model.hit(...pointed(event));
          clearTimeout(choosing.current);
          if (hit && "node" in hit && model.scene.value.nodeById.get(hit.node)?.kind !== MORE) opened(model, hit.node);
        }}
        onContextMenu={(event) => {
          event.preventDefault();
          const hit = model.hit(...pointed(event));
          if (hit) openMenu(model, hit, event.clientX, event.clientY);
        }}
      />
      <Mirror model={model} canvas={() => canvas.current as HTMLElement} />
      <div class="zoom-box" ref={band} hidden />
      <Minimap model={model} />
    </div>
  );
}

/** The box between two corners. */
const boxOf = ([ax, ay]: [number, number], [bx, by]: [number, number]) => ({
  x: Math.min(ax, bx),
  y: Math.min(ay, by),
  w: Math.abs(ax - bx),
  h: Math.abs(ay - by),
});
