/** One request in full: who asked whom, what, how long it took, on what connection. */

import { useAsk } from "../api";
import { Problem, Section } from "../screens/parts";
import { Tree } from "../screens/Health";
import { select, utc } from "../state";
import { clock, duration, nanoseconds } from "../units";

type Told = Record<string, unknown>;
interface Side {
  address?: string;
  port?: number;
  name?: string;
  process?: { pid?: number; command?: string };
}
interface Told1 extends Told {
  asked_ns: number;
  answered_ns: number;
  latency_ns?: number;
  depth: number;
  client: Side;
  server: Side;
  method?: string;
  target?: string;
  protocol?: string;
  request_uuid?: string;
  response_uuid?: string;
  connection?: Told;
}

const named = (side: Side): string => side.name || [side.address, side.port].filter(Boolean).join(":") || "unknown";
const SHOWN = new Set([
  "asked_ns",
  "answered_ns",
  "latency_ns",
  "depth",
  "client",
  "server",
  "method",
  "target",
  "connection",
  "request_uuid",
  "response_uuid",
]);

export function Exchange({ uuid }: { uuid: string }) {
  const { data, error, waiting } = useAsk<{ exchanges: Told1[]; packets: number }>("exchange", [["uuid", uuid]]);
  if (!data)
    return (
      <>
        {waiting && <p class="quiet">asking…</p>}
        <Problem error={error} />
      </>
    );
  if (!data.exchanges.length)
    return (
      <p>
        This flow is no request: {data.packets} packets have it.{" "}
        <button onClick={() => select(`flow:${uuid}`)}>see the flow</button>
      </p>
    );
  return (
    <>
      {data.exchanges.map((one, i) => (
        <One key={i} one={one} />
      ))}
    </>
  );
}

function One({ one }: { one: Told1 }) {
  const tookNs = one.latency_ns || (one.answered_ns ? one.answered_ns - one.asked_ns : 0);
  const rest = Object.fromEntries(Object.entries(one).filter(([key]) => !SHOWN.has(key)));
  const flow = one.response_uuid || one.request_uuid;
  return (
    <div class="exchange">
      <h2>{[one.method, one.target].filter(Boolean).join(" ") || one.protocol}</h2>
      <p>
        <b>{named(one.client)}</b> → <b>{named(one.server)}</b>
      </p>
      <div class="row">
        <span>asked</span>
        <span>{clock(one.asked_ns / 1e6, utc.value, true)}</span>
      </div>
      <div class="row">
        <span>took</span>
        <span>{one.answered_ns ? nanoseconds(tookNs) : "no answer"}</span>
      </div>
      {[one.client, one.server].map(
        (side, i) =>
          side.process?.command && (
            <div class="row" key={i}>
              <span>{i ? "served by" : "asked by"}</span>
              <span>
                {side.process.command} {side.process.pid ? `(${side.process.pid})` : ""}
              </span>
            </div>
          ),
      )}
      {one.answered_ns > 0 && one.answered_ns - one.asked_ns !== tookNs && (
        <p class="quiet">answered {duration((one.answered_ns - one.asked_ns) / 1e6)} after it was asked</p>
      )}
      {flow && (
        <div class="buttons">
          <button onClick={() => select(`flow:${flow}`)}>its flow</button>
        </div>
      )}
      <Section title="What was said">
        <Tree value={rest} />
      </Section>
      {one.connection && Object.keys(one.connection).length > 0 && (
        <Section title="Connection">
          <Tree value={one.connection} />
        </Section>
      )}
    </div>
  );
}
