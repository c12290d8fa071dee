/** What lies over the page: the palette, the keys, the offer of a bundle. */

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ApiError, ask } from "./api";
import { offer, offerBundle, saveBundle } from "./files";
import { apply } from "./filter/FilterBar";
import { allKeys, type Key, register } from "./keys";
import { only } from "./map/acts";
import { goScreen, note, select, utc } from "./state";
import { bytes, count, moment } from "./units";
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
        { keys: "y b", title: "save what is shown as a bundle", group: "Filter", run: () => void offerBundle() },
      ]),
    [],
  );
  const kind = offer.value ? "bundle" : open.value;
  if (kind === "") return null;
  return (
    <Dialog key={kind} kind={kind}>
      {kind === "keys" ? <Keys /> : kind === "palette" ? <Palette /> : <Bundle />}
    </Dialog>
  );
}

const close = (): void => {
  open.value = "";
  offer.value = null;
};

type Kind = "keys" | "palette" | "bundle";

function Dialog({ kind, children }: { kind: Kind; children: preact.ComponentChildren }) {
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
      aria-label={`${kind[0].toUpperCase()}${kind.slice(1)}`}
      onClose={() => (kind === "bundle" || open.value === kind) && close()} // told late: the other may be open by then
      onClick={(event) => event.target === dialog.current && close()}
      onKeyDown={(event) => event.stopPropagation()}
    >
      {children}
    </dialog>
  );
}

/** How much it is, before it is saved. */
function Bundle() {
  const told = offer.value;
  if (!told) return null;
  return (
    <>
      <div class="panel-head">
        <h2>Save what is shown</h2>
        <button onClick={close}>
          close <kbd>Esc</kbd>
        </button>
      </div>
      <p>
        {count(told.flows)} flows from {moment(told.since_ms, utc.value)} to {moment(told.until_ms, utc.value)}, about{" "}
        {bytes(told.bytes)}, with this page’s filter, time and view
      </p>
      <p class="quiet">
        <code>rubin ui FILE.rubinz</code> opens it anywhere, without a server
      </p>
      <button class="primary" onClick={() => saveBundle(told)} autofocus>
        save the bundle
      </button>
    </>
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

const TYPING_MS = 120;
const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

interface Named {
  name: string;
  kind: string;
  query: string;
}
/** Who was found since the palette is open, by the query that asks for it alone. */
const names = signal<ReadonlyMap<string, Named>>(new Map());
/** Ends when what was typed last is answered, or asked no more. */
let answered: Promise<void> = Promise.resolve();

/** Asks the server who is called so: it knows everybody who is held, on every screen. Comes out: what ends the asking. */
function askNames(text: string): () => void {
  const stop = new AbortController();
  answered = new Promise((end) => {
    const timer = setTimeout(async () => {
      try {
        const { names: found } = await ask<{ names: Named[] }>("names", [["text", text]], stop.signal);
        names.value = new Map([...names.value, ...found.map((one): [string, Named] => [one.query, one])]);
      } catch (error) {
        if (!stop.signal.aborted) console.info("names are not known", error); // the palette goes on without
      }
      end();
    }, TYPING_MS);
    stop.signal.onabort = () => {
      clearTimeout(timer);
      end();
    };
  });
  return () => stop.abort();
}

function onlyNamed({ name, kind, query }: Named): Entry {
  const pairs = pairsOf(query);
  const hint = `${kind}, only ${pairs.map((pair) => pair.join("=")).join(" ")}`;
  return { title: name, hint, run: () => only(pairs) };
}

function entries(text: string): Entry[] {
  const low = text.trim().toLowerCase();
  const found: Entry[] = [];
  if (UUID.test(text.trim()))
    found.push({ title: `flow ${text.trim()}`, hint: "open", run: () => select(`flow:${text.trim().toLowerCase()}`) });
  for (const screen of SCREENS)
    found.push({ title: screen[0].toUpperCase() + screen.slice(1), hint: "screen", run: () => goScreen(screen) });
  if (low) found.push(...[...names.value.values()].map(onlyNamed));
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
  const wanted = text.trim();
  useLayoutEffect(() => (wanted ? askNames(wanted) : undefined), [wanted]);
  useEffect(() => {
    names.value = new Map(); // who was held when it was opened last may be gone
  }, []);
  const found = entries(text);
  useEffect(() => document.getElementById(`palette-${active}`)?.scrollIntoView({ block: "nearest" }), [active]);
  const run = async (at: number): Promise<void> => {
    await answered; // who types on and presses Enter means what will stand there
    if (open.peek() !== "palette") return;
    close();
    entries(text)[at]?.run();
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown") activate((active + 1) % found.length);
    else if (event.key === "ArrowUp") activate((active + found.length - 1) % found.length);
    else if (event.key === "Enter") void run(active);
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
            onClick={() => void run(i)}
          >
            <span>{entry.title}</span> <span class="quiet">{entry.hint}</span>
          </div>
        ))}
      </div>
    </div>
  );
}
