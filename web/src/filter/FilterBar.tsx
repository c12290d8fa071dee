/** The filter: chips, what is typed or pasted, and the same as a command. */

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ApiError, ask } from "../api";
import { Icon } from "../icons";
import { register } from "../keys";
import {
  badFilter,
  type Chip,
  copy,
  go,
  good,
  joined,
  meta,
  type Parsed,
  place,
  settled,
  turnChip,
  withoutChip,
} from "../state";
import { type Pair, pairsOf, read } from "../url";
import { completions } from "./completion";

const REPLACES = /^\s*(\$\s*)?((rubin|hubble)\s|https?:\/\/)/;
const WAIT_MS = 150;
const focusRequests = signal(0);

/** Puts the cursor where filters are written. */
export const focusFilter = (): void => {
  focusRequests.value += 1;
};

/** Takes what was typed as a filter; a command or a URL takes the place of the filter. Throws ApiError. */
export async function apply(text: string): Promise<void> {
  const parsed = await ask<Parsed>("parse", [["text", text]]);
  const pairs = pairsOf(parsed.query);
  const { rest } = parsed;
  const restPairs = Object.entries(rest).filter((pair): pair is Pair => typeof pair[1] === "string");
  if (!REPLACES.test(text)) return go({ filter: joined(place.value.filter, pairs) });
  const timed = read("/map", `?${new URLSearchParams(restPairs)}`).time;
  const view = /^\s*https?:/.test(text) ? read(...partsOf(text.trim())).view : place.value.view;
  const screen = /^\s*https?:/.test(text) ? read(...partsOf(text.trim())).screen : place.value.screen;
  go({ screen, filter: pairs, time: timed, view });
}

function partsOf(text: string): [string, string] {
  const url = new URL(text);
  return [url.pathname, url.search];
}

export function FilterBar() {
  return (
    <div class={`filter-bar ${badFilter.value ? "bad" : ""}`} role="search">
      <div class="chips">
        {good.value.chips.map((chip) => (
          <ChipView chip={chip} key={chip.text} />
        ))}
        <Unknown />
        <Input />
      </div>
      <Command />
      {badFilter.value && (
        <div class="filter-error" role="alert">
          <strong>{badFilter.value.message}</strong> <span>{badFilter.value.wayOn}</span>{" "}
          <button onClick={() => go({ filter: pairsOf(good.value.query) })}>back to the last good filter</button>
        </div>
      )}
    </div>
  );
}

function ChipView({ chip }: { chip: Chip }) {
  return (
    <span class={`chip ${chip.not ? "not" : ""}`}>
      <button class="chip-text" title={chip.not ? "include instead" : "exclude instead"} onClick={() => turnChip(chip)}>
        {chip.not && <i>not </i>}
        <i>
          {chip.name}
          {chip.value && "="}
        </i>
        {chip.value}
      </button>
      <button class="chip-close" aria-label={`remove ${chip.text}`} onClick={() => withoutChip(chip)}>
        <Icon name="close" />
      </button>
    </span>
  );
}

/** What the URL asks for and this version does not know: kept, said, and not obeyed. */
function Unknown() {
  const known = new Set(pairsOf(good.value.query).map(([name]) => name));
  const unknown =
    badFilter.value || !settled.value
      ? []
      : place.value.filter.filter(([name]) => !known.has(name) && name !== "debug");
  return (
    <>
      {unknown.map(([name, value]) => (
        <span class="chip not quiet" key={name + value}>
          <span class="chip-text" title="this version does not know this filter: it is not obeyed">
            not known: {name}={value}
          </span>
          <button
            class="chip-close"
            aria-label={`remove ${name}=${value}`}
            onClick={() => go({ filter: place.value.filter.filter((pair) => pair[0] !== name || pair[1] !== value) })}
          >
            <Icon name="close" />
          </button>
        </span>
      ))}
    </>
  );
}

function Input() {
  const input = useRef<HTMLInputElement>(null);
  const [text, write] = useState("");
  const [told, tell] = useState<{ error: ApiError | null; guess: string }>({ error: null, guess: "" });
  const [active, activate] = useState(-1);
  const [open, opened] = useState(false);
  const options = open ? completions(text, meta.value?.filters ?? []) : [];
  // before the next key is pressed, else its letter would be taken for a command
  useLayoutEffect(() => {
    if (focusRequests.value) input.current?.focus();
  }, [focusRequests.value]);
  useEffect(() => {
    tell({ error: null, guess: "" });
    if (!text.trim() || options.length) return;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      ask<Parsed>("parse", [["text", text]], stop.signal).then(
        (parsed) => tell({ error: null, guess: parsed.guess }),
        (error) => error instanceof ApiError && tell({ error, guess: "" }),
      );
    }, WAIT_MS);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [text]);
  const commit = async (what: string): Promise<void> => {
    if (!what.trim()) return;
    try {
      await apply(what);
      write("");
      activate(-1);
    } catch (error) {
      tell({ error: error instanceof ApiError ? error : new ApiError(String(error), "", 0), guess: "" });
    }
  };
  const choose = (at: number): void => {
    const option = options[at];
    activate(-1);
    if (option.whole) void commit(option.text);
    else write(option.text);
    input.current?.focus();
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!options.length) return;
      activate((active + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length);
    } else if (event.key === "Tab" && active >= 0) choose(active);
    else if (event.key === "Enter") active >= 0 ? choose(active) : void commit(text);
    else if (event.key === "Backspace" && !text && good.value.chips.length)
      withoutChip(good.value.chips[good.value.chips.length - 1]);
    else if (event.key === "Escape") input.current?.blur();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <span class={`filter-input ${told.error ? "bad" : ""}`}>
      <input
        ref={input}
        value={text}
        size={Math.max(18, Math.min(80, text.length + 2))}
        placeholder="+ filter   /"
        aria-label="Filter: a term, an address, a port, a name, or a whole command"
        role="combobox"
        aria-expanded={options.length > 0}
        aria-controls="filter-options"
        aria-activedescendant={active >= 0 ? `filter-option-${active}` : undefined}
        aria-invalid={told.error !== null}
        aria-autocomplete="list"
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => {
          write(event.currentTarget.value);
          activate(-1);
          opened(true);
        }}
        onFocus={() => opened(true)}
        onBlur={() => opened(false)}
        onPaste={(event) => {
          const pasted = event.clipboardData?.getData("text/plain") ?? "";
          if (!REPLACES.test(pasted)) return;
          event.preventDefault();
          void commit(pasted).then(() => write((now) => now || ""));
        }}
        onKeyDown={key}
      />
      <div class="drop" hidden={!open || (!options.length && !told.error && !told.guess)}>
        {told.error && (
          <p class="v-dropped" role="alert">
            {told.error.message}
            <br />
            <span class="quiet">{told.error.wayOn}</span>
          </p>
        )}
        {told.guess && <p class="quiet">{told.guess} · Enter takes it</p>}
        <div id="filter-options" role="listbox" aria-label="Completions">
          {options.map((option, i) => (
            <div
              key={option.text}
              id={`filter-option-${i}`}
              role="option"
              aria-selected={i === active}
              onMouseDown={(event) => {
                event.preventDefault();
                choose(i);
              }}
            >
              <code>{option.text}</code> <span class="quiet">{option.help}</span>
            </div>
          ))}
        </div>
      </div>
    </span>
  );
}

function Command() {
  const { command } = good.value;
  useEffect(
    () =>
      register([
        { keys: "/", title: "write a filter", group: "Filter", run: focusFilter },
        {
          keys: "y c",
          title: "copy the command",
          group: "Filter",
          run: () => void copy(good.value.command, "command"),
        },
        { keys: "y l", title: "copy the link", group: "Filter", run: () => void copy(location.href, "link") },
        { keys: "u", title: "undo the last step", group: "Filter", run: () => history.back() },
      ]),
    [],
  );
  return (
    <div class="command">
      <code title={command}>$ {command}</code>
      <button onClick={() => void copy(command, "command")}>
        copy <kbd>y c</kbd>
      </button>
      <button onClick={() => void copy(location.href, "link")}>
        link <kbd>y l</kbd>
      </button>
    </div>
  );
}
