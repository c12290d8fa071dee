/** What the map shows: nodes and edges of a frame, with their texts. */

import type { Dictionary } from "../live";
import type { Frame } from "../proto/frame";

export const KINDS = [
  "workload",
  "pod",
  "process",
  "service",
  "outside name",
  "outside network",
  "host",
  "node",
  "namespace",
  "cluster",
  "unknown",
  "more",
] as const;
export const MORE = 11;

export const VERDICT = { unknown: 0, forwarded: 1, dropped: 2, error: 3, audit: 4 } as const;
/** By the number of `VERDICT`: glyph, word and the name in style sheets. */
export const VERDICTS = [
  { glyph: "?", word: "unknown", name: "unknown" },
  { glyph: "→", word: "forwarded", name: "forwarded" },
  { glyph: "⊘", word: "dropped", name: "dropped" },
  { glyph: "!", word: "protocol error", name: "error" },
  { glyph: "◇", word: "audit", name: "audit" },
] as const;

export interface MapNode {
  id: number;
  name: string;
  group: string;
  kind: number;
  members: number;
  rateIn: number;
  rateOut: number;
  drops: number;
  errors: number;
  query: string;
  /** Of an island that is one card: its group, who is on it, and what goes on within it. */
  island?: { group: string; nodes: MapNode[]; edges: number; dropping: number };
  /** Seen before and not now. */
  idle?: boolean;
  /** On the live map, and not at the time that is looked at. */
  ghost?: boolean;
  /** At the time that is looked at, and not on the live map. */
  fresh?: boolean;
}

export interface MapEdge {
  id: number;
  source: number;
  destination: number;
  flows: number;
  bytes: number;
  requests: number;
  p50: number;
  p99: number;
  errors: number;
  drops: number;
  audits: number;
  rtt: number;
  retransmits: number;
  encrypted: number;
  verdict: number;
  ports: string;
  protocol: string;
  isNew: boolean;
  /** Of several put together: how many. */
  merged?: { edges: number; dropping: number };
  /** On the live map, and not at the time that is looked at. */
  ghost?: boolean;
}

export interface Scene {
  nodes: MapNode[];
  edges: MapEdge[];
  nodeById: Map<number, MapNode>;
  windowMs: number;
  folded: { nodes: number; edges: number };
  summary: string;
  tickMs: number;
}

export const EMPTY: Scene = {
  nodes: [],
  edges: [],
  nodeById: new Map(),
  windowMs: 60_000,
  folded: { nodes: 0, edges: 0 },
  summary: "",
  tickMs: 0,
};

export function sceneOf(frame: Frame, texts: Dictionary): Scene {
  const text = (number: number): string => texts.get(number) ?? "";
  const { nodes: n, edges: e } = frame.tables;
  const nodes: MapNode[] = [];
  for (let i = 0; i < (n?.n ?? 0); i++) {
    const c = n.columns;
    nodes.push({
      id: c.id[i],
      name: text(c.name[i]),
      group: text(c.group[i]),
      kind: c.kind[i],
      members: c.members[i],
      rateIn: c.rate_in[i],
      rateOut: c.rate_out[i],
      drops: c.drops[i],
      errors: c.errors[i],
      query: text(c.query[i]),
    });
  }
  const nodeById = new Map(nodes.map((node) => [node.id, node]));
  const edges: MapEdge[] = [];
  for (let i = 0; i < (e?.n ?? 0); i++) {
    const c = e.columns;
    if (!nodeById.has(c.source[i]) || !nodeById.has(c.destination[i])) continue;
    edges.push({
      id: c.id[i],
      source: c.source[i],
      destination: c.destination[i],
      flows: c.flows[i],
      bytes: c.bytes[i],
      requests: c.requests[i],
      p50: c.p50_ms[i],
      p99: c.p99_ms[i],
      errors: c.errors[i],
      drops: c.drops[i],
      audits: c.audits[i],
      rtt: c.rtt_ms[i],
      retransmits: c.retransmits[i],
      encrypted: c.encrypted[i],
      verdict: c.verdict[i],
      ports: text(c.ports[i]),
      protocol: text(c.protocol[i]),
      isNew: c.is_new[i] === 1,
    });
  }
  const { window_ms, folded, summary } = frame.head as {
    window_ms?: number;
    folded?: Scene["folded"];
    summary?: string;
  };
  return {
    nodes,
    edges,
    nodeById,
    windowMs: window_ms ?? 60_000,
    folded: folded ?? { nodes: 0, edges: 0 },
    summary: summary ?? `${nodes.length} nodes, ${edges.length} connections`,
    tickMs: frame.tickMs,
  };
}

export const abnormalEdge = (edge: MapEdge): boolean =>
  edge.verdict >= VERDICT.dropped || edge.drops > 0 || edge.errors > 0.01;
export const abnormalNode = (node: MapNode): boolean => node.drops > 0 || node.errors > 0;

/** The nodes within so many hops of one. */
export function around(scene: Scene, id: number, hops: number): Set<number> {
  let edge = new Set([id]);
  const found = new Set(edge);
  for (let hop = 0; hop < hops && edge.size; hop++) {
    const next = new Set<number>();
    for (const { source, destination } of scene.edges) {
      if (edge.has(source) && !found.has(destination)) next.add(destination);
      if (edge.has(destination) && !found.has(source)) next.add(source);
    }
    for (const each of next) found.add(each);
    edge = next;
  }
  return found;
}

export interface Path {
  nodes: Set<number>;
  edges: Set<number>;
}

/** What is on the way to a node or an edge and from there: who leads to it, and what it leads to, however far. */
export function pathOf(scene: Scene, start: { node: number } | { edge: number }): Path {
  const on = "edge" in start ? scene.edges.find((each) => each.id === start.edge) : undefined;
  const begin = "node" in start ? start.node : 0;
  const found: Path = { nodes: new Set(), edges: new Set(on ? [on.id] : []) };
  for (const [from, here, there] of [
    [on?.source ?? begin, "destination", "source"],
    [on?.destination ?? begin, "source", "destination"],
  ] as const) {
    const next = new Map<number, MapEdge[]>();
    for (const edge of scene.edges) {
      const list = next.get(edge[here]);
      if (list) list.push(edge);
      else next.set(edge[here], [edge]);
    }
    const seen = new Set([from]);
    for (const at of seen) // a set is gone through to its end, though it grows
      for (const edge of next.get(at) ?? []) {
        found.edges.add(edge.id);
        seen.add(edge[there]);
      }
    for (const each of seen) found.nodes.add(each);
  }
  return found;
}
