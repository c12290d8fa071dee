/** What can be done with a node or an edge: the menu offers it, and keys and clicks do the same. */

import { copy, go, goodPairs, joined, look, meta, narrow, note, place, select, selection, view } from "../state";
import { type Pair, pairsOf, type Place, write } from "../url";
import type { MapModel, Spot } from "./model";
import { KINDS, type MapEdge, type MapNode, MORE } from "./scene";

export interface Act {
  title: string;
  /** The key that does the same, where there is one. */
  keys?: string;
  run: () => void;
}

export function selectedId(text: string, kind: "node" | "edge"): number {
  return text.startsWith(`${kind}:`) ? Number(text.slice(kind.length + 1)) || 0 : 0;
}

/** What is selected on the map; null: nothing of it. */
export function selectedSpot(): Spot | null {
  const [node, edge] = [selectedId(selection.value, "node"), selectedId(selection.value, "edge")];
  return node ? { node } : edge ? { edge } : null;
}

/** A node's query said of one side: "pod=a/b" as "from-pod=a/b", where there is such a filter. */
function sided(query: string, side: "from" | "to"): Pair[] {
  const names = new Set(meta.value?.filters.map((filter) => filter.name));
  return pairsOf(query).map(([name, value]) => [names.has(`${side}-${name}`) ? `${side}-${name}` : name, value]);
}

/** What asks for the flows of an edge; less than that where an end has no filter. */
function pairsOfEdge(model: MapModel, edge: MapEdge): Pair[] {
  const { nodeById } = model.scene.value;
  const [from, to] = [nodeById.get(edge.source), nodeById.get(edge.destination)];
  return [...sided(from?.query ?? "", "from"), ...sided(to?.query ?? "", "to")];
}

/** The flows of an edge; null: nothing asks for them. */
export function flowsOf(model: MapModel, edge: MapEdge): (() => void) | null {
  const pairs = pairsOfEdge(model, edge);
  return pairs.length ? () => showFlowsOf(pairs) : null;
}

/** Those whose names say who it is; the others are many. */
const NAMED = new Set(["workload", "pod", "process", "service", "outside name", "outside network"]);

/** Whether the names of its ends say which connection it is. */
export function isExplained(model: MapModel, edge: MapEdge): boolean {
  const kinds = [edge.source, edge.destination].map((id) => KINDS[model.scene.value.nodeById.get(id)?.kind ?? -1]);
  return !edge.merged && kinds.every((kind) => NAMED.has(kind));
}

/** What opens the closed namespaces at the ends of an edge. */
export function opensOf(model: MapModel, edge: MapEdge): Act[] {
  return [edge.source, edge.destination].flatMap((id) => {
    const group = model.scene.value.nodeById.get(id)?.island?.group;
    if (!group) return [];
    const run = (): void => {
      fold(group, false);
      look({ sel: "" }); // there are others in its place
    };
    return [{ title: `open ${group}`, run }];
  });
}

/** The flows that these pairs ask for, in place of what the filter said of their names. */
function showFlowsOf(mine: Pair[]): void {
  const names = new Set(mine.map(([name]) => name));
  go({ screen: "flows", filter: [...place.value.filter.filter(([name]) => !names.has(name)), ...mine], view: {} });
}

/** The flows of a node. */
export function openFlows(model: MapModel, id: number): void {
  const node = model.scene.value.nodeById.get(id);
  if (node) showFlowsOf(pairsOf(node.query));
}

const listed = (name: string): Set<string> => new Set((view.value[name] ?? "").split(",").filter(Boolean));
const text = (names: Set<string>): string => [...names].sort().join(",");

/** An island becomes its nodes, or one card. */
export function fold(group: string, shut: boolean): void {
  const [open, closed] = [listed("open"), listed("shut")];
  if (shut) open.delete(group);
  else open.add(group);
  if (shut) closed.add(group);
  else closed.delete(group);
  look({ open: text(open), shut: text(closed) });
}

/** What was put together because it is too much for one map: the map of its namespace has room for more of it. */
function openMore(model: MapModel, node: MapNode): void {
  const is = ([name, value]: Pair): boolean => name === "namespace" && value === node.group;
  const known = model.scene.value.nodes.some((each) => each.group === node.group && pairsOf(each.query).some(is));
  if (known && !goodPairs.value.some(is)) return narrow("namespace", node.group, "only");
  select(`node:${node.id}`);
  note(`${node.name}: the busiest are drawn one by one; a narrower filter or a shorter time shows the others`);
}

/** What a double click and Enter do. */
export function opened(model: MapModel, id: number): void {
  const node = model.scene.value.nodeById.get(id);
  if (node?.island) fold(node.island.group, false);
  else if (node?.kind === MORE) openMore(model, node);
  else openFlows(model, id);
}

export const focusOn = (id: number): void =>
  look(view.value.focus || !id ? { focus: "", hops: "" } : { focus: String(id) });

const linkTo = (sel: string): string => {
  const there: Place = { ...place.value, view: { ...place.value.view, sel } };
  return `${location.origin}${write(there)}`;
};

/** What a menu offers for it, and its name; [] where it has gone. */
export function actsOf(model: MapModel, spot: Spot): { name: string; acts: Act[] } {
  if ("node" in spot) {
    const node = model.scene.value.nodeById.get(spot.node);
    return node ? { name: node.name || "unknown", acts: actsOfNode(model, node) } : { name: "", acts: [] };
  }
  const edge = model.scene.value.edges.find((each) => each.id === spot.edge);
  return edge ? actsOfEdge(model, edge) : { name: "", acts: [] };
}

function actsOfNode(model: MapModel, node: MapNode): Act[] {
  const { id, island, group, kind, name } = node;
  const pairs = pairsOf(node.query);
  const pair = pairs[0];
  const acts: Act[] = [{ title: "open", run: () => select(`node:${id}`) }];
  if (island) acts.push({ title: "open the namespace", keys: "Enter", run: () => fold(island.group, false) });
  else if (kind === MORE) acts.push({ title: "show them", keys: "Enter", run: () => openMore(model, node) });
  else if (group) acts.push({ title: `close ${group}`, keys: "h", run: () => fold(group, true) });
  acts.push({ title: view.value.focus ? "out of the focus" : "focus", keys: "f", run: () => focusOn(id) });
  if (pair) {
    acts.push({ title: "include in the filter", run: () => go({ filter: joined(place.value.filter, pairs) }) });
    acts.push({ title: "exclude", keys: "x", run: () => exclude(pairs) });
    acts.push({ title: "only this", keys: "o", run: () => only(pairs) });
    acts.push({ title: "show the flows", run: () => openFlows(model, id) });
  }
  const pinned = model.isPinned(id);
  acts.push({ title: pinned ? "unpin" : "pin", keys: "p", run: () => model.pin(id, !pinned) });
  acts.push({ title: "copy the name", run: () => void copy(name, "name") });
  acts.push({ title: "copy a link to it", run: () => void copy(linkTo(`node:${id}`), "link") });
  return acts;
}

/** All terms together: a workload is one only within its namespace. */
export function exclude(pairs: Pair[]): void {
  const mine = pairs.map(([name, value]): Pair => [`not.${name}`, value]);
  const names = new Set(mine.map(([name]) => name));
  if (place.value.filter.some(([name]) => name.startsWith("not.") && !names.has(name)))
    note("all that is negated is one filter: only what passes all of it is left out");
  go({ filter: joined(place.value.filter, mine) });
}

/** In place of what the filter said of the same names. */
export function only(pairs: Pair[]): void {
  const names = new Set(pairs.flatMap(([name]) => [name, `not.${name}`]));
  go({ filter: [...place.value.filter.filter(([name]) => !names.has(name)), ...pairs] });
}

function actsOfEdge(model: MapModel, edge: MapEdge): { name: string; acts: Act[] } {
  const { nodeById } = model.scene.value;
  const name = [edge.source, edge.destination].map((id) => nodeById.get(id)?.name || "unknown").join(" → ");
  const sel = `edge:${edge.id}`;
  const pairs = pairsOfEdge(model, edge);
  const acts: Act[] = [{ title: "open", run: () => select(sel) }, ...opensOf(model, edge)];
  if (isExplained(model, edge))
    acts.push({ title: "explain", keys: "e", run: () => look({ sel, why: "1" }, "push") });
  if (pairs.length) {
    acts.push({ title: "include in the filter", run: () => go({ filter: joined(place.value.filter, pairs) }) });
    acts.push({ title: "exclude", run: () => exclude(pairs) });
    acts.push({ title: "only this", run: () => only(pairs) });
    acts.push({ title: "show the flows", run: () => showFlowsOf(pairs) });
  }
  acts.push({ title: "copy the name", run: () => void copy(name, "name") });
  acts.push({ title: "copy a link to it", run: () => void copy(linkTo(sel), "link") });
  return { name, acts };
}
