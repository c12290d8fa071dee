/** Requests: how many, how slow, how many failed, by service, endpoint, client, process or protocol. */

import { useEffect, useRef } from "preact/hooks";
import { useAsk } from "../api";
import { palette } from "../map/style";
import { goodPairs, look, paused, select, selection, settled, theme, time, view } from "../state";
import { count, nanoseconds, percent, rate } from "../units";
import { askedTime, type Pair } from "../url";
import { Empty } from "./Empty";
import { stopped } from "./Drops";
import { Heads, OpenRow, Problem, showFlows } from "./parts";

interface Heat {
  bounds_ns: number[];
  counts: number[][];
  bucket_ms: number;
}
interface ServiceRow {
  protocol: string;
  server?: string;
  client?: string;
  method?: string;
  target?: string;
  role?: string;
  process?: { pid: number; command: string; user: string; processes: number };
  error: string;
  count: number;
  errors: number;
  errors_percent: number;
  unanswered?: number;
  per_second: number;
  p50_ns: number;
  p95_ns: number;
  p99_ns: number;
  max_ns: number;
  query?: string;
  heat?: Heat;
  uuid?: string;
}
interface Answer {
  count: number;
  errors: number;
  lost_events: number;
  rows: ServiceRow[];
}

const BY = ["service", "endpoint", "client", "process", "protocol"] as const;
const SORTS = ["busiest", "slowest", "failing"] as const;

function nameOf(row: ServiceRow): string {
  const what = [row.method, row.target].filter(Boolean).join(" ");
  const who = row.process
    ? `${row.process.command}${row.process.processes > 1 ? ` ×${row.process.processes}` : ` (${row.process.pid})`}`
    : "";
  const sides = row.client && row.server ? `${row.client} → ${row.server}` : (row.server ?? row.client ?? "");
  return [sides, what, who && row.role ? `${who} as ${row.role}` : who].filter(Boolean).join(" · ") || row.protocol;
}

export function Services() {
  const by = view.value.by || "service";
  const sort = view.value.sort || "busiest";
  const live = time.value.mode === "live" && !paused.value;
  const pairs: Pair[] = [...goodPairs.value, ...askedTime(time.value), ["by", by], ["sort", sort], ["number", "100"]];
  const { data, error, waiting } = useAsk<Answer>(settled.value ? "services" : "", pairs, live ? 3000 : 0);
  const heat = by === "service";
  return (
    <section class="list" aria-label="Services" aria-busy={waiting && !data}>
      <div class="tools" role="toolbar" aria-label="Services">
        <Choice name="by" values={BY} now={by} usual="service" />
        <Choice name="sort" values={SORTS} now={sort} usual="busiest" />
        <span class="summary quiet">
          {data &&
            `${count(data.count)} requests, ${count(data.errors)} failed${data.lost_events ? `, ${count(data.lost_events)} events lost` : ""}`}
        </span>
      </div>
      <Problem error={error} />
      {data && !data.rows.length && <Empty view="services" />}
      {data && data.rows.length > 0 && (
        <div class="scroll" tabIndex={-1}>
          <table aria-label={`Requests by ${by}`}>
            <Heads names={[by, "protocol", "rate", "requests", "errors", "p50", "p95", "p99", ...(heat ? ["latency over time"] : [])]} does />
            <tbody>
              {data.rows.map((row, i) => (
                <Service key={i} row={row} heat={heat} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Choice({ name, values, now, usual }: { name: string; values: readonly string[]; now: string; usual: string }) {
  return (
    <span class="choice" role="group" aria-label={name}>
      {values.map((value) => (
        <button
          key={value}
          aria-pressed={value === now ? "true" : "false"}
          onClick={() => look({ [name]: value === usual ? "" : value }, "push")}
        >
          {value}
        </button>
      ))}
    </span>
  );
}

function Service({ row, heat }: { row: ServiceRow; heat: boolean }) {
  const open = (): void => {
    if (row.uuid) select(`exchange:${row.uuid}`);
    else if (row.query) showFlows(row.query);
  };
  return (
    <OpenRow open={open} chosen={row.uuid !== undefined && selection.value === `exchange:${row.uuid}`}>
      <td class="two-lines">
        <strong>{nameOf(row)}</strong>
        {row.errors > 0 && <span class="v-error">! {row.error || "no answer"}</span>}
      </td>
      <td>{row.protocol}</td>
      <td class="number">{rate(row.per_second)}</td>
      <td class="number">{count(row.count)}</td>
      <td class={`number ${row.errors ? "v-error" : ""}`}>
        {row.errors ? `${percent(row.errors_percent / 100)}` : "0"}
      </td>
      <td class="number">{nanoseconds(row.p50_ns)}</td>
      <td class="number">{nanoseconds(row.p95_ns)}</td>
      <td class="number">{nanoseconds(row.p99_ns)}</td>
      {heat && <td>{row.heat && <HeatMap heat={row.heat} name={nameOf(row)} />}</td>}
      <td class="actions">
        {row.uuid && <button onClick={stopped(open)}>one of them</button>}
        {row.query && <button onClick={stopped(() => showFlows(row.query ?? ""))}>flows</button>}
      </td>
    </OpenRow>
  );
}

const CELL = 5;

/** Time to the right, latency upwards; the more, the more ink. */
function HeatMap({ heat, name }: { heat: Heat; name: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const bounds = heat.bounds_ns.length;
  const used = heat.counts.reduce(
    ([low, high], column) =>
      column.reduce(([a, b], n, i) => (n ? [Math.min(a, i), Math.max(b, i)] : [a, b]), [low, high]),
    [bounds, 0],
  );
  const rows = Math.max(1, used[1] - used[0] + 1);
  useEffect(() => {
    const ctx = canvas.current?.getContext("2d");
    if (!ctx) return;
    const most = Math.max(1, ...heat.counts.flat());
    ctx.clearRect(0, 0, 1000, 1000);
    ctx.fillStyle = palette().verdicts[1];
    heat.counts.forEach((column, x) => {
      for (let i = 0; i < rows; i++) {
        const n = column[used[0] + i];
        if (!n) continue;
        ctx.globalAlpha = 0.2 + 0.8 * (Math.log1p(n) / Math.log1p(most));
        const tall = 30 / rows;
        ctx.fillRect(x * CELL, 30 - (i + 1) * tall, CELL - 1, Math.max(1, tall - 0.5));
      }
    });
  }, [heat, theme.value]);
  const from = nanoseconds(used[0] > 0 ? heat.bounds_ns[used[0] - 1] : 0);
  const to = nanoseconds(heat.bounds_ns[Math.min(bounds - 1, used[1])] ?? 0);
  return (
    <span class="heat">
      <canvas
        ref={canvas}
        width={heat.counts.length * CELL}
        height={30}
        role="img"
        aria-label={`Latency of ${name}, ${from} to ${to}`}
      />
      <span class="quiet heat-scale">
        <span>{to}</span>
        <span>{from}</span>
      </span>
    </span>
  );
}
