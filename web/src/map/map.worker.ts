/** Lays out and draws the map away from the page's thread. */

import type { Camera } from "./camera";
import { draw, type Drawing, type Palette } from "./draw";
import type { LayoutNode } from "./cards";
import { layout } from "./layout";

export type ToMapWorker =
  | { op: "layout"; turn: number; nodes: LayoutNode[]; edges: [number, number][]; known: [number, [number, number]][] }
  | { op: "draw"; drawing: Drawing | null; camera: Camera; w: number; h: number; ratio: number; palette: Palette };

export type FromMapWorker =
  | { op: "laid"; turn: number; places: [number, [number, number]][]; tookMs: number }
  | { op: "drawn"; picture: ImageBitmap; camera: Camera; w: number; h: number; tookMs: number };

const canvas = new OffscreenCanvas(1, 1);
const ctx = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
let drawing: Drawing | null = null;

const tell = (message: FromMapWorker, owned: Transferable[] = []): void => postMessage(message, { transfer: owned });

self.onmessage = ({ data }: MessageEvent<ToMapWorker>) => {
  const began = performance.now();
  if (data.op === "layout") {
    const places = layout({ nodes: data.nodes, edges: data.edges, known: new Map(data.known) });
    tell({ op: "laid", turn: data.turn, places: [...places], tookMs: performance.now() - began });
    return;
  }
  drawing = data.drawing ?? drawing;
  if (!drawing) return;
  const { camera, w, h, ratio } = data;
  canvas.width = Math.ceil(w * ratio);
  canvas.height = Math.ceil(h * ratio);
  draw(ctx, drawing, camera, w, h, ratio, data.palette);
  const picture = canvas.transferToImageBitmap();
  tell({ op: "drawn", picture, camera, w, h, tookMs: performance.now() - began }, [picture]);
};
