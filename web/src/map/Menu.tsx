/** The menu of a node or an edge: by the right button, Shift-F10 or the menu key; arrows, a first letter, Enter, Esc. */

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { type Act, actsOf } from "./acts";
import type { MapModel, Spot } from "./model";

interface Opened {
  x: number;
  y: number;
  name: string;
  acts: Act[];
  /** What had the focus before, and gets it back. */
  back: HTMLElement | null;
}

const shown = signal<Opened | null>(null);

/** What can be done with a node or an edge, at a point of the window. */
export function openMenu(model: MapModel, spot: Spot, x: number, y: number): void {
  const { name, acts } = actsOf(model, spot);
  openActs(name, acts, x, y);
}

/** A menu of anything. */
export function openActs(name: string, acts: Act[], x: number, y: number): void {
  const back = shown.peek()?.back ?? (document.activeElement as HTMLElement | null);
  shown.value = acts.length ? { x, y, name, acts, back } : null;
}

/** A button that shows a menu below itself. */
export function MenuButton({ title, acts }: { title: string; acts: Act[] }) {
  return (
    <button
      aria-haspopup="menu"
      onClick={(event) => {
        const { left, bottom } = event.currentTarget.getBoundingClientRect();
        openActs(title, acts, left, bottom + 2);
      }}
    >
      {title}
    </button>
  );
}

export function closeMenu(): void {
  const back = shown.peek()?.back;
  shown.value = null;
  back?.focus();
}

/** There is one on the page. */
export function ContextMenu() {
  const now = shown.value;
  return now && <Menu now={now} key={`${now.name} ${now.x} ${now.y}`} />;
}

function Menu({ now }: { now: Opened }) {
  const list = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const box = list.current as HTMLDivElement;
    const { width, height } = box.getBoundingClientRect();
    box.style.left = `${Math.max(4, Math.min(now.x, innerWidth - width - 4))}px`;
    box.style.top = `${Math.max(4, Math.min(now.y, innerHeight - height - 4))}px`;
    (box.querySelector("[role=menuitem]") as HTMLElement | null)?.focus();
  }, []);
  useEffect(() => {
    const outside = (event: Event): void => {
      if (!list.current?.contains(event.target as Node)) shown.value = null;
    };
    addEventListener("pointerdown", outside, true);
    addEventListener("blur", closeMenu);
    addEventListener("resize", closeMenu);
    return () => {
      removeEventListener("pointerdown", outside, true);
      removeEventListener("blur", closeMenu);
      removeEventListener("resize", closeMenu);
    };
  }, []);
  const key = (event: KeyboardEvent): void => {
    const items = [...(list.current as HTMLDivElement).querySelectorAll<HTMLElement>("[role=menuitem]")];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const last = items.length - 1;
    const to = { ArrowDown: at < last ? at + 1 : 0, ArrowUp: at > 0 ? at - 1 : last, Home: 0, End: last }[event.key];
    event.stopPropagation(); // no key of the page means anything meanwhile
    if (event.key === "Enter" || event.key === " ") return;
    event.preventDefault();
    if (to !== undefined) items[to].focus();
    else if (event.key === "Escape" || event.key === "Tab") closeMenu();
    else if (event.key.length === 1) {
      const order = [...now.acts.keys()].map((i) => (at + 1 + i) % items.length);
      const next = order.find((i) => now.acts[i].title.startsWith(event.key.toLowerCase()));
      if (next !== undefined) items[next].focus();
    }
  };
  return (
    <div
      class="context-menu"
      role="menu"
      aria-label={now.name}
      ref={list}
      onKeyDown={key}
      onContextMenu={(event) => event.preventDefault()}
    >
      {now.acts.map((act) => (
        <button
          key={act.title}
          role="menuitem"
          tabIndex={-1}
          onClick={() => {
            closeMenu();
            act.run();
          }}
        >
          <span>{act.title}</span> {act.keys && <kbd>{act.keys}</kbd>}
        </button>
      ))}
    </div>
  );
}
