/** Names that were asked for: how often, how fast, what failed, who asked, and who then connected. */

import { useAsk } from "../api";
import { goodPairs, narrow, paused, settled, time } from "../state";
import { count, nanoseconds, rate } from "../units";
import { askedTime } from "../url";
import { stopped } from "./Drops";
import { Empty } from "./Empty";
import { Heads, OpenRow, Problem, showFlows } from "./parts";

interface DnsRow {
  name: string;
  count: number;
  per_second: number;
  nxdomain: number;
  servfail: number;
  other_errors: number;
  no_answer: number;
  p50_ns: number;
  p99_ns: number;
  clients: string[];
  client_count: number;
  addresses: string[];
  connected: string[];
  query: string;
}

const few = (names: string[], all: number): string =>
  names.slice(0, 3).join(", ") + (all > 3 ? ` and ${all - 3} more` : "");

export function Dns() {
  const live = time.value.mode === "live" && !paused.value;
  const { data, error, waiting } = useAsk<{ rows: DnsRow[] }>(
    settled.value ? "dns" : "",
    [...goodPairs.value, ...askedTime(time.value)],
    live ? 3000 : 0,
  );
  return (
    <section class="list" aria-label="DNS" aria-busy={waiting && !data}>
      <div class="tools">
        <span class="summary quiet">
          {data &&
            `${count(data.rows.length)} names, ${count(data.rows.reduce((sum, row) => sum + row.count, 0))} questions`}
        </span>
      </div>
      <Problem error={error} />
      {data && !data.rows.length && <Empty view="dns" />}
      {data && data.rows.length > 0 && (
        <div class="scroll" tabIndex={-1}>
          <table aria-label="DNS names">
            <Heads names={["name", "rate", "asked", "failed", "p50", "p99", "asked by", "addresses", "then connected"]} does />
            <tbody>
              {data.rows.map((row) => (
                <Name key={row.name} row={row} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Name({ row }: { row: DnsRow }) {
  const failures: [number, string][] = [
    [row.nxdomain, "NXDOMAIN"],
    [row.servfail, "SERVFAIL"],
    [row.other_errors, "other errors"],
    [row.no_answer, "no answer"],
  ];
  const failed = failures
    .filter(([n]) => n > 0)
    .map(([n, word]) => `${count(n)} ${word}`)
    .join(", ");
  return (
    <OpenRow open={() => showFlows(row.query)} chosen={false}>
      <td>
        <strong>{row.name}</strong>
      </td>
      <td class="number">{rate(row.per_second)}</td>
      <td class="number">{count(row.count)}</td>
      <td class={failed ? "v-error" : "quiet"}>{failed ? `! ${failed}` : "none"}</td>
      <td class="number">{nanoseconds(row.p50_ns)}</td>
      <td class="number">{nanoseconds(row.p99_ns)}</td>
      <td title={row.clients.join(", ")}>{few(row.clients, row.client_count)}</td>
      <td class="mono" title={row.addresses.join(", ")}>
        {few(row.addresses, row.addresses.length)}
      </td>
      <td title={row.connected.join(", ")}>{few(row.connected, row.connected.length)}</td>
      <td class="actions">
        <button onClick={stopped(() => showFlows(row.query))}>flows</button>
        <button onClick={stopped(() => narrow("to-fqdn", row.name, "include"))}>its traffic</button>
      </td>
    </OpenRow>
  );
}
