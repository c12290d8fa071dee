/** The map as a table: the same nodes and edges, every number, sortable, one selection with the map. */

import { useState } from "preact/hooks";
import { look, select, selection, view } from "../state";
import { bytes, duration, NONE, percent, rate } from "../units";
import { fold, selectedId } from "./acts";
import { openMenu } from "./Menu";
import type { MapModel, Spot } from "./model";
import { abnormalEdge, abnormalNode, type MapEdge, type MapNode, type Scene, VERDICTS } from "./scene";
import { subtitle } from "./style";

interface Line {
  key: string;
  level: number;
  name: string;
  verdict: number;
  values: Record<string, number>;
  words: string;
  opens: string;
  children: number;
}

const COLUMNS: [string, string, (value: number) => string][] = [
  ["flows", "flows", rate],
  ["bytes", "bytes", (value) => (Number.isFinite(value) ? `${bytes(value)}/s` : NONE)],
  ["p50", "p50", duration],
  ["p99", "p99", duration],
  ["errors", "errors", percent],
  ["drops", "drops", rate],
  ["rtt", "RTT", duration],
  ["retransmits", "retransmits", rate],
];

const edgeValues = (edge: MapEdge): Record<string, number> => ({
  flows: edge.flows,
  bytes: edge.bytes,
  p50: edge.p50,
  p99: edge.p99,
  errors: edge.requests > 0 ? edge.errors : NaN,
  drops: edge.drops,
  rtt: edge.rtt,
  retransmits: edge.retransmits,
});

function nodeValues(node: MapNode, edges: MapEdge[]): Record<string, number> {
  const mine = edges.filter((edge) => edge.source === node.id || edge.destination === node.id);
  return {
    flows: node.rateIn + node.rateOut,
    bytes: mine.reduce((sum, edge) => sum + edge.bytes, 0),
    drops: node.drops,
  };
}

function lines(scene: Scene, closed: Set<string>, sort: string, abnormal: boolean): Line[] {
  const [name, down] = [sort.replace(/^-/, ""), sort.startsWith("-")];
  const by = (a: Line, b: Line): number => {
    if (name === "name") return (a.name < b.name ? -1 : 1) * (down ? -1 : 1);
    const [x, y] = [a.values[name], b.values[name]].map((value) => (Number.isFinite(value) ? value : -Infinity));
    return (x - y || 0) * (down ? -1 : 1) || (a.name < b.name ? -1 : 1);
  };
  const out: Line[] = [];
  const groupOf = (node: MapNode): string => node.island?.group ?? node.group;
  const groups = [...new Set(scene.nodes.map(groupOf))].sort();
  for (const group of groups) {
    const card = scene.nodes.find((node) => node.island?.group === group);
    if (card) {
      if (!abnormal || abnormalNode(card)) out.push(lineOfCard(card, group, scene));
      continue;
    }
    const nodes = scene.nodes.filter((node) => node.group === group);
    const told = nodes
      .filter(
        (node) =>
          !abnormal || abnormalNode(node) || scene.edges.some((edge) => touches(edge, node) && abnormalEdge(edge)),
      )
      .map(
        (node): Line => ({
          key: `node:${node.id}`,
          level: 2,
          name: node.name || "unknown",
          verdict: abnormalNode(node) ? 2 : 1,
          values: nodeValues(node, scene.edges),
          words: subtitle(node, ""),
          opens: `node:${node.id}`,
          children: scene.edges.filter((edge) => edge.source === node.id).length,
        }),
      )
      .sort(by);
    if (!told.length) continue;
    const key = `group:${group}`;
    const values = { flows: sum(told, "flows"), bytes: sum(told, "bytes"), drops: sum(told, "drops") };
    out.push({
      key,
      level: 1,
      name: group || "without a namespace",
      verdict: 0,
      values,
      words: "",
      opens: "",
      children: told.length,
    });
    if (closed.has(key)) continue;
    for (const line of told) {
      out.push(line);
      if (closed.has(line.key)) continue;
      out.push(...edgesOf(scene, Number(line.key.slice(5)), abnormal).sort(by));
    }
  }
  return out;
}

const lineOfCard = (card: MapNode, group: string, scene: Scene): Line => ({
  key: `group:${group}`,
  level: 1,
  name: group,
  verdict: abnormalNode(card) ? 2 : 1,
  values: nodeValues(card, scene.edges),
  words: subtitle(card, ""),
  opens: `node:${card.id}`,
  children: card.members,
});

const touches = (edge: MapEdge, node: MapNode): boolean => edge.source === node.id || edge.destination === node.id;
const sum = (told: Line[], name: string): number => told.reduce((all, line) => all + (line.values[name] || 0), 0);

const edgesOf = (scene: Scene, id: number, abnormal: boolean): Line[] =>
  scene.edges
    .filter((edge) => edge.source === id && (!abnormal || abnormalEdge(edge)))
    .map((edge) => ({
      key: `edge:${edge.id}`,
      level: 3,
      name: scene.nodeById.get(edge.destination)?.name || "unknown",
      verdict: edge.verdict,
      values: edgeValues(edge),
      words: [edge.ports, edge.protocol].filter(Boolean).join(" · "),
      opens: `edge:${edge.id}`,
      children: 0,
    }));

export function Tree({ model }: { model: MapModel }) {
  const scene = model.scene.value;
  const [closed, close] = useState(new Set<string>());
  const [active, activate] = useState("");
  const sort = view.value.tsort || "-flows";
  const told = lines(scene, closed, sort, view.value.abnormal === "1");
  const current = told.some((line) => line.key === active) ? active : told[0]?.key;
  const isClosed = (line: Line): boolean => closed.has(line.key) || (line.level === 1 && line.opens !== "");
  const turn = ({ key, level }: Line, on: boolean): void => {
    if (level === 1 && key !== "group:") return fold(key.slice(6), on);
    const next = new Set(closed);
    if (on) next.add(key);
    else next.delete(key);
    close(next);
  };
  const menu = ({ opens }: Line, x: number, y: number): void => {
    const [node, edge] = [selectedId(opens, "node"), selectedId(opens, "edge")];
    const spot: Spot | null = node ? { node } : edge ? { edge } : null;
    if (spot) openMenu(model, spot, x, y);
  };
  const key = (event: KeyboardEvent): void => {
    const at = told.findIndex((line) => line.key === current);
    const line = told[at];
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: told.length - 1 }[event.key];
    if (to !== undefined) {
      const next = told[Math.min(told.length - 1, Math.max(0, to))];
      activate(next.key);
      document.getElementById(`tree-${next.key}`)?.focus();
    } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") turn(line, event.key === "ArrowLeft");
    else if (event.key === "Enter" && line.level === 1) turn(line, !isClosed(line));
    else if (event.key === "Enter") select(line.opens);
    else if (event.key === "ContextMenu" || (event.key === "F10" && event.shiftKey)) {
      const { left, bottom } = (event.target as HTMLElement).getBoundingClientRect();
      menu(line, left + 40, bottom);
    }
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const header = (name: string, title: string) => {
    const mine = sort.replace(/^-/, "") === name;
    const next = mine && sort.startsWith("-") ? name : `-${name}`;
    return (
      <th
        scope="col"
        class={name === "name" ? "" : "number"}
        aria-sort={mine ? (sort.startsWith("-") ? "descending" : "ascending") : "none"}
      >
        <button class="sort" onClick={() => look({ tsort: next })}>
          {title} {mine && (sort.startsWith("-") ? "↓" : "↑")}
        </button>
      </th>
    );
  };
  return (
    <div class="scroll tree" tabIndex={-1}>
      <table role="treegrid" aria-label={`Map as a table: ${scene.summary}`} onKeyDown={key}>
        <thead>
          <tr>
            {header("name", "name")}
            <th scope="col">what</th>
            {COLUMNS.map(([name, title]) => header(name, title))}
          </tr>
        </thead>
        <tbody>
          {told.map((line) => (
            <tr
              key={line.key}
              id={`tree-${line.key}`}
              role="row"
              aria-level={line.level}
              aria-expanded={line.children ? !isClosed(line) : undefined}
              aria-selected={selection.value === line.opens && line.opens !== ""}
              tabIndex={line.key === current ? 0 : -1}
              onClick={() => {
                activate(line.key);
                if (line.level === 1) turn(line, !isClosed(line));
                else select(line.opens);
              }}
              onContextMenu={(event) => {
                event.preventDefault();
                menu(line, event.clientX, event.clientY);
              }}
            >
              <td role="gridcell" class={`level-${line.level}`}>
                {line.children > 0 && (
                  <span class="fold" aria-hidden="true">
                    {isClosed(line) ? "▸" : "▾"}
                  </span>
                )}
                {line.level === 3 && (
                  <span class={`v-${VERDICTS[line.verdict]?.name}`}>{VERDICTS[line.verdict]?.glyph} </span>
                )}
                {line.name}
                {line.level === 3 && line.verdict > 1 && (
                  <span class={`v-${VERDICTS[line.verdict].name}`}> {VERDICTS[line.verdict].word}</span>
                )}
              </td>
              <td role="gridcell" class="quiet">
                {line.words}
              </td>
              {COLUMNS.map(([name, , words]) => (
                <td
                  role="gridcell"
                  class={`number ${name === "drops" && line.values.drops > 0 ? "v-dropped" : ""}`}
                  key={name}
                >
                  {line.values[name] === undefined ? "" : words(line.values[name])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
