/** The one table of keys: what listens, what the overlay "?" shows and what the palette offers. */

export interface Key {
  /** As `KeyboardEvent.key` names it; two with a blank between are pressed one after the other. */
  keys: string;
  title: string;
  group: "Go" | "Filter" | "Time" | "Map" | "Lists" | "Panel" | "Page";
  run: (event: KeyboardEvent | null) => void;
  /** Whether it means something now; always, where this is left out. */
  when?: () => boolean;
}

const table: Key[] = [];

export const allKeys = (): readonly Key[] => table;

/** Adds keys to the table. Comes out: what takes them away. */
export function register(keys: Key[]): () => void {
  table.push(...keys);
  return () => {
    for (const key of keys) table.splice(table.indexOf(key), 1);
  };
}

let chord = "";
let chordMs = 0;
const CHORD_MS = 1200;

const writes = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

function pressed(event: KeyboardEvent): string {
  const name = event.key === " " ? "Space" : event.key;
  if (event.ctrlKey || event.metaKey) return `Ctrl-${name.length === 1 ? name.toUpperCase() : name}`;
  return event.shiftKey && name.length > 1 ? `Shift-${name}` : name;
}

/** Runs what a key stands for. Nothing of one letter means anything while someone writes. */
export function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.altKey || /^(Shift|Control|Meta|Alt)$/.test(event.key)) return;
  const name = pressed(event);
  if (writes(event.target) && !name.startsWith("Ctrl-") && name !== "Escape") return;
  const onControl = event.target instanceof HTMLElement && event.target.closest("button,a,summary,[role=option]");
  if (onControl && (name === "Enter" || name === "Space")) return;
  const both = performance.now() - chordMs < CHORD_MS && chord ? `${chord} ${name}` : "";
  const find = (keys: string): Key | undefined => table.findLast((key) => key.keys === keys && (key.when?.() ?? true));
  const hit = (both && find(both)) || find(name);
  if (hit) {
    chord = "";
    event.preventDefault();
    hit.run(event);
    return;
  }
  chord = table.some((key) => key.keys.startsWith(`${name} `)) ? name : "";
  chordMs = performance.now();
}
