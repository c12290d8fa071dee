/** The flows, live: the table, what is found in it, which columns, both directions as one. */

import { effect, signal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { flowActs } from "../files";
import { Icon } from "../icons";
import { register } from "../keys";
import { Live } from "../live";
import { ContextMenu, MenuButton } from "../map/Menu";
import { good, look, meta, narrow, paused, place, select, selection, settled, time, utc, view } from "../state";
import { COLUMNS } from "../table/cells";
import { FlowTable, type TableStatus } from "../table/FlowTable";
import { FlowRing } from "../table/ring";
import { count } from "../units";
import { liveTime } from "../url";
import { Empty } from "./Empty";

const ring = new FlowRing();
const status = signal<TableStatus>({ shown: 0, held: 0, fresh: 0, following: true, matches: 0, filterMs: 0 });
/** Whether a frame of the present question has come. */
const arrived = signal(false);
/** `seen`, `sent`: of the last tick; `lost`, and `unshown` drops and errors: since the question was asked. */
const sampling = signal({ seen: 0, sent: 0, perSecond: NaN, lost: 0, unshown: 0 });

export const flowStatus = status;

const columnWords = () => (meta.value?.columns.length ? meta.value.columns : COLUMNS);

function chosenColumns() {
  const all = columnWords();
  const names = view.value.cols?.split(",") ?? [];
  const chosen = names.flatMap((name) => all.find((column) => column.name === name) ?? []);
  return chosen.length ? chosen : all.filter((column) => column.default);
}

const ABNORMAL = new Set([2, 3, 4]);

export function Flows() {
  const root = useRef<HTMLDivElement>(null);
  const table = useRef<FlowTable | null>(null);
  const finder = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const made = new FlowTable(root.current as HTMLDivElement, ring, {
      select: (uuid, open) => {
        if (open) select(`flow:${uuid}`);
        else if (selection.peek().startsWith("flow:")) look({ sel: `flow:${uuid}` });
      },
      filter: narrow,
      status: (now) => {
        status.value = now;
      },
    });
    table.current = made;
    const ends = [subscribe(made), shape(made), keysOf(made, () => finder.current?.focus())];
    return () => {
      for (const end of ends) end();
      made.destroy();
    };
  }, []);
  useSignalEffect(() => table.current?.setLook(utc.value, selection.value.replace(/^flow:/, "")));
  return (
    <section class="flows" aria-label="Flows">
      <div class="tools" role="toolbar" aria-label="Flows">
        <label class="find">
          find <kbd>Ctrl-F</kbd>{" "}
          <input
            ref={finder}
            value={view.value.find ?? ""}
            placeholder="in what is shown"
            onInput={(event) => look({ find: event.currentTarget.value })}
            onKeyDown={(event) => {
              if (event.key === "Enter") table.current?.next(event.shiftKey ? -1 : 1);
            }}
          />
        </label>
        {view.value.find && <Found />}
        <Toggle name="pairs" title="conversations" hint="both directions as one row" />
        <Toggle name="abnormal" title="abnormal" hint="only drops, errors and audits" keys="!" />
        <Columns />
        <MenuButton title="export" acts={flowActs} />
        <span class="quiet summary">
          <Counted />
        </span>
      </div>
      <div class="flow-table" ref={root} aria-label="Flows, the newest last" />
      {status.value.shown === 0 && <Empty view="flows" arrived={arrived.value} />}
      {!status.value.following && status.value.fresh > 0 && (
        <button class="fresh" onClick={() => table.current?.follow()}>
          <Icon name="down" /> +{count(status.value.fresh)} new <kbd>G</kbd>
        </button>
      )}
      <ContextMenu />
    </section>
  );
}

function Found() {
  return (
    <span>
      <span class="quiet">{count(status.value.matches)} found</span>{" "}
      <Toggle name="found" title="only these" hint="hide what is not found" />
    </span>
  );
}

function Toggle({ name, title, hint, keys }: { name: string; title: string; hint: string; keys?: string }) {
  const on = view.value[name] === "1";
  return (
    <button title={hint} aria-pressed={on ? "true" : "false"} onClick={() => look({ [name]: on ? "" : "1" })}>
      {title} {keys && <kbd>{keys}</kbd>}
    </button>
  );
}

function Counted() {
  const { seen, sent, perSecond, lost, unshown } = sampling.value;
  const { shown, held } = status.value;
  const lostText = lost ? ` · ${count(lost)} events lost` : " · 0 lost";
  const all = unshown ? "drops and errors first" : "drops and errors all";
  const share = sent < seen ? ` · ${count(sent)} of ${count(seen)} since the last tick are shown, ${all}` : "";
  const rest = unshown ? ` · ${count(unshown)} drops and errors not shown` : "";
  return (
    <>
      {shown === held ? count(held) : `${count(shown)} of ${count(held)}`} flows held · {count(perSecond)}/s{share}
      {lostText}
      {rest}
    </>
  );
}

function Columns() {
  const [open, set] = useState(false);
  const chosen = chosenColumns();
  const write = (names: string[]): void => look({ cols: names.join(",") });
  const names = chosen.map((column) => column.name);
  const move = (name: string, by: number): void => {
    const at = names.indexOf(name);
    const next = names.filter((each) => each !== name);
    next.splice(Math.max(0, at + by), 0, name);
    write(next);
  };
  useEffect(
    () =>
      register([
        {
          keys: "w",
          title: "choose columns",
          group: "Lists",
          run: () => set((is) => !is),
          when: () => place.value.screen === "flows",
        },
      ]),
    [],
  );
  return (
    <span class="menu">
      <button aria-expanded={open} onClick={() => set(!open)}>
        columns <kbd>w</kbd>
      </button>
      {open && (
        <div class="menu-body" role="group" aria-label="Columns">
          {[...chosen, ...columnWords().filter((column) => !names.includes(column.name))].map((column) => {
            const on = names.includes(column.name);
            return (
              <div class="menu-row" key={column.name}>
                <label>
                  <input
                    type="checkbox"
                    checked={on}
                    onChange={() => write(on ? names.filter((name) => name !== column.name) : [...names, column.name])}
                  />{" "}
                  {column.title}
                </label>
                {on && (
                  <button aria-label={`${column.title} earlier`} onClick={() => move(column.name, -1)}>
                    <Icon name="up" />
                  </button>
                )}
                {on && (
                  <button aria-label={`${column.title} later`} onClick={() => move(column.name, 1)}>
                    <Icon name="down" />
                  </button>
                )}
              </div>
            );
          })}
          <button onClick={() => write([])}>as usual</button>
        </div>
      )}
    </span>
  );
}

function subscribe(table: FlowTable): () => void {
  let isAsked = false;
  const live = new Live((frame, texts) => {
    if (paused.peek() && arrived.peek()) return; // after a break the server tells anew what is there
    if (isAsked) {
      isAsked = false;
      ring.clear();
      table.anew();
      sampling.value = { ...sampling.peek(), lost: 0, unshown: 0 };
    }
    arrived.value = true;
    const rows = frame.tables.rows;
    if (rows && frame.snapshot) ring.resume(rows, texts);
    else if (rows) ring.append(rows, texts);
    const head = frame.head as Record<string, number>;
    const before = sampling.peek();
    sampling.value = {
      seen: head.seen,
      sent: head.sent,
      perSecond: head.per_second,
      lost: before.lost + head.lost_kernel + head.lost_user,
      unshown: before.unshown + head.troubled - head.troubled_sent,
    };
    table.changed();
  });
  const ends = [
    effect(() => {
      if (!settled.value) return;
      const query = good.value.query;
      if (!live.update({ view: "flows", query, scope: "workload", time: liveTime(time.value), max_rows: 500 })) return;
      arrived.value = false;
      isAsked = true;
    }),
    effect(() => live.pause(paused.value)),
  ];
  return () => {
    for (const end of ends) end();
    live.close();
  };
}

/** What the URL says of the table. */
function shape(table: FlowTable): () => void {
  let columns = "";
  const ends = [
    effect(() => {
      const chosen = chosenColumns();
      const names = JSON.stringify(chosen);
      if (names !== columns) table.setColumns(chosen);
      columns = names;
    }),
    effect(() => {
      const { pairs, abnormal } = view.value;
      table.setRestriction({ text: "", verdicts: abnormal === "1" ? ABNORMAL : null, pairs: pairs === "1" });
    }),
    effect(() => table.setFind(view.value.find ?? "", view.value.found === "1")),
  ];
  return () => {
    for (const end of ends) end();
  };
}

function keysOf(table: FlowTable, find: () => void): () => void {
  const when = (): boolean => place.value.screen === "flows";
  const key = (keys: string, title: string, run: () => void) => ({ keys, title, run, group: "Lists" as const, when });
  const by = (how: "exclude" | "only") => (): void => {
    const found = ["destination", "port", "destination_port", "protocol"]
      .map((name) => table.activeValue(name))
      .find(Boolean);
    if (found) narrow(found[0], found[1], how);
  };
  return register([
    key("j", "the next row", () => table.move(1)),
    key("k", "the row before", () => table.move(-1)),
    key("ArrowDown", "the next row", () => table.move(1)),
    key("ArrowUp", "the row before", () => table.move(-1)),
    key("PageDown", "a page down", () => table.move(20)),
    key("PageUp", "a page up", () => table.move(-20)),
    key("g g", "the oldest row", () => table.top()),
    key("G", "follow the newest", () => table.follow()),
    key("Enter", "open the row", () => table.open()),
    key("x", "leave out such rows", by("exclude")),
    key("o", "only such rows", by("only")),
    key("n", "the next one found", () => table.next(1)),
    key("N", "the one found before", () => table.next(-1)),
    key("Ctrl-F", "find in what is shown", find),
    key("!", "only what is abnormal", () => look({ abnormal: view.value.abnormal ? "" : "1" })),
  ]);
}
