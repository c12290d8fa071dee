/** What stands in the columns of the table of flows. */

import { bytes, clock, count, duration } from "../units";
import type { ColumnWord } from "../state";
import type { FlowRing } from "./ring";

/** By Hubble's number of a verdict. */
export const VERDICTS = [
  { name: "UNKNOWN", glyph: "?", style: "unknown" },
  { name: "FORWARDED", glyph: "→", style: "forwarded" },
  { name: "DROPPED", glyph: "⊘", style: "dropped" },
  { name: "ERROR", glyph: "!", style: "error" },
  { name: "AUDIT", glyph: "◇", style: "audit" },
  { name: "REDIRECTED", glyph: "⇥", style: "forwarded" },
  { name: "TRACED", glyph: "?", style: "unknown" },
  { name: "TRANSLATED", glyph: "⇥", style: "forwarded" },
] as const;
export const DROPPED = 2;
export const ERROR = 3;

const TYPES = ["", "L3/L4", "L7", "socket"];
const DIRECTIONS = ["", "ingress", "egress"];
const REPLIES = ["", "reply", ""];

type Words = (ring: FlowRing, place: number, utc: boolean) => string;

const known = (value: number, words: (value: number) => string): string => (value > 0 ? words(value) : "");
const port = (ring: FlowRing, place: number, side: "source" | "destination"): string =>
  known(ring.columns[`${side}_port`][place], String);
const party = (ring: FlowRing, place: number, side: "source" | "destination"): string =>
  ring.text(side, place) || ring.text(`${side}_ip`, place);
const sentence = (ring: FlowRing, place: number): string => ring.text("l7", place) || ring.text("summary", place);

const CELLS: Record<string, Words> = {
  time: (ring, place, utc) => clock(ring.columns.time[place], utc, true),
  verdict: (ring, place) => {
    const { glyph, name } = VERDICTS[ring.columns.verdict[place]] ?? VERDICTS[0];
    return `${glyph} ${name}`;
  },
  type: (ring, place) => TYPES[ring.columns.type[place]] ?? "",
  reply: (ring, place) => REPLIES[ring.columns.reply[place]] ?? "",
  direction: (ring, place) => DIRECTIONS[ring.columns.direction[place]] ?? "",
  source: (ring, place) => party(ring, place, "source"),
  destination: (ring, place) => party(ring, place, "destination"),
  source_ip: (ring, place) => ring.text("source_ip", place),
  destination_ip: (ring, place) => ring.text("destination_ip", place),
  source_port: (ring, place) => port(ring, place, "source"),
  destination_port: (ring, place) => port(ring, place, "destination"),
  port: (ring, place) => [port(ring, place, "destination"), ring.text("protocol", place)].filter(Boolean).join("/"),
  protocol: (ring, place) => ring.text("protocol", place),
  summary: sentence,
  l7: (ring, place) => ring.text("l7", place),
  process: (ring, place) => ring.text("process", place),
  node: (ring, place) => ring.text("node", place),
  bytes: (ring, place) => known(ring.columns.bytes[place], bytes),
  packets: (ring, place) => known(ring.columns.packets[place], count),
  latency_ms: (ring, place) =>
    Number.isFinite(ring.columns.latency_ms[place]) ? duration(ring.columns.latency_ms[place]) : "",
  reason: (ring, place) => ring.text("reason", place),
  uuid: (ring, place) => ring.uuid(place),
};
const ALIASES: Record<string, string> = {
  latency: "latency_ms",
  source_address: "source_ip",
  destination_address: "destination_ip",
  drop_reason: "reason",
  node_name: "node",
  "source-ip": "source_ip",
  "destination-ip": "destination_ip",
  "source-port": "source_port",
  "destination-port": "destination_port",
  info: "summary",
};

/** The text of a cell; "" for what is not known. */
export function cell(column: string, ring: FlowRing, place: number, utc: boolean): string {
  return (CELLS[ALIASES[column] ?? column] ?? CELLS.summary)(ring, place, utc);
}

/** The filter that takes what stands in a cell; who talks has one of its own in each row: a pod, a name, an address. */
export const filterOf = (column: ColumnWord, ring: FlowRing, place: number): string =>
  column.name === "source" || column.name === "destination"
    ? ring.text(`${column.name}_filter`, place)
    : column.filter;

/** The value that a click on a cell filters by; "" where nothing can be. */
export function filterValue(column: string, ring: FlowRing, place: number, utc: boolean): string {
  const name = ALIASES[column] ?? column;
  if (name === "verdict") return (VERDICTS[ring.columns.verdict[place]] ?? VERDICTS[0]).name;
  if (name === "port") return port(ring, place, "destination");
  if (name === "reply") return ["false", "true", ""][ring.columns.reply[place]] ?? "";
  if (name === "time") return "";
  const text = cell(name, ring, place, utc);
  return name === "protocol" ? text.toLowerCase() : text;
}

const usual = (name: string, title: string, width: number, filter = "", right = false, shown = true): ColumnWord => ({
  name,
  title,
  width,
  filter,
  align: right ? "right" : "left",
  default: shown,
});

/** Where the server names no columns. */
export const COLUMNS: ColumnWord[] = [
  usual("time", "Time", 13),
  usual("verdict", "Verdict", 13, "verdict"),
  usual("source", "Source", 24),
  usual("destination", "Destination", 24),
  usual("port", "Port", 10, "to-port"),
  usual("summary", "What", 34),
  usual("process", "Process", 16, "", false),
  usual("latency_ms", "Latency", 9, "", true),
  usual("bytes", "Bytes", 10, "", true),
  usual("reason", "Reason", 22),
  usual("direction", "Direction", 9, "traffic-direction", false, false),
  usual("node", "Node", 14, "node-name", false, false),
];
