/** The right panel, the same everywhere: a node, an edge, a flow, a group of drops or an exchange, and why. */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useAsk } from "../api";
import { Icon } from "../icons";
import { register } from "../keys";
import { exclude, flowsOf, focusOn, isExplained, only, openFlows, opensOf } from "../map/acts";
import { type MapEdge, VERDICTS } from "../map/scene";
import { several, subtitle } from "../map/style";
import { dropGroups } from "../screens/Drops";
import { mapModel } from "../screens/MapScreen";
import { Problem, Section, showFlows } from "../screens/parts";
import { copy, goScreen, look, narrow, select, selection, utc, view } from "../state";
import { bytes, clock, count, duration, moment, NONE, percent, rate } from "../units";
import { type Pair, pairsOf } from "../url";
import { Exchange } from "./Exchange";
import { registerWhy, Why } from "./Why";

/** Where the focus was before it came into the panel; an element that is gone takes none. */
let outside: HTMLElement | null = null;

/** Gives the focus back to where it came from. */
function leave(): void {
  if (outside?.isConnected && outside !== document.body) outside.focus();
  else document.getElementById("main")?.focus();
}

export function Panel() {
  const panel = useRef<HTMLElement>(null);
  useEffect(registerWhy, []);
  useEffect(
    () =>
      register([
        {
          keys: "Escape",
          title: "close the panel",
          group: "Panel",
          run: () => select(""),
          when: () => selection.value !== "",
        },
        {
          keys: "e",
          title: "explain what is selected",
          group: "Panel",
          run: () => look({ why: view.value.why ? "" : "1" }),
          when: () => selection.value !== "",
        },
        {
          keys: "F6",
          title: "into the panel, and back",
          group: "Panel",
          run: () => (panel.current?.contains(document.activeElement) ? leave() : panel.current?.focus()),
          when: () => selection.value !== "",
        },
      ]),
    [],
  );
  const what = selection.value;
  useLayoutEffect(() => {
    if (what) panel.current?.scrollIntoView({ block: "nearest" }); // where all is one column it opens out of sight
    else if (outside && document.activeElement === document.body) leave();
    if (!what) outside = null;
  }, [what]);
  if (!what) return null;
  const [kind, key] = [what.slice(0, what.indexOf(":")), what.slice(what.indexOf(":") + 1)];
  return (
    <aside
      ref={panel}
      tabIndex={-1}
      aria-label="Details"
      onFocusIn={({ relatedTarget }) => {
        if (relatedTarget instanceof HTMLElement && !panel.current?.contains(relatedTarget)) outside = relatedTarget;
      }}
    >
      <div class="panel-head">
        <button class="plain" onClick={() => history.back()} aria-label="back">
          <Icon name="back" />
        </button>
        <span class="quiet">{kind}</span>
        <button class="plain" onClick={() => select("")} aria-label="close the panel">
          <Icon name="close" />
        </button>
      </div>
      {kind === "node" && <NodePanel id={Number(key)} />}
      {kind === "edge" && <EdgePanel id={Number(key)} />}
      {kind === "flow" && <FlowPanel uuid={key} />}
      {kind === "drop" && <DropPanel group={key} />}
      {kind === "exchange" && <Exchange uuid={key} />}
    </aside>
  );
}

export function Row({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="row">
      <span>{title}</span>
      <span>{children}</span>
    </div>
  );
}

function NodePanel({ id }: { id: number }) {
  const scene = mapModel().scene.value;
  const node = scene.nodeById.get(id);
  if (!node) return <p class="quiet">It is not on the map now: the filter, the scope or the time leaves it out.</p>;
  const pairs = pairsOf(node.query);
  const edges = scene.edges.filter((edge) => edge.source === id || edge.destination === id);
  const list = (title: string, mine: MapEdge[], other: "source" | "destination") =>
    mine.length > 0 && (
      <Section title={`${title} · ${mine.length}`}>
        {mine.slice(0, 40).map((edge) => (
          <button class="line" key={edge.id} onClick={() => select(`edge:${edge.id}`)}>
            <span>
              <i class={`v-${VERDICTS[edge.verdict]?.name}`}>{VERDICTS[edge.verdict]?.glyph}</i>{" "}
              {scene.nodeById.get(edge[other])?.name || "unknown"}
            </span>
            <span class="quiet">
              {edge.ports.split(",")[0]} {rate(edge.flows)}
            </span>
          </button>
        ))}
      </Section>
    );
  return (
    <>
      <h2>{node.name || "unknown"}</h2>
      <p class="quiet">
        {subtitle(node, "")}
        {node.group && ` · ${node.group}`}
      </p>
      <Row title="in">{rate(node.rateIn)}</Row>
      <Row title="out">{rate(node.rateOut)}</Row>
      <Row title="dropped">
        <span class={node.drops ? "v-dropped" : ""}>{rate(node.drops)}</span>
      </Row>
      <Row title="errors">
        <span class={node.errors ? "v-error" : ""}>{rate(node.errors)}</span>
      </Row>
      <div class="buttons">
        <button class="primary" onClick={() => openFlows(mapModel(), id)}>
          its flows
        </button>
        {pairs.length > 0 && <button onClick={() => only(pairs)}>only this</button>}
        {pairs.length > 0 && <button onClick={() => exclude(pairs)}>without it</button>}
        <button onClick={() => focusOn(id)}>
          focus <kbd>f</kbd>
        </button>
      </div>
      {list(
        "asks",
        edges.filter((edge) => edge.source === id),
        "destination",
      )}
      {list(
        "is asked by",
        edges.filter((edge) => edge.destination === id),
        "source",
      )}
    </>
  );
}

const ENCRYPTED = ["not known", "no, plain", "yes", "in part"];

function EdgePanel({ id }: { id: number }) {
  const scene = mapModel().scene.value;
  const edge = scene.edges.find((each) => each.id === id);
  if (!edge) return <p class="quiet">It is not on the map now: the filter, the scope or the time leaves it out.</p>;
  const from = scene.nodeById.get(edge.source);
  const to = scene.nodeById.get(edge.destination);
  const flows = flowsOf(mapModel(), edge);
  const { glyph, word, name } = VERDICTS[edge.verdict] ?? VERDICTS[0];
  const port = /\d+/.exec(edge.ports)?.[0] ?? "";
  const parts: Pair[] = [
    ["source", from?.name ?? ""],
    ["destination", to?.name ?? ""],
  ];
  if (port) parts.push(["port", port]);
  return (
    <>
      <h2>
        <button class="plain" onClick={() => select(`node:${edge.source}`)}>
          {from?.name || "unknown"}
        </button>{" "}
        →{" "}
        <button class="plain" onClick={() => select(`node:${edge.destination}`)}>
          {to?.name || "unknown"}
        </button>
      </h2>
      <p>
        <span class={`tag v-${name}`}>
          {glyph} {word.toUpperCase()}
        </span>{" "}
        <span class="quiet">
          {edge.ports} {edge.protocol}
        </span>
      </p>
      <Row title="flows">{rate(edge.flows)}</Row>
      <Row title="bytes">{bytes(edge.bytes)}/s</Row>
      <Row title="requests">{edge.requests ? rate(edge.requests) : NONE}</Row>
      <Row title="p50, p99">
        {duration(edge.p50)}, {duration(edge.p99)}
      </Row>
      <Row title="errors">
        <span class={edge.errors > 0 ? "v-error" : ""}>{edge.requests ? percent(edge.errors) : NONE}</span>
      </Row>
      <Row title="dropped">
        <span class={edge.drops ? "v-dropped" : ""}>{rate(edge.drops)}</span>
      </Row>
      {edge.audits > 0 && (
        <Row title="audited">
          <span class="v-audit">{rate(edge.audits)}</span>
        </Row>
      )}
      <Row title="round trip">{duration(edge.rtt)}</Row>
      <Row title="retransmits">{rate(edge.retransmits)}</Row>
      <Row title="encrypted">{ENCRYPTED[edge.encrypted] ?? NONE}</Row>
      <div class="buttons">
        {flows && (
          <button class="primary" onClick={flows}>
            its flows
          </button>
        )}
        {opensOf(mapModel(), edge).map(({ title, run }) => (
          <button key={title} onClick={run}>
            {title}
          </button>
        ))}
      </div>
      {edge.merged && <p class="quiet">{several(edge.merged)}, drawn as one.</p>}
      {isExplained(mapModel(), edge) ? (
        <Why asked={parts} open={edge.verdict > 1} />
      ) : (
        <p class="quiet">To have it explained, choose one of its flows.</p>
      )}
    </>
  );
}

interface FlowAnswer {
  sections: {
    title: string;
    rows: { title: string; value: unknown; filter: { name: string; value: string } | null }[];
  }[];
  json: Record<string, unknown>;
}

const ABNORMAL = ["DROPPED", "ERROR", "AUDIT"];

function FlowPanel({ uuid }: { uuid: string }) {
  const { data, error, waiting } = useAsk<FlowAnswer>("flow", [["uuid", uuid]]);
  if (!data)
    return (
      <>
        {waiting && <p class="quiet">asking…</p>}
        <Problem error={error} />
      </>
    );
  const flow = ((data.json.flow as object | undefined) ?? data.json) as { verdict?: string };
  return (
    <>
      <h2>Flow</h2>
      <Problem error={error} />
      <Why asked={[["uuid", uuid]]} open={ABNORMAL.includes(flow.verdict ?? "")} />
      {data.sections.map((section) => (
        <Section title={section.title} key={section.title}>
          {section.rows.map((row) => (
            <div class="row" key={row.title}>
              <span>{row.title}</span>
              <span class="value">
                {String(row.value ?? NONE)}
                {row.filter && <Filters name={row.filter.name} value={row.filter.value} />}
              </span>
            </div>
          ))}
        </Section>
      ))}
      <details>
        <summary>JSON</summary>
        <button onClick={() => void copy(JSON.stringify(data.json), "JSON")}>copy</button>
        <pre>{JSON.stringify(data.json, null, 2)}</pre>
      </details>
    </>
  );
}

function Filters({ name, value }: { name: string; value: string }) {
  const label = `${name}=${value}`;
  return (
    <span class="filters">
      <button
        class="plain"
        title={`include ${label}`}
        aria-label={`include ${label}`}
        onClick={() => narrow(name, value, "include")}
      >
        <Icon name="plus" />
      </button>
      <button
        class="plain"
        title={`exclude ${label}`}
        aria-label={`exclude ${label}`}
        onClick={() => narrow(name, value, "exclude")}
      >
        <Icon name="minus" />
      </button>
    </span>
  );
}

function DropPanel({ group: key }: { group: string }) {
  const group = dropGroups.value.find((each) => each.key === key);
  if (!group)
    return (
      <p class="quiet">
        This group of drops is not in what is looked at.{" "}
        <button onClick={() => goScreen("drops")}>see the drops</button>
      </p>
    );
  return (
    <>
      <h2>{group.pairs ? "Dropped between many" : "Why was this dropped?"}</h2>
      <p>
        <span class="tag v-dropped">⊘ DROPPED</span> <b>{group.source}</b> → <b>{group.destination}</b>{" "}
        <span class="quiet">
          {group.protocol} {group.port || ""} · {group.direction.toLowerCase()}
        </span>
      </p>
      <p>
        <strong>{group.kernel_reason || group.reason}</strong> {group.words}
      </p>
      <Row title="how many">
        {count(group.count)}, {rate(group.per_minute / 60)}
      </Row>
      <Row title="first">{moment(group.first_ms, utc.value)}</Row>
      <Row title="last">{clock(group.last_ms, utc.value, true)}</Row>
      {group.process && <Row title="process">{group.process}</Row>}
      {group.pairs === 0 && <Why asked={[["uuid", group.uuid]]} open />}
      <div class="buttons">
        <button class="primary" onClick={() => showFlows(group.query)}>
          {group.pairs ? "show such flows" : `show the ${count(group.count)} flows`}
        </button>
        <button onClick={() => select(`flow:${group.uuid}`)}>the latest one</button>
      </div>
    </>
  );
}
