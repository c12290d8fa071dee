/** Islands that are one card: on a map of many nodes every namespace is, until it is opened. */

import { KINDS, type MapEdge, type MapNode, MORE, type Scene, VERDICT } from "./scene";

/** Of more nodes than this the namespaces are closed; of fewer than the other they are open again. */
export const [MANY, FEW] = [60, 45];

/** Whether nodes are many; near the border it is as it was before, lest the map fold and unfold by itself. */
export const areMany = (nodes: number, before: boolean): boolean => nodes > (before ? FEW : MANY);
/** In the list of open islands: all of them. */
export const ALL = "*";
const NAMESPACE = KINDS.indexOf("namespace");
const MOST_PORTS = 3;

/** Islands by name that someone opened or shut. */
export interface Folds {
  open: ReadonlySet<string>;
  shut: ReadonlySet<string>;
}

/** Whether an island is one card: what was shut is, what was opened is not, and else it is so where nodes are many. */
export function isClosed(group: string, many: boolean, { open, shut }: Folds): boolean {
  if (!group || shut.has(group)) return group !== "";
  return many && !open.has(group) && !open.has(ALL);
}

/** The scene with each closed island as one node, and what goes between the same two as one edge. */
export function collapsed(scene: Scene, many: boolean, folds: Folds): Scene {
  const members = new Map<string, MapNode[]>();
  for (const node of scene.nodes)
    if (isClosed(node.group, many, folds)) {
      const list = members.get(node.group);
      if (list) list.push(node);
      else members.set(node.group, [node]);
    }
  if (!members.size) return scene;
  const home = new Map<number, number>();
  const cards = [...members].map(([group, list]) => {
    const id = idOf(`card|${group}`);
    for (const node of list) home.set(node.id, id);
    return { id, group, list };
  });
  const at = (id: number): number => home.get(id) ?? id;
  const between = new Map<string, MapEdge[]>();
  const inside = new Map<number, MapEdge[]>();
  for (const edge of scene.edges) {
    const [from, to] = [at(edge.source), at(edge.destination)];
    if (from === to && home.has(edge.source)) push(inside, from, edge);
    else push(between, `${from}>${to}`, edge);
  }
  const edges = [...between].map(([key, list]) =>
    list.length === 1 && !home.has(list[0].source) && !home.has(list[0].destination)
      ? list[0]
      : merged(idOf(key), at(list[0].source), at(list[0].destination), list),
  );
  const nodes = [
    ...scene.nodes.filter((node) => !home.has(node.id)),
    ...cards.map(({ id, group, list }) => card(id, group, list, inside.get(id) ?? [])),
  ];
  return { ...scene, nodes, edges, nodeById: new Map(nodes.map((node) => [node.id, node])) };
}

function push<K>(lists: Map<K, MapEdge[]>, key: K, edge: MapEdge): void {
  const list = lists.get(key);
  if (list) list.push(edge);
  else lists.set(key, [edge]);
}

const total = <T>(list: T[], of: (one: T) => number): number => list.reduce((sum, one) => sum + of(one), 0);

/** The island's own traffic is in its rates, as that of each node is; drops within it count at both ends, as there. */
function card(id: number, group: string, list: MapNode[], inside: MapEdge[]): MapNode {
  const asked = `namespace=${encodeURIComponent(group)}`;
  return {
    id,
    name: group,
    group: "",
    kind: NAMESPACE,
    members: total(list, ({ kind, members }) => (kind === MORE ? members : 1)),
    rateIn: total(list, (node) => node.rateIn),
    rateOut: total(list, (node) => node.rateOut),
    drops: total(list, (node) => node.drops),
    errors: total(list, (node) => node.errors),
    query: list.some((node) => node.query.split("&").includes(asked)) ? asked : "",
    ghost: list.every((node) => node.ghost),
    fresh: list.every((node) => node.fresh),
    island: { group, nodes: list, edges: inside.filter(({ ghost }) => !ghost).length, dropping: inside.filter(({ verdict }) => verdict === VERDICT.dropped).length },
  };
}

const BADNESS = [VERDICT.unknown, VERDICT.forwarded, VERDICT.audit, VERDICT.error, VERDICT.dropped];

/** Sums, and of what cannot be summed the worst (percentiles) or the mean by flows (round trips). */
function merged(id: number, source: number, destination: number, list: MapEdge[]): MapEdge {
  const requests = total(list, (edge) => edge.requests);
  const timed = list.filter((edge) => Number.isFinite(edge.rtt));
  const weight = total(timed, (edge) => edge.flows || 1);
  const worst = (of: (edge: MapEdge) => number): number =>
    list.map(of).reduce((most, value) => (Number.isFinite(value) && !(most >= value) ? value : most), NaN);
  const busiest = list.reduce((best, edge) => (edge.flows > best.flows ? edge : best));
  const ports = [...new Set(list.flatMap((edge) => edge.ports.replace(/ \+\d+$/, "").split(", ")))].filter(Boolean);
  const locks = list.reduce((all, edge) => all | edge.encrypted, 0);
  return {
    id,
    source,
    destination,
    flows: total(list, (edge) => edge.flows),
    bytes: total(list, (edge) => edge.bytes),
    requests,
    p50: worst((edge) => edge.p50),
    p99: worst((edge) => edge.p99),
    errors: requests ? total(list, (edge) => edge.errors * edge.requests) / requests : 0,
    drops: total(list, (edge) => edge.drops),
    audits: total(list, (edge) => edge.audits),
    rtt: weight ? total(timed, (edge) => edge.rtt * (edge.flows || 1)) / weight : NaN,
    retransmits: total(list, (edge) => edge.retransmits),
    encrypted: locks,
    verdict: list.reduce((bad, { verdict }) => (BADNESS.indexOf(verdict as 0) > BADNESS.indexOf(bad as 0) ? verdict : bad), 0),
    ports: ports.slice(0, MOST_PORTS).join(", ") + (ports.length > MOST_PORTS ? ` +${ports.length - MOST_PORTS}` : ""),
    protocol: busiest.protocol,
    isNew: list.some((edge) => edge.isNew),
    ghost: list.every((edge) => edge.ghost),
    merged: { edges: list.length, dropping: list.filter(({ verdict }) => verdict === VERDICT.dropped).length },
  };
}

/** A number above all that the server gives (FNV-1a, in the 32 bits from 2^32 on); the same whenever the text is. */
export function idOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return 2 ** 32 + (hash >>> 0);
}
