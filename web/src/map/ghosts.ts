/** Another time beside the map of now: who is missing then is there as a ghost, who is missing now has a ring. */

import { plural } from "../units";
import { type MapEdge, type MapNode, MORE, type Scene, VERDICT } from "./scene";

const NOTHING = { rateIn: 0, rateOut: 0, drops: 0, errors: 0 };
const NO_FLOWS = { flows: 0, bytes: 0, requests: 0, errors: 0, drops: 0, audits: 0, retransmits: 0 };
const NO_FIGURES = { p50: NaN, p99: NaN, rtt: NaN, encrypted: 0, verdict: VERDICT.unknown, isNew: false };

/** The scene of a time with what is on the live map and was not there then; as it is where no live map was seen. */
export function against(then: Scene, live: Scene): Scene {
  if (!live.nodes.length || !then.nodes.length) return then;
  const isLone = (node: MapNode, other: Scene): boolean => node.kind !== MORE && !other.nodeById.has(node.id);
  const gone = live.nodes.filter((node) => isLone(node, then)).map((node) => ({ ...node, ...NOTHING, ghost: true }));
  const fresh = then.nodes.filter((node) => isLone(node, live)).length;
  const nodes = [...then.nodes.map((node) => (isLone(node, live) ? { ...node, fresh: true } : node)), ...gone];
  const nodeById = new Map(nodes.map((node) => [node.id, node]));
  const known = new Set(then.edges.map(({ id }) => id));
  const isWhole = ({ source, destination }: MapEdge): boolean =>
    [source, destination].every((id) => nodeById.has(id) && nodeById.get(id)?.kind !== MORE);
  const unseen = live.edges
    .filter((edge) => !known.has(edge.id) && isWhole(edge))
    .map((edge) => ({ ...edge, ...NO_FLOWS, ...NO_FIGURES, ghost: true }));
  const said = [
    gone.length ? `${plural(gone.length, "node")} not there then` : "",
    fresh ? `${plural(fresh, "node")} not there now` : "",
  ];
  const summary = [then.summary, ...said].filter(Boolean).join(", ");
  return { ...then, nodes, edges: [...then.edges, ...unseen], nodeById, summary };
}
