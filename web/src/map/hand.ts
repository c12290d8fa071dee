/** The map by keys. */

import { type Key, register } from "../keys";
import { look, place, select, selection, view } from "../state";
import { pairsOf } from "../url";
import { exclude, focusOn, fold, only, opened, selectedId, selectedSpot } from "./acts";
import { toScreen } from "./camera";
import { NODE_H, NODE_W } from "./cards";
import { nodeToward, pointAt } from "./geometry";
import { openMenu } from "./Menu";
import type { MapModel, Spot } from "./model";
import { isFound } from "./style";

const isOnMap = (): boolean => place.value.screen === "map";

const key = (keys: string, title: string, run: Key["run"], when = isOnMap): Key => ({ keys, title, run, group: "Map", when });

/** Those that mean the same on the map and on its table. */
export function keysOfScreen(model: MapModel, find: () => void): () => void {
  const hops = [..."123456789"].map((n) =>
    key(n, "in the focus: so many hops away", () => view.value.focus && look({ hops: n === "1" ? "" : n })),
  );
  const turn = (name: string) => (): void => look({ [name]: view.value[name] === "1" ? "" : "1" });
  const mine = (run: (id: number) => void) => (): void => run(selectedId(selection.value, "node"));
  const groupOf = (id: number): string => model.scene.value.nodeById.get(id)?.group ?? "";
  const pairs = (id: number) => pairsOf(model.scene.value.nodeById.get(id)?.query ?? "");
  return register([
    key("t", "the map as a table, and back", turn("table")),
    key("!", "only what is abnormal", turn("abnormal")),
    key("i", "who was there before, too", turn("idle")),
    key("f", "focus on the selected node, and out", mine(focusOn)),
    ...hops,
    key("h", "close the namespace of the selected node", mine((id) => groupOf(id) && fold(groupOf(id), true))),
    key("l", "open the selected namespace", mine((id) => openIsland(model, id))),
    key("x", "exclude the selected node", mine((id) => pairs(id).length && exclude(pairs(id)))),
    key("o", "only the selected node", mine((id) => pairs(id).length && only(pairs(id)))),
    key("Ctrl-F", "find on the map", find),
    key("n", "the next one found", () => nextFound(model, 1)),
    key("N", "the one found before", () => nextFound(model, -1)),
  ]);
}

function openIsland(model: MapModel, id: number): void {
  const island = model.scene.value.nodeById.get(id)?.island;
  if (island) fold(island.group, false);
}

/** From left to right, and around. */
function nextFound(model: MapModel, by: 1 | -1): void {
  const find = (view.value.find ?? "").toLowerCase();
  const at = (id: number): [number, number] => model.places.get(id) ?? [0, 0];
  const found = model.scene.value.nodes.filter((node) => isFound(node, find)).map(({ id }) => id);
  if (!found.length) return;
  found.sort((a, b) => at(a)[0] - at(b)[0] || at(a)[1] - at(b)[1]);
  const now = found.indexOf(selectedId(selection.value, "node"));
  const next = found[now < 0 ? (by > 0 ? 0 : found.length - 1) : (now + by + found.length) % found.length];
  look({ sel: `node:${next}` });
  model.reveal(next);
}

/** Where on the canvas a node or an edge is. */
function pointOf(model: MapModel, spot: Spot): [number, number] | null {
  if ("node" in spot) {
    const at = model.places.get(spot.node);
    return at ? toScreen(model.camera, at[0] + NODE_W / 2, at[1] + NODE_H / 2) : null;
  }
  const row = model.edges.findIndex((edge) => edge.id === spot.edge);
  const at = row < 0 ? null : pointAt(model.routes, row * 8, 0.5);
  return at && Number.isFinite(at[0]) ? toScreen(model.camera, ...at) : null;
}

/** Those of the picture alone. */
export function keysOfMap(model: MapModel, canvas: () => HTMLElement): () => void {
  const onPicture = (): boolean => isOnMap() && place.value.view.table !== "1";
  const one = (keys: string, title: string, run: () => void): Key => key(keys, title, run, onPicture);
  const step = (dx: number, dy: number) => (): void => {
    const id = nodeToward(model.present(), selectedId(selection.value, "node"), dx, dy);
    if (id === null) return;
    select(`node:${id}`);
    model.reveal(id);
  };
  const pan = (dx: number, dy: number) => (): void => model.pan(dx * 80, dy * 80);
  const menu = (): void => {
    const spot = selectedSpot();
    const at = spot && pointOf(model, spot);
    if (!spot || !at) return;
    const { left, top } = canvas().getBoundingClientRect();
    canvas().focus();
    openMenu(model, spot, left + at[0], top + at[1]);
  };
  const pin = (): void => {
    const id = selectedId(selection.value, "node");
    if (id) model.pin(id, !model.isPinned(id));
  };
  return register([
    one("ArrowLeft", "go to the next node that way", step(-1, 0)),
    one("ArrowRight", "go to the next node that way", step(1, 0)),
    one("ArrowUp", "go to the next node that way", step(0, -1)),
    one("ArrowDown", "go to the next node that way", step(0, 1)),
    one("Shift-ArrowLeft", "move the map", pan(1, 0)),
    one("Shift-ArrowRight", "move the map", pan(-1, 0)),
    one("Shift-ArrowUp", "move the map", pan(0, 1)),
    one("Shift-ArrowDown", "move the map", pan(0, -1)),
    one("+", "nearer", () => model.zoom(1.25)),
    one("-", "farther", () => model.zoom(0.8)),
    one("z", "all of the map", () => model.fit()),
    one("L", "lay out anew; what is pinned is let go", () => model.layAnew()),
    one("p", "pin the selected node, and let it go", pin),
    one("Enter", "open the selected node: its flows, or who is on it", () => opened(model, selectedId(selection.value, "node"))),
    one("Shift-F10", "the menu of what is selected", menu),
    one("ContextMenu", "the menu of what is selected", menu),
  ]);
}
