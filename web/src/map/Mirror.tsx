/** What the keyboard is at on the canvas, in words: a node and its edges as buttons, of which one is a stop of Tab. */

import { signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { announce, select, selection } from "../state";
import { rate } from "../units";
import { selectedId } from "./acts";
import { saidOf } from "./colour";
import type { MapModel } from "./model";
import { abnormalEdge, type MapEdge, type Scene, VERDICTS } from "./scene";

/** More than these are in the table. */
const MOST = 100;

/** The edge whose button has the focus, which is drawn so; 0: none. */
export const edgeInFocus = signal(0);
/** The button that Tab comes to; 0: the first. */
const stop = signal(0);

/** The canvas has the focus again: Tab goes through the edges from the first. */
export function beginAnew(): void {
  edgeInFocus.value = stop.value = 0;
}

/** "cart to payments, 8443/TCP, 5/s, dropped" */
function wordsOf(scene: Scene, edge: MapEdge, model: MapModel): string {
  const name = (id: number): string => scene.nodeById.get(id)?.name || "unknown";
  const figures = edge.ghost ? ["not there then"] : [rate(edge.flows), saidOf(edge, model.wish.colour)];
  const verdict = abnormalEdge(edge) ? VERDICTS[edge.verdict]?.word : "";
  return [`${name(edge.source)} to ${name(edge.destination)}`, edge.ports, ...figures, verdict].filter(Boolean).join(", ");
}

/** The node whose edges are shown: the selected one, or the end of the selected edge that was shown before. */
function homeOf(scene: Scene, before: number): number {
  const node = selectedId(selection.value, "node");
  if (node) return node;
  const edge = scene.edges.find(({ id }) => id === selectedId(selection.value, "edge"));
  return edge && edge.destination === before ? before : (edge?.source ?? 0);
}

export function Mirror({ model, canvas }: { model: MapModel; canvas: () => HTMLElement }) {
  const group = useRef<HTMLDivElement>(null);
  const home = useRef(0);
  const scene = model.scene.value;
  const id = homeOf(scene, home.current);
  if (id !== home.current) stop.value = 0;
  home.current = id;
  const node = scene.nodeById.get(id);
  // by name, since the order of frames is not the same from one to the next
  const edges = (node ? scene.edges : [])
    .filter((edge) => edge.source === id || edge.destination === id)
    .map((edge) => ({ edge, order: `${edge.source === id ? 0 : 1}${scene.nodeById.get(edge.source === id ? edge.destination : edge.source)?.name}` }))
    .sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : a.edge.id - b.edge.id))
    .slice(0, MOST)
    .map(({ edge }) => edge);
  useLayoutEffect(() => {
    const was = edgeInFocus.peek();
    if (was && document.activeElement === document.body && !edges.some((edge) => edge.id === was)) canvas().focus();
  });
  if (!node) return null;
  const key = (event: KeyboardEvent): void => {
    const buttons = [...(group.current as HTMLDivElement).querySelectorAll("button")];
    const next = buttons[buttons.indexOf(event.target as HTMLButtonElement) + (event.shiftKey ? -1 : 1)];
    if (event.key === "Tab" && next) {
      event.preventDefault();
      next.focus();
    } else if (event.key === "Escape" || event.key.startsWith("Arrow")) {
      if (event.key === "Escape") event.preventDefault();
      select(`node:${id}`);
      canvas().focus();
    }
  };
  const current = edges.some((edge) => edge.id === stop.value) ? stop.value : edges[0]?.id;
  return (
    <div
      class="unseen"
      role="group"
      ref={group}
      aria-label={`${node.name}, ${edges.length} connections`}
      onKeyDown={key}
      onFocusOut={({ relatedTarget }) => {
        if (relatedTarget && !group.current?.contains(relatedTarget as Node)) edgeInFocus.value = 0;
      }}
    >
      {edges.map((edge) => (
        <button
          key={edge.id}
          tabIndex={edge.id === current ? 0 : -1}
          onFocus={() => {
            edgeInFocus.value = stop.value = edge.id;
            announce(wordsOf(scene, edge, model));
          }}
          onClick={() => select(`edge:${edge.id}`)}
        >
          {wordsOf(scene, edge, model)}
        </button>
      ))}
    </div>
  );
}
