/** The map between frames and pictures: places that stay, one drawing at a time, a camera. */

import { signal } from "@preact/signals";
import { type Box, type Camera, cameraOf, cameraText, fitted, framed, panned, shown, zoomed } from "./camera";
import { type Drawing, type Lit, looksAlike } from "./draw";
import { edgeAt, nodeAt, type Routes, routed } from "./geometry";
import { NODE_H, NODE_W, type Positions } from "./cards";
import { Past } from "./idle";
import { areMany, collapsed, type Folds } from "./islands";
import type { FromMapWorker, ToMapWorker } from "./map.worker";
import { pinsOf, pinText } from "./pins";
import { against } from "./ghosts";
import { EMPTY, type MapEdge, pathOf, type Scene } from "./scene";
import type { Format, Words } from "./sheet";
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

/** What the URL says of the map, as it stands there; "": nothing. */
export interface Kept {
  cam: string;
  pin: string;
  open: string;
  shut: string;
  idle: string;
}

export type Spot = { node: number } | { edge: number };

const names = (text: string): ReadonlySet<string> => new Set(text.split(",").filter(Boolean));

export class MapModel {
  /** What is on the map: of the last frame, with closed islands as one node each. */
  readonly scene = signal<Scene>(EMPTY);
  /** Counts what the canvas has to show anew. */
  readonly changed = signal(0);
  camera: Camera = { x: 0, y: 0, k: 1 };
  picture: Picture | null = null;
  places: Positions = new Map();
  edges: MapEdge[] = [];
  routes: Routes = new Float32Array();
  wish: Wish = { metric: "flows", colour: "verdict", scope: "workload", abnormal: false, focus: 0, hops: 1, selected: 0, find: "", pinned: new Set() };
  /** Told of what belongs into the URL. */
  told: (change: Partial<Kept>) => void = () => undefined;
  readonly times = { layoutMs: 0, drawMs: 0, frameMs: [] as number[] };

  private readonly worker = new Worker(new URL("./map.worker.ts", import.meta.url), { type: "module" });
  private remembered = new Map<string, Positions>();
  /** Where the layout has put them; `places` is the same but for what is pinned. */
  private base: Positions = new Map();
  private pins: Positions = new Map();
  private readonly past = new Past();
  private whole: Scene = EMPTY;
  /** The last one of now: what another time is held against. */
  private live: Scene = EMPTY;
  private about = "";
  private many = false;
  private kept: Kept = { cam: "", pin: "", open: "", shut: "", idle: "" };
  private folds: Folds = { open: new Set(), shut: new Set() };
  private lit: Spot | null = null;
  private sent: Drawing | null = null;
  private exported: ((file: Blob) => void)[] = [];
  private size = { w: 0, h: 0 };
  private drawn = false;
  /** Another one where what is drawn has changed. */
  drawing: Drawing | null = null;
  private busy = false;
  private again = false;
  private laying = 0;
  private turn = 0;
  private moved = false;
  private held = false;
  private touched = false;
  private rest: ReturnType<typeof setTimeout> | undefined;
  private later: [Scene, boolean] | null = null;
  private topology = "";

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<FromMapWorker>) => {
      if (data.op === "laid") this.laid(data);
      else if (data.op === "drawn") this.came(data);
      else this.exported.shift()?.(data.file);
    };
  }

  show(scene: Scene, isLive: boolean): void {
    if (this.rest !== undefined) {
      this.later = [scene, isLive]; // while someone moves the map nothing else is worth a frame
      return;
    }
    if (isLive) this.live = scene;
    this.whole = isLive ? scene : against(scene, this.live);
    this.past.note(scene);
    this.many = areMany(this.whole.nodes.length, this.many);
    this.refresh();
  }

  private refresh(): void {
    const whole = this.kept.idle === "1" ? this.past.with(this.whole) : this.whole;
    const scene = collapsed(whole, this.many, this.folds);
    const first = !this.scene.peek().nodes.length && !this.moved;
    this.scene.value = scene;
    if (scene.nodes.some((node) => !this.places.has(node.id))) this.lay(this.places);
    else this.restyle();
    if (first) this.fit(false);
  }

  /** Of another filter or time; places stay. `about`: all of the question but the time. */
  questionIs(about: string): void {
    this.past.forget();
    if (about !== this.about) this.live = EMPTY;
    this.about = about;
  }

  /** What is remembered of another scope comes back; nothing moves within one. */
  scopeIs(scope: string): void {
    if (scope === this.wish.scope) return;
    this.remembered.set(this.wish.scope, this.base);
    this.base = this.remembered.get(scope) ?? new Map();
    this.places = new Map(this.base);
    this.scene.value = this.whole = EMPTY;
    this.later = null;
    this.moved = this.touched = this.many = false;
    this.past.forget();
    this.wish = { ...this.wish, scope, focus: 0 };
  }

  /** What the URL says. What this told itself comes back here, and changes nothing. */
  keptIs(kept: Kept): void {
    const before = this.kept;
    this.kept = kept;
    if (kept.pin !== before.pin) this.pinsAre(pinsOf(kept.pin));
    if (kept.cam !== before.cam) this.cameraIs(cameraOf(kept.cam));
    if (kept.open === before.open && kept.shut === before.shut && kept.idle === before.idle) return;
    this.folds = { open: names(kept.open), shut: names(kept.shut) };
    this.refresh();
  }

  private cameraIs(camera: Camera | null): void {
    if (!camera) return this.fit(false);
    this.camera = camera;
    this.moved = true;
    this.changed.value += 1;
    this.redraw();
  }

  private tellKept(change: Partial<Kept>): void {
    this.kept = { ...this.kept, ...change };
    this.told(change);
  }

  wishIs(wish: Partial<Wish>): void {
    this.wish = { ...this.wish, ...wish };
    this.restyle();
  }

  layAnew(): void {
    this.moved = this.touched = false;
    this.pins.clear();
    this.tellKept({ pin: "", cam: "" });
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
    const first = !this.moved;
    if (told.anew) this.base = new Map();
    for (const [id, at] of told.places) if (!this.base.has(id)) this.base.set(id, at);
    this.pinsAre(this.pins);
    if (this.scene.value.nodes.some((node) => !this.places.has(node.id))) this.lay(this.places);
    if (first) this.fit(false);
  }

  private pinsAre(pins: Positions): void {
    this.pins = pins;
    this.places = new Map(this.base);
    for (const [id, at] of pins) if (this.base.has(id)) this.places.set(id, at);
    this.wish = { ...this.wish, pinned: new Set(pins.keys()) };
    this.topology = "";
    this.restyle();
  }

  isPinned(id: number): boolean {
    return this.pins.has(id);
  }

  /** Moves a node by hand; `pin` with its place of now lets it be there. */
  drag(id: number, [x, y]: [number, number]): void {
    this.pinsAre(new Map(this.pins).set(id, [Math.round(x), Math.round(y)]));
  }

  /** A node stays where it is, or goes back to where the layout has put it. */
  pin(id: number, on = true): void {
    const pins = new Map(this.pins);
    const at = this.places.get(id);
    if (on && at) pins.set(id, [Math.round(at[0]), Math.round(at[1])]);
    else pins.delete(id);
    this.pinsAre(pins);
    this.tellKept({ pin: pinText(pins) });
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

  /** Of the canvas. Once a hand was on the map a panel that opens moves nothing, save what it would hide. */
  sizeIs(w: number, h: number): void {
    if (w === this.size.w && h === this.size.h) return;
    const first = !this.size.w;
    this.size = { w, h };
    if (!this.moved && !this.touched) return this.fit(false);
    if (!this.moved) this.look(this.camera);
    this.redraw();
    if (!first && !this.held) this.reveal(this.wish.selected); // at once: nothing moves under a hand that aims
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
    const drawing = this.drawing === this.sent ? null : this.drawing;
    this.sent = this.drawing;
    const lit = this.litNow();
    this.tell({ op: "draw", drawing, lit, camera, w: w + 2 * mx, h: h + 2 * my, ratio, palette: palette() });
  }

  /** The same in the colours of now. */
  recolour(): void {
    this.drawing = this.drawing && { ...this.drawing };
    this.redraw();
  }

  private litNow(): Lit | null {
    if (!this.lit) return null;
    const path = pathOf(this.scene.value, this.lit);
    const drawn = this.scene.value.nodes.filter((node) => this.places.has(node.id));
    return {
      nodes: Uint8Array.from(drawn, ({ id }) => Number(path.nodes.has(id))),
      edges: Uint8Array.from(this.edges, ({ id }) => Number(path.edges.has(id))),
    };
  }

  /** Lights what leads to and from there, and dims the rest; null: nothing. */
  light(spot: Spot | null): void {
    if (!spot && !this.lit) return;
    this.lit = spot;
    this.redraw();
  }

  /** The whole map as a file, with its legend and words. */
  file(format: Format, words: Words): Promise<Blob> {
    return new Promise((resolve) => {
      this.exported.push(resolve);
      this.tell({ op: "export", format, drawing: this.drawing as Drawing, box: this.bounds(), words, colour: this.wish.colour, palette: palette() });
    });
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

  /** While something is held by hand it does not rest, however still it is. */
  hold(on: boolean): void {
    this.held = on;
    this.touched = true;
    if (!on && this.rest !== undefined) this.restSoon();
  }

  private restSoon(): void {
    clearTimeout(this.rest);
    this.rest = setTimeout(() => (this.held ? this.restSoon() : this.rested()), REST_MS);
  }

  private look(camera: Camera): void {
    this.camera = camera;
    this.moved = true;
    this.changed.value += 1;
    this.restSoon();
    if (!this.isCovered()) this.redraw();
  }

  private rested(): void {
    this.rest = undefined;
    const { later } = this;
    this.later = null;
    const cam = cameraText(this.camera);
    this.camera = cameraOf(cam) ?? this.camera; // what a link opens is the same to the pixel
    this.tellKept({ cam });
    if (later) this.show(...later);
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
    const camera = fitted(this.bounds(), this.size.w, this.size.h);
    if (byHand) return this.look(camera);
    this.camera = camera;
    this.moved = false;
    this.changed.value += 1;
    this.redraw();
  }

  /** Shows a part of the world as large as it goes. */
  frame(box: Box): void {
    this.look(framed(box, this.size.w, this.size.h));
  }

  /** Brings a point of the world into the middle. */
  centre(x: number, y: number): void {
    const { k } = this.camera;
    this.look({ x: x - this.size.w / k / 2, y: y - this.size.h / k / 2, k });
  }

  /** The part of the world that is seen. */
  view(): Box {
    const { x, y, k } = this.camera;
    return { x, y, w: this.size.w / k, h: this.size.h / k };
  }

  reveal(id: number): void {
    this.touched = true;
    const camera = this.showing(id, this.size.w);
    if (camera) this.look(camera);
  }

  /** Whether the map would move to show it, with so much less room at the right. */
  isHiddenBy(width: number, id: number): boolean {
    return this.showing(id, this.size.w - width) !== null;
  }

  /** The camera that shows a node on a canvas so wide; null: the one of now does, or nobody knows where it is. */
  private showing(id: number, width: number): Camera | null {
    const at = this.places.get(id);
    if (!at) return null;
    const camera = shown(this.camera, { x: at[0], y: at[1], w: NODE_W, h: NODE_H }, width, this.size.h);
    return camera.x === this.camera.x && camera.y === this.camera.y ? null : camera;
  }

  bounds(): Box {
    let [x1, y1, x2, y2] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const [x, y] of this.present().values()) {
      [x1, y1] = [Math.min(x1, x - 24), Math.min(y1, y - 48)];
      [x2, y2] = [Math.max(x2, x + NODE_W + 24), Math.max(y2, y + NODE_H + 24)];
    }
    return { x: x1, y: y1, w: x2 - x1, h: y2 - y1 };
  }

  hit(x: number, y: number): Spot | null {
    const node = nodeAt(this.present(), x, y);
    if (node !== null) return { node };
    const edge = edgeAt(this.routes, x, y, 7 / this.camera.k);
    return edge < 0 ? null : { edge: this.edges[edge].id };
  }

  private tell(message: ToMapWorker): void {
    this.worker.postMessage(message);
  }
}
