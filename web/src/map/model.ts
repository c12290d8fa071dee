/** The map between frames and pictures: places that stay, one drawing at a time, a camera. */

import { signal } from "@preact/signals";
import { type Box, type Camera, fitted, panned, shown, zoomed } from "./camera";
import type { Drawing } from "./draw";
import { edgeAt, nodeAt, type Routes, routed } from "./geometry";
import { NODE_H, NODE_W, type Positions } from "./cards";
import type { FromMapWorker, ToMapWorker } from "./map.worker";
import { EMPTY, type MapEdge, type Scene } from "./scene";
import { drawingOf, palette, type Wish } from "./style";

/** Around what is seen so much more is drawn, by its size, so that moving shows no border. */
const MARGIN = 0.25;
const REST_MS = 120;

export interface Picture {
  bitmap: ImageBitmap;
  camera: Camera;
  w: number;
  h: number;
}

type Values = ArrayLike<number | string>;

function same(a: Values, b: Values): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

const SEEN = ["titles", "subs", "rates", "look", "verdict", "width", "dim", "x", "y", "dropped", "failed"] as const;

/** Whether a new picture would show anything else; shares that waver by less than a pixel do not count. */
function looksAlike(a: Drawing, b: Drawing): boolean {
  const words = ({ labels }: Drawing): string[] =>
    labels.flatMap(({ edge, strong, weak }) => [String(edge), strong, weak]);
  return SEEN.every((name) => same(a[name], b[name])) && same(words(a), words(b));
}

export class MapModel {
  readonly scene = signal<Scene>(EMPTY);
  /** Counts what the canvas has to show anew. */
  readonly changed = signal(0);
  camera: Camera = { x: 0, y: 0, k: 1 };
  picture: Picture | null = null;
  places: Positions = new Map();
  edges: MapEdge[] = [];
  routes: Routes = new Float32Array();
  wish: Wish = { metric: "flows", scope: "workload", abnormal: false, focus: 0, hops: 1, selected: 0 };
  readonly times = { layoutMs: 0, drawMs: 0, frameMs: [] as number[] };

  private readonly worker = new Worker(new URL("./map.worker.ts", import.meta.url), { type: "module" });
  private remembered = new Map<string, Positions>();
  private size = { w: 0, h: 0 };
  private drawn = false;
  private drawing: Drawing | null = null;
  private busy = false;
  private again = false;
  private laying = 0;
  private turn = 0;
  private moved = false;
  private rest: ReturnType<typeof setTimeout> | undefined;
  private later: Scene | null = null;
  private topology = "";

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<FromMapWorker>) =>
      data.op === "laid" ? this.laid(data) : this.came(data);
  }

  show(scene: Scene): void {
    if (this.rest !== undefined) {
      this.later = scene; // while someone moves the map nothing else is worth a frame
      return;
    }
    this.scene.value = scene;
    if (scene.nodes.some((node) => !this.places.has(node.id))) this.lay(this.places);
    else this.restyle();
  }

  /** What is remembered of another scope comes back; nothing moves within one. */
  scopeIs(scope: string): void {
    if (scope === this.wish.scope) return;
    this.remembered.set(this.wish.scope, this.places);
    this.places = this.remembered.get(scope) ?? new Map();
    this.scene.value = EMPTY;
    this.later = null;
    this.moved = false;
    this.wish = { ...this.wish, scope, focus: 0 };
  }

  wishIs(wish: Partial<Wish>): void {
    this.wish = { ...this.wish, ...wish };
    this.restyle();
  }

  layAnew(): void {
    this.moved = false;
    this.lay(new Map());
  }

  private lay(known: Positions): void {
    if (known.size && this.laying === this.turn && this.laying > 0) return; // an answer is under way
    this.turn += 1;
    this.laying = this.turn;
    const { nodes, edges } = this.scene.value;
    this.tell({
      op: "layout",
      turn: this.turn,
      nodes: nodes.map(({ id, group, name }) => ({ id, group, name })),
      edges: edges.map(({ source, destination }) => [source, destination]),
      known: [...known],
    });
  }

  private laid(told: Extract<FromMapWorker, { op: "laid" }>): void {
    if (told.turn !== this.turn) return;
    this.laying = 0;
    this.times.layoutMs = told.tookMs;
    const first = this.places.size === 0 || !this.moved;
    for (const [id, at] of told.places) this.places.set(id, at);
    this.topology = "";
    if (this.scene.value.nodes.some((node) => !this.places.has(node.id))) this.lay(this.places);
    if (first) this.fit(false);
    this.restyle();
  }

  pin(id: number, at: [number, number]): void {
    this.places.set(id, at);
    this.topology = "";
    this.moved = true;
    this.restyle();
  }

  /** Only nodes of the scene; those gone for now keep their places. */
  present(): Positions {
    return new Map(
      this.scene.value.nodes.flatMap(({ id }) =>
        this.places.has(id) ? [[id, this.places.get(id)] as [number, [number, number]]] : [],
      ),
    );
  }

  restyle(): void {
    const scene = this.scene.value;
    const edges = scene.edges.filter((edge) => this.places.has(edge.source) && this.places.has(edge.destination));
    const topology = edges.map((edge) => edge.id).join(",");
    this.edges = edges;
    if (topology !== this.topology || this.routes.length !== edges.length * 8) {
      this.routes = routed(
        edges.map(({ source, destination }) => [source, destination]),
        this.places,
      );
      this.topology = topology;
      this.drawn = false;
    }
    const before = this.drawing;
    this.drawing = drawingOf(scene, edges, this.places, this.routes, this.wish);
    if (before && this.drawn && looksAlike(before, this.drawing)) return;
    this.drawn = true;
    this.redraw();
  }

  sizeIs(w: number, h: number): void {
    if (w === this.size.w && h === this.size.h) return;
    this.size = { w, h };
    if (!this.moved) this.fit(false);
    else this.redraw();
  }

  redraw(): void {
    if (this.busy) {
      this.again = true;
      return;
    }
    const { w, h } = this.size;
    if (!this.drawing || !w || !h) return;
    this.busy = true;
    const [mx, my] = [w * MARGIN, h * MARGIN];
    const camera = panned(this.camera, mx, my);
    const ratio = Math.min(devicePixelRatio || 1, 2);
    this.tell({ op: "draw", drawing: this.drawing, camera, w: w + 2 * mx, h: h + 2 * my, ratio, palette: palette() });
  }

  private came(told: Extract<FromMapWorker, { op: "drawn" }>): void {
    this.picture?.bitmap.close();
    this.picture = { bitmap: told.picture, camera: told.camera, w: told.w, h: told.h };
    this.times.drawMs = told.tookMs;
    this.busy = false;
    this.changed.value += 1;
    if (!this.again) return;
    this.again = false;
    this.redraw();
  }

  private look(camera: Camera): void {
    this.camera = camera;
    this.moved = true;
    this.changed.value += 1;
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.rested(), REST_MS);
    if (!this.isCovered()) this.redraw();
  }

  private rested(): void {
    this.rest = undefined;
    const { later } = this;
    this.later = null;
    if (later) this.show(later);
    this.redraw();
  }

  /** Whether the picture reaches to all borders of what is seen. */
  private isCovered(): boolean {
    if (!this.picture) return false;
    const { camera, w, h } = this.picture;
    const { x, y, k } = this.camera;
    const [right, bottom] = [x + this.size.w / k, y + this.size.h / k];
    return camera.x <= x && camera.y <= y && camera.x + w / camera.k >= right && camera.y + h / camera.k >= bottom;
  }

  pan(dx: number, dy: number): void {
    this.look(panned(this.camera, dx, dy));
  }

  zoom(factor: number, x = this.size.w / 2, y = this.size.h / 2): void {
    this.look(zoomed(this.camera, factor, x, y));
  }

  fit(byHand = true): void {
    this.camera = fitted(this.bounds(), this.size.w, this.size.h);
    this.moved = byHand;
    this.changed.value += 1;
    this.redraw();
  }

  reveal(id: number): void {
    const at = this.places.get(id);
    if (!at) return;
    const camera = shown(this.camera, { x: at[0], y: at[1], w: NODE_W, h: NODE_H }, this.size.w, this.size.h);
    if (camera.x !== this.camera.x || camera.y !== this.camera.y) this.look(camera);
  }

  bounds(): Box {
    let [x1, y1, x2, y2] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const [x, y] of this.present().values()) {
      [x1, y1] = [Math.min(x1, x - 24), Math.min(y1, y - 48)];
      [x2, y2] = [Math.max(x2, x + NODE_W + 24), Math.max(y2, y + NODE_H + 24)];
    }
    return { x: x1, y: y1, w: x2 - x1, h: y2 - y1 };
  }

  hit(x: number, y: number): { node: number } | { edge: number } | null {
    const node = nodeAt(this.present(), x, y);
    if (node !== null) return { node };
    const edge = edgeAt(this.routes, x, y, 7 / this.camera.k);
    return edge < 0 ? null : { edge: this.edges[edge].id };
  }

  private tell(message: ToMapWorker): void {
    this.worker.postMessage(message);
  }
}
