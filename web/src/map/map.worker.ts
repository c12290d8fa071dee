/** Lays out and draws the map away from the page's thread. */

import type { Box, Camera } from "./camera";
import type { Colour } from "./colour";
import { draw, type Drawing, type Lit, type Palette } from "./draw";
import type { LayoutNode } from "./cards";
import { layout } from "./layout";
import { type Format, sheet, type Words } from "./sheet";

interface Draw {
  op: "draw";
  /** null: the same as before. */
  drawing: Drawing | null;
  lit: Lit | null;
  camera: Camera;
  w: number;
  h: number;
  ratio: number;
  palette: Palette;
}

export type ToMapWorker =
  | { op: "layout"; turn: number; nodes: LayoutNode[]; edges: [number, number][]; known: [number, [number, number]][] }
  | { op: "export"; format: Format; drawing: Drawing; box: Box; words: Words; colour: Colour; palette: Palette }
  | Draw;

export type FromMapWorker =
  | { op: "laid"; turn: number; anew: boolean; places: [number, [number, number]][]; tookMs: number }
  | { op: "drawn"; picture: ImageBitmap; camera: Camera; w: number; h: number; tookMs: number }
  | { op: "exported"; file: Blob };

const canvas = new OffscreenCanvas(1, 1);
const ctx = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
let drawing: Drawing | null = null;

const tell = (message: FromMapWorker, owned: Transferable[] = []): void => postMessage(message, { transfer: owned });

self.onmessage = ({ data }: MessageEvent<ToMapWorker>) => {
  const began = performance.now();
  if (data.op === "layout") {
    const places = layout({ nodes: data.nodes, edges: data.edges, known: new Map(data.known) });
    const anew = data.known.length === 0;
    tell({ op: "laid", turn: data.turn, anew, places: [...places], tookMs: performance.now() - began });
    return;
  }
  if (data.op === "export") {
    const { format, box, words, colour } = data;
    void sheet(format, data.drawing, box, words, colour, data.palette).then((file) => tell({ op: "exported", file }));
    return;
  }
  drawing = data.drawing ?? drawing;
  if (!drawing) return;
  const { camera, w, h, ratio } = data;
  canvas.width = Math.ceil(w * ratio);
  canvas.height = Math.ceil(h * ratio);
  draw(ctx, drawing, camera, w, h, ratio, data.palette, data.lit); // setting its size has cleared it
  const picture = canvas.transferToImageBitmap();
  tell({ op: "drawn", picture, camera, w, h, tookMs: performance.now() - began }, [picture]);
};
