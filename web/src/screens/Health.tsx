/** Whether what is shown is complete: the connection, the nodes, the agent, what the kernel can do. */

import type { ComponentChildren } from "preact";
import { useAsk } from "../api";
import { link } from "../live";
import { meta, utc } from "../state";
import { bytes, clock, count, digits, duration, moment, rate } from "../units";
import { Heads, Problem, Section } from "./parts";

type Told = Record<string, unknown>;
interface Status {
  feed: {
    phase: string;
    target: string;
    since_ms: number;
    sentence: string;
    way_on: string;
    flows: number;
    lost: number;
    oldest_ms: number;
    newest_ms: number;
    capacity: number;
    per_second: number;
  };
  nodes: Told[];
  agent: Told;
  features: { name: string; works: boolean; without: string; reason: string }[];
}

export function Health() {
  const { data, error } = useAsk<Status>("status", [], 2000);
  return (
    <section class="list health" aria-label="Health">
      <Problem error={error} />
      {data && (
        <div class="scroll cards" tabIndex={-1}>
          <h2 class="unseen">What is known of it</h2>
          <Feed feed={data.feed} />
          <Section title="Nodes">
            {data.nodes.length ? (
              <table aria-label="Nodes">
                <Heads names={["node", "version", "up", "complete", "flows", "lost events", "more"]} />
                <tbody>
                  {data.nodes.map((node, i) => (
                    <NodeRow key={String(node.name ?? i)} node={node} />
                  ))}
                </tbody>
              </table>
            ) : (
              <p class="quiet">{data.feed.phase === "file" ? "a file has none" : "the server names no nodes"}</p>
            )}
          </Section>
          {data.features.length > 0 && (
            <Section title="What the kernel can do">
              <table aria-label="Features">
                <Heads names={["feature", "works", "without it"]} />
                <tbody>
                  {data.features.map((feature) => (
                    <tr key={feature.name}>
                      <td>{feature.name}</td>
                      <td class={feature.works ? "" : "v-dropped"}>{feature.works ? "yes" : "⊘ no"}</td>
                      <td>
                        {!feature.works && (
                          <>
                            {feature.without} <span class="quiet">{feature.reason}</span>
                          </>
                        )}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Section>
          )}
          {Object.keys(data.agent ?? {}).length > 0 && (
            <Section title="Agent">
              <Tree value={data.agent} />
            </Section>
          )}
        </div>
      )}
    </section>
  );
}

function Row({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="row">
      <span>{title}</span>
      <span>{children}</span>
    </div>
  );
}

function Feed({ feed }: { feed: Status["feed"] }) {
  const held = feed.newest_ms > 0 ? feed.newest_ms - feed.oldest_ms : 0;
  return (
    <Section title="Feed">
      <p>
        <strong class={["following", "file"].includes(feed.phase) ? "" : "v-dropped"}>{feed.phase}</strong> {feed.sentence}{" "}
        {feed.way_on && <span class="quiet">{feed.way_on}</span>}
      </p>
      {feed.phase !== "file" && (
        <Row title="server">
          {feed.target} {meta.value?.kind && `(${meta.value.kind} ${meta.value.version})`}
        </Row>
      )}
      <Row title="since">{moment(feed.since_ms, utc.value)}</Row>
      <Row title="flows held">
        {count(feed.flows)} of {count(feed.capacity)}
      </Row>
      <Row title="from, to">
        {clock(feed.oldest_ms, utc.value)} to {clock(feed.newest_ms, utc.value)} ({duration(held)})
      </Row>
      <Row title="rate">{rate(feed.per_second)}</Row>
      <Row title="lost">
        <span class={feed.lost ? "v-dropped" : ""}>{count(feed.lost)} events</span>
      </Row>
      <Row title="this page">{link.value.phase}</Row>
    </Section>
  );
}

const NODE_KEYS = ["name", "version", "uptime_s", "completeness_percent", "flows_per_second", "lost_events"];
const number = (value: unknown): number => (typeof value === "number" ? value : NaN);

function NodeRow({ node }: { node: Told }) {
  const complete = number(node.completeness_percent);
  const lost = number(node.lost_events);
  const more = Object.entries(node).filter(
    ([key, value]) => !NODE_KEYS.includes(key) && value !== "" && value !== null && typeof value !== "object",
  );
  return (
    <tr>
      <td>
        <strong>{String(node.name ?? "")}</strong>
      </td>
      <td>{String(node.version ?? "")}</td>
      <td class="number">{duration(number(node.uptime_s) * 1000)}</td>
      <td class={`number ${complete < 100 ? "v-dropped" : ""}`}>
        {Number.isFinite(complete) ? `${complete < 100 ? Math.min(99.99, complete).toFixed(2) : "100"} %` : "–"}
      </td>
      <td class="number">{rate(number(node.flows_per_second))}</td>
      <td class={`number ${lost > 0 ? "v-dropped" : ""}`}>{count(lost)}</td>
      <td class="quiet">{more.map(([key, value]) => `${titleOf(key)} ${inUnits(key, value)}`).join(" · ")}</td>
    </tr>
  );
}

const UNITS: [RegExp, (value: number) => string][] = [
  [/_bytes$|^bytes$/, bytes],
  [/_ns$|^ns_/, (value) => duration(value / 1e6)],
  [/_us$/, (value) => duration(value / 1e3)],
  [/_ms$/, duration],
  [/_s$/, (value) => duration(value * 1e3)],
  [/percent$/, (value) => `${digits(Math.floor(value * 100) / 100)} %`],
  [/_per_second$/, rate],
];

/** A value in the unit that its name ends with. */
function inUnits(key: string, value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  const [, words] = UNITS.find(([pattern]) => pattern.test(key)) ?? [
    null,
    (n: number) => (Number.isInteger(n) ? count(n) : digits(n)),
  ];
  return words(value);
}

/** Its name without the unit. */
const titleOf = (key: string): string => key.replace(/_(bytes|ns|us|ms|s|percent|per_second)$/, "").replace(/_/g, " ");

/** Any JSON, as rows. */
export function Tree({ value }: { value: unknown }) {
  if (value === null || typeof value !== "object") return <>{String(value)}</>;
  return (
    <div class="facts">
      {Object.entries(value as Told).map(([key, each]) =>
        each !== null && typeof each === "object" && Object.keys(each).length ? (
          <details key={key}>
            <summary>{titleOf(key)}</summary>
            <Tree value={each} />
          </details>
        ) : (
          <Row key={key} title={titleOf(key)}>
            {typeof each === "object" ? "none" : inUnits(key, each)}
          </Row>
        ),
      )}
    </div>
  );
}
