/** What lies over the page: the palette and the keys. */

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "./api";
import { apply } from "./filter/FilterBar";
import { allKeys, type Key, register } from "./keys";
import { Live } from "./live";
import { only } from "./map/acts";
import { MORE, type MapNode, sceneOf } from "./map/scene";
import { goScreen, note, select } from "./state";
import { pairsOf, SCREENS } from "./url";

const open = signal<"" | "palette" | "keys">("");
export const openKeys = (): void => {
  open.value = "keys";
};

export function Overlays() {
  useEffect(
    () =>
      register([
        { keys: "?", title: "these keys", group: "Page", run: () => (open.value = "keys") },
        {
          keys: "Ctrl-K",
          title: "the palette: go anywhere, paste anything",
          group: "Page",
          run: () => (open.value = "palette"),
        },
        { keys: ":", title: "the palette", group: "Page", run: () => (open.value = "palette") },
      ]),
    [],
  );
  if (open.value === "") return null;
  return (
    <Dialog key={open.value} kind={open.value}>
      {open.value === "keys" ? <Keys /> : <Palette />}
    </Dialog>
  );
}

const close = (): void => {
  open.value = "";
};

function Dialog({ kind, children }: { kind: "keys" | "palette"; children: preact.ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  // before the next key is pressed, else its letter would be taken for a command
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    dialog.current?.showModal();
    return () => before?.focus();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-label={kind === "keys" ? "Keys" : "Palette"}
      onClose={() => open.value === kind && close()} // told late: the other may be open by then
      onClick={(event) => event.target === dialog.current && close()}
      onKeyDown={(event) => event.stopPropagation()}
    >
      {children}
    </dialog>
  );
}

function Keys() {
  const keys = allKeys();
  const groups = [...new Set(keys.map((key) => key.group))];
  return (
    <>
      <div class="panel-head">
        <h2>Keys</h2>
        <button onClick={close}>
          close <kbd>Esc</kbd>
        </button>
      </div>
      <div class="key-groups">
        {groups.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            {[...titled(keys.filter((key) => key.group === group))].map(([title, mine]) => (
              <div class="row" key={title}>
                <span>{title}</span>
                <span data-keys={mine.join(",")}>
                  {(mine.length > 4 ? [`${mine[0]}–${mine[mine.length - 1]}`] : mine)
                    .flatMap((each) => each.split(" "))
                    .map((part) => (
                      <kbd key={part}>{SIGNS[part] ?? part}</kbd>
                    ))}
                </span>
              </div>
            ))}
          </section>
        ))}
      </div>
    </>
  );
}

const SIGNS: Record<string, string> = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  "Shift-ArrowLeft": "Shift-←",
  "Shift-ArrowRight": "→",
  "Shift-ArrowUp": "↑",
  "Shift-ArrowDown": "↓",
  Escape: "Esc",
  PageDown: "PgDn",
  PageUp: "PgUp",
};

/** What does the same stands in one line. */
function titled(keys: readonly Key[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { title, keys: each } of keys) found.set(title, [...new Set([...(found.get(title) ?? []), each])]);
  return found;
}

const unique = (keys: readonly Key[]): Key[] => [...new Map(keys.map((key) => [key.keys, key])).values()];

interface Entry {
  title: string;
  hint: string;
  run: () => void;
}

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** Who is known, by the query that asks for it alone. */
const names = signal<ReadonlyMap<string, string>>(new Map());
const HELD_MS = 3_600_000;

/** Asks the server who there is, so that the palette knows names on every screen. Comes out: what ends the asking. */
function askNames(): () => void {
  const asking = ["namespace", "workload", "pod"].map((scope) => {
    const live = new Live((frame, texts) => {
      const told = sceneOf(frame, texts).nodes.filter((node: MapNode) => node.query && node.kind !== MORE);
      names.value = new Map([...names.value, ...told.map((node): [string, string] => [node.query, node.name])]);
      live.pause(true); // once is enough
    });
    live.update({ view: "map", query: "", scope, time: { mode: "live", window_ms: HELD_MS }, max_rows: 500 });
    return live;
  });
  return () => {
    for (const live of asking) live.close();
  };
}

function onlyNamed(title: string, query: string): Entry {
  const pairs = pairsOf(query);
  return { title, hint: `only ${pairs.map((pair) => pair.join("=")).join(" ")}`, run: () => only(pairs) };
}

function entries(text: string): Entry[] {
  const low = text.trim().toLowerCase();
  const found: Entry[] = [];
  if (UUID.test(text.trim()))
    found.push({ title: `flow ${text.trim()}`, hint: "open", run: () => select(`flow:${text.trim().toLowerCase()}`) });
  for (const screen of SCREENS)
    found.push({ title: screen[0].toUpperCase() + screen.slice(1), hint: "screen", run: () => goScreen(screen) });
  if (low) found.push(...[...names.value].map(([query, title]) => onlyNamed(title, query)));
  for (const key of unique(allKeys())) found.push({ title: key.title, hint: key.keys, run: () => key.run(null) });
  const hits = found.filter(
    (entry) => `${entry.title} ${entry.hint}`.toLowerCase().includes(low) || UUID.test(text.trim()),
  );
  const starts = (entry: Entry): number => Number(low !== "" && entry.title.toLowerCase().startsWith(low));
  hits.sort((a, b) => starts(b) - starts(a));
  if (low && !UUID.test(low))
    hits.push({
      title: `filter by ${text.trim()}`,
      hint: "a term, address, port, name, command or URL",
      run: () => void take(text),
    });
  return hits.slice(0, 14);
}

async function take(text: string): Promise<void> {
  try {
    await apply(text);
  } catch (error) {
    note(error instanceof ApiError ? `${error.message}. ${error.wayOn}` : String(error));
  }
}

function Palette() {
  const [text, write] = useState("");
  const [active, activate] = useState(0);
  useEffect(askNames, []);
  const found = entries(text);
  useEffect(() => document.getElementById(`palette-${active}`)?.scrollIntoView({ block: "nearest" }), [active]);
  const run = (at: number): void => {
    close();
    found[at]?.run();
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown") activate((active + 1) % found.length);
    else if (event.key === "ArrowUp") activate((active + found.length - 1) % found.length);
    else if (event.key === "Enter") run(active);
    else return;
    event.preventDefault();
  };
  return (
    <div class="palette">
      <input
        value={text}
        placeholder="a screen, a name, an address, a uuid, or a whole hubble observe … command"
        aria-label="Go to"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-options"
        aria-activedescendant={found.length ? `palette-${active}` : undefined}
        onInput={(event) => {
          write(event.currentTarget.value);
          activate(0);
        }}
        onKeyDown={key}
      />
      <div id="palette-options" role="listbox" aria-label="What it may be">
        {found.map((entry, i) => (
          <div
            key={`${entry.title}${entry.hint}`}
            id={`palette-${i}`}
            role="option"
            aria-selected={i === active}
            onClick={() => run(i)}
          >
            <span>{entry.title}</span> <span class="quiet">{entry.hint}</span>
          </div>
        ))}
      </div>
    </div>
  );
}
