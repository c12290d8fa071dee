/** What several screens show alike. */

import type { ComponentChildren } from "preact";
import type { ApiError } from "../api";
import { go, place } from "../state";
import { type Pair, pairsOf } from "../url";

/** A small picture of counts. */
export function Spark({ counts, label }: { counts: number[]; label: string }) {
  const most = Math.max(1, ...counts);
  const bars = counts.map((n, i) => (n ? `M${i * 4 + 1.5} 20V${20 - Math.max(2, (n / most) * 18)}` : "")).join("");
  return (
    <svg class="spark" width={counts.length * 4} height="20" role="img" aria-label={label}>
      <path d={bars || "M0 0"} stroke="currentColor" stroke-width="3" fill="none" />
    </svg>
  );
}

const NUMBERS = new Set(["rate", "asked", "count", "requests", "errors", "p50", "p95", "p99", "up", "complete", "flows", "lost events"]);

/** The head of a table; numbers stand right. `does`: a last column has buttons. */
export function Heads({ names, does = false }: { names: string[]; does?: boolean }) {
  return (
    <thead>
      <tr>
        {names.map((name) => (
          <th key={name} scope="col" class={NUMBERS.has(name) ? "number" : undefined}>
            {name}
          </th>
        ))}
        {does && (
          <th scope="col">
            <span class="unseen">do</span>
          </th>
        )}
      </tr>
    </thead>
  );
}

export function Problem({ error }: { error: ApiError | null }) {
  if (!error) return null;
  return (
    <div class="problem" role="alert">
      <strong>{error.message}</strong> <span>{error.wayOn}</span>
    </div>
  );
}

/** Goes to the flows that a query names. */
export function showFlows(query: string): void {
  go({ screen: "flows", filter: pairsOf(query), view: {} });
}

/** The filter of the page and another one. */
export const withFilter = (query: string): Pair[] => [...place.value.filter, ...pairsOf(query)];

export function Section({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

/** A row that opens by click and by Enter. */
export function OpenRow(props: { open: () => void; chosen: boolean; children: ComponentChildren; class?: string }) {
  return (
    <tr
      tabIndex={0}
      class={props.class}
      aria-selected={props.chosen}
      onClick={props.open}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || event.target !== event.currentTarget) return;
        event.preventDefault();
        event.stopPropagation();
        props.open();
      }}
    >
      {props.children}
    </tr>
  );
}
