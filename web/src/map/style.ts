/** What of a scene is drawn, and how: widths, words, what is dimmed. */

import { duration, NONE, percent, plural, rate } from "../units";
import * as units from "../units";
import { type Colour, inkOf, saidOf } from "./colour";
import { type Drawing, FAINT, LOOK, type Palette } from "./draw";
import type { Routes } from "./geometry";
import { island, type Positions } from "./cards";
import {
  abnormalEdge,
  abnormalNode,
  around,
  KINDS,
  type MapEdge,
  type MapNode,
  MORE,
  type Scene,
  VERDICT,
  VERDICTS,
} from "./scene";

export const METRICS = ["flows", "bytes", "requests", "p99"] as const;
export type Metric = (typeof METRICS)[number];

/** The metric that a text names, or the usual one. */
export const metricOf = (text = ""): Metric => METRICS.find((each) => each === text) ?? METRICS[0];

/** 1 to 9 */
export const hopsOf = (text = ""): number => (/^[1-9]$/.test(text) ? Number(text) : 1);

/** The least value of the widths two to four, by metric, and how it is written. */
export const STEPS: Record<Metric, { least: number[]; words: (value: number) => string }> = {
  flows: { least: [1, 10, 100], words: rate },
  bytes: { least: [1e3, 1e5, 1e7], words: (value) => `${units.bytes(value)}/s` },
  requests: { least: [1, 10, 100], words: rate },
  p99: { least: [1, 10, 100], words: duration },
};

export interface Wish {
  metric: Metric;
  colour: Colour;
  scope: string;
  abnormal: boolean;
  /** Node in the focus; 0: none. */
  focus: number;
  hops: number;
  /** Ids of nodes or edges that are selected. */
  selected: number;
  /** What is looked for in the names, in small letters; "": nothing. */
  find: string;
  pinned: ReadonlySet<number>;
}

/** Whether a node, or one on an island that is one card, is what is looked for. */
export const isFound = (node: MapNode, find: string): boolean =>
  find !== "" &&
  (`${node.group}/${node.name}`.toLowerCase().includes(find) ||
    (node.island?.nodes ?? []).some((one) => isFound(one, find)));

export const amountOf = (edge: MapEdge, metric: Metric): number => edge[metric];

function widthOf(value: number, metric: Metric): number {
  return STEPS[metric].least.filter((least) => value >= least).length;
}

/** The two lines on an edge. */
export function labelOf(edge: MapEdge, metric: Metric, colour: Colour = "verdict"): { strong: string; weak: string } {
  const slow = Number.isFinite(edge.p99) ? `p99 ${duration(edge.p99)}` : "";
  const { glyph, word } = VERDICTS[edge.verdict] ?? VERDICTS[0];
  const many = edge.merged ? several(edge.merged) : "";
  if (edge.verdict === VERDICT.dropped) return { strong: `${glyph} ${rate(edge.drops)}`, weak: many || word };
  if (edge.verdict === VERDICT.audit) return { strong: `${glyph} ${rate(edge.audits)}`, weak: many || word };
  if (edge.verdict === VERDICT.error || edge.errors > 0.01)
    return { strong: `! ${percent(edge.errors)}`, weak: many || slow || edge.protocol || word };
  const value = amountOf(edge, metric);
  const said = saidOf(edge, colour);
  if (said) return { strong: said, weak: many || (Number.isFinite(value) ? STEPS[metric].words(value) : rate(edge.flows)) };
  if (metric === "p99") return { strong: slow || rate(edge.flows), weak: slow ? rate(edge.flows) : edge.protocol };
  return { strong: Number.isFinite(value) ? STEPS[metric].words(value) : NONE, weak: many || slow };
}

/** "14 edges, 1 dropping" */
export const several = ({ edges, dropping }: { edges: number; dropping: number }): string =>
  plural(edges, "edge") + (dropping ? `, ${units.count(dropping)} dropping` : "");

export function subtitle(node: MapNode, protocol: string): string {
  const member: Record<string, string> = {
    workload: "pod",
    service: "endpoint",
    host: "process",
    node: "workload",
    namespace: "workload",
    cluster: "namespace",
    "outside name": "address",
    "outside network": "address",
    more: "node",
  };
  const kind = KINDS[node.kind] ?? "unknown";
  const word = member[kind];
  const parts = [word && node.members > 0 ? plural(node.members, word) : kind];
  if (node.idle) parts.push("idle");
  if (node.ghost) parts.push("not there then");
  if (node.fresh) parts.push("not there now");
  if (node.island?.edges) parts.push(`${several(node.island)} within`);
  else if (protocol) parts.push(protocol.toUpperCase());
  return parts.join(" · ");
}

function titleOf(group: string, nodes: MapNode[], scope: string): string {
  const number = nodes.reduce((sum, { kind, members }) => sum + (kind === MORE ? members : 1), 0);
  if (group === "outside") return `OUTSIDE · ${plural(number, "name")}`;
  if (group === "host") return `HOST · ${plural(number, scope === "workload" ? "program" : scope)}`;
  return `NAMESPACE ${group} · ${plural(number, scope)}`;
}

/** In steps of a hundredth: finer is not seen. */
const share = (part: number, whole: number): number =>
  whole > 0 ? Math.round(Math.min(1, Math.max(0, part / whole)) * 100) / 100 : 0;

/** For the drawing worker: only nodes that have a place, only edges between them. */
export function drawingOf(scene: Scene, edges: MapEdge[], places: Positions, routes: Routes, wish: Wish): Drawing {
  const nodes = scene.nodes.filter((node) => places.has(node.id));
  const lit = litNodes(scene, wish);
  const n = nodes.length;
  const [x, y, dropped, failed] = [0, 1, 2, 3].map(() => new Float32Array(n));
  const look = new Uint16Array(n);
  const { protocol, locked } = spoken(edges);
  nodes.forEach((node, i) => {
    [x[i], y[i]] = places.get(node.id) as [number, number];
    const all = node.rateIn + node.rateOut;
    dropped[i] = share(node.drops, all);
    failed[i] = Math.min(1 - dropped[i], share(node.errors, all));
    look[i] =
      (abnormalNode(node) ? LOOK.bad : 0) |
      (node.group === "outside" ? LOOK.outside : 0) |
      (lit && !lit.has(node.id) ? LOOK.dim : 0) |
      (node.kind === MORE || node.island ? LOOK.more : 0) |
      (isFound(node, wish.find) ? LOOK.found : 0) |
      (wish.pinned.has(node.id) ? LOOK.pinned : 0) |
      (node.idle ? LOOK.idle : 0) |
      (node.ghost ? LOOK.ghost : 0) |
      (node.fresh ? LOOK.fresh : 0) |
      (locked.get(node.id) ? LOOK.locked : 0);
  });
  return {
    x,
    y,
    look,
    dropped,
    failed,
    routes,
    titles: nodes.map((node) => node.name || "unknown"),
    shorts: nodes.map(
      ({ name, group }) => (name.startsWith(`${group}/`) ? name.slice(group.length + 1) : name) || "unknown",
    ),
    subs: nodes.map((node) => subtitle(node, protocol.get(node.id) ?? "")),
    rates: nodes.map((node) => rate(Math.max(node.rateIn, node.rateOut))),
    verdict: Uint8Array.from(edges, (edge) => edge.verdict),
    ink: Uint8Array.from(edges, (edge) => inkOf(edge, wish.colour)),
    width: Uint8Array.from(edges, (edge) => widthOf(amountOf(edge, wish.metric), wish.metric)),
    dim: Uint8Array.from(edges, (edge) => (dimmed(edge, lit, wish) ? FAINT.dim : edge.ghost ? FAINT.ghost : 0)),
    labels: labels(edges, lit, wish),
    islands: islands(nodes, places, wish.scope),
  };
}

function dimmed(edge: MapEdge, lit: Set<number> | null, wish: Wish): boolean {
  if (lit && (!lit.has(edge.source) || !lit.has(edge.destination))) return true;
  return wish.abnormal && !abnormalEdge(edge);
}

function litNodes(scene: Scene, wish: Wish): Set<number> | null {
  if (wish.focus) return around(scene, wish.focus, wish.hops);
  if (!wish.abnormal) return null;
  const lit = new Set(scene.nodes.filter(abnormalNode).map((node) => node.id));
  for (const edge of scene.edges) if (abnormalEdge(edge)) lit.add(edge.source).add(edge.destination);
  return lit;
}

const LABELLED = 10;

function labels(edges: MapEdge[], lit: Set<number> | null, wish: Wish): Drawing["labels"] {
  const order = edges
    .map((_, i) => i)
    .sort((a, b) => (amountOf(edges[b], wish.metric) || 0) - (amountOf(edges[a], wish.metric) || 0));
  const top = new Set(order.slice(0, LABELLED));
  const wanted = edges.flatMap((edge, i) => {
    const chosen = [edge.id, edge.source, edge.destination].includes(wish.selected);
    return !edge.ghost && !dimmed(edge, lit, wish) && (top.has(i) || abnormalEdge(edge) || chosen) ? [i] : [];
  });
  wanted.sort((a, b) => Number(abnormalEdge(edges[b])) - Number(abnormalEdge(edges[a])));
  return wanted.map((edge) => ({ edge, ...labelOf(edges[edge], wish.metric, wish.colour) }));
}

/** Of a node what most of what it is asked is spoken in, and whether all of it is encrypted. */
function spoken(edges: MapEdge[]): { protocol: Map<number, string>; locked: Map<number, boolean> } {
  const best = new Map<number, number>();
  const protocol = new Map<number, string>();
  const locked = new Map<number, boolean>();
  for (const edge of edges) {
    const to = edge.destination;
    if (edge.protocol && edge.flows >= (best.get(to) ?? 0)) {
      best.set(to, edge.flows);
      protocol.set(to, edge.protocol);
    }
    if (edge.encrypted) locked.set(to, (locked.get(to) ?? true) && edge.encrypted === 2);
  }
  return { protocol, locked };
}

export function islands(nodes: MapNode[], places: Positions, scope: string): Drawing["islands"] {
  const groups = new Map<string, MapNode[]>();
  for (const node of nodes) groups.set(node.group, [...(groups.get(node.group) ?? []), node]);
  return [...groups]
    .filter(([group]) => group !== "")
    .map(([group, list]) => ({
      ...island(list.map((node) => places.get(node.id) as [number, number])),
      title: titleOf(group, list, scope),
    }));
}

/** The colours of the page as it is now. */
export function palette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    bg: of("bg"),
    card: of("card"),
    line: of("line"),
    fg: of("fg"),
    dim: of("dim"),
    verdicts: ["unknown", "forwarded", "dropped", "error", "audit"].map(of),
    steps: ["step-a", "step-b", "step-c", "step-d"].map(of),
    texts: ["unknown", "forwarded-text", "dropped", "error-text", "audit-text"].map(of),
    font: of("font") || "system-ui, sans-serif",
  };
}
