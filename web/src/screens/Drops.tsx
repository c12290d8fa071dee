/** What was refused: groups by reason, source, destination and port, the most first. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useAsk } from "../api";
import { register } from "../keys";
import { announce, goodPairs, paused, place, select, selection, settled, time, utc } from "../state";
import { ago, clock, count, plural, rate } from "../units";
import { askedTime } from "../url";
import { Empty } from "./Empty";
import { moveFocus } from "./focus";
import { Heads, OpenRow, Problem, showFlows, Spark } from "./parts";

export interface DropGroup {
  key: string;
  reason: string;
  kernel_reason: string;
  words: string;
  source: string;
  destination: string;
  port: number;
  protocol: string;
  process: string;
  direction: string;
  count: number;
  per_minute: number;
  first_ms: number;
  last_ms: number;
  spark: number[];
  uuid: string;
  query: string;
  /** So many pairs of ends, put together; 0: it is one pair. */
  pairs: number;
}
interface Answer {
  from_ms: number;
  until_ms: number;
  groups: DropGroup[];
  total: number;
  more: number;
  folded_pairs: number;
}

export const dropGroups = signal<DropGroup[]>([]);
let known = -1;

export function Drops() {
  const live = time.value.mode === "live" && !paused.value;
  const { data, error, waiting } = useAsk<Answer>(
    settled.value ? "drops" : "",
    [...goodPairs.value, ...askedTime(time.value)],
    live ? 3000 : 0,
  );
  useEffect(() => {
    if (!data) return;
    dropGroups.value = data.groups;
    if (known >= 0 && data.groups.length > known) announce(`${plural(data.groups.length - known, "new group")} of drops`);
    known = data.groups.length;
  }, [data]);
  useEffect(() => {
    const when = (): boolean => place.value.screen === "drops";
    return register([
      { keys: "j", title: "the next group", group: "Lists", run: () => moveFocus(1), when },
      { keys: "k", title: "the group before", group: "Lists", run: () => moveFocus(-1), when },
    ]);
  }, []);
  const total = data?.total ?? 0;
  return (
    <section class="list" aria-label="Drops" aria-busy={waiting && !data}>
      <div class="tools">
        <span class="summary">
          {data &&
            (total ? (
              <>
                <strong class="v-dropped">{count(total)}</strong> dropped in {plural(data.groups.length, "group")},{" "}
                {clock(data.from_ms, utc.value)} to {clock(data.until_ms, utc.value)}
              </>
            ) : (
              "nothing was dropped"
            ))}
        </span>
        {data && <Untold data={data} />}
      </div>
      <Problem error={error} />
      {data && !data.groups.length && <Empty view="drops" />}
      {data && data.groups.length > 0 && (
        <div class="scroll" tabIndex={-1}>
          <table aria-label="Groups of drops">
            <Heads names={["reason", "from → to", "process", "rate", "count", "over time", "first", "last"]} does />
            <tbody>
              {data.groups.map((group) => (
                <Group key={group.key} group={group} untilMs={data.until_ms} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

/** What is not listed one by one. */
function Untold({ data: { folded_pairs, more } }: { data: Answer }) {
  const folded = folded_pairs > 0 && `${plural(folded_pairs, "pair")} of ends put together, since they are too many`;
  const left = more > 0 && `${plural(more, "smaller group")} left out`;
  return <span class="quiet">{[folded, left].filter(Boolean).join("; ")}</span>;
}

function Group({ group, untilMs }: { group: DropGroup; untilMs: number }) {
  const chosen = selection.value === `drop:${group.key}`;
  return (
    <OpenRow open={() => select(`drop:${group.key}`)} chosen={chosen}>
      <td class="two-lines">
        <strong class="v-dropped">⊘ {group.kernel_reason || group.reason}</strong>
        <span class="quiet">{group.words}</span>
      </td>
      <td class="two-lines">
        <span>
          <b>{group.source || "unknown"}</b> → <b>{group.destination || "unknown"}</b>
        </span>
        <span class="quiet">
          {[group.port ? `${group.port}/${group.protocol}` : group.protocol, group.direction.toLowerCase()]
            .filter(Boolean)
            .join(" · ")}
        </span>
      </td>
      <td>{group.process}</td>
      <td class="number">{rate(group.per_minute / 60)}</td>
      <td class="number">{count(group.count)}</td>
      <td class="v-dropped">
        <Spark counts={group.spark} label={`${group.count} over time`} />
      </td>
      <td title={clock(group.first_ms, utc.value, true)}>{clock(group.first_ms, utc.value)}</td>
      <td title={clock(group.last_ms, utc.value, true)}>{ago(group.last_ms, untilMs)}</td>
      <td class="actions">
        {group.pairs === 0 && (
          <button onClick={stopped(() => select(`drop:${group.key}`))}>
            explain <kbd>e</kbd>
          </button>
        )}
        <button onClick={stopped(() => showFlows(group.query))}>flows</button>
      </td>
    </OpenRow>
  );
}

export const stopped =
  (run: () => void) =>
  (event: Event): void => {
    event.stopPropagation();
    run();
  };
