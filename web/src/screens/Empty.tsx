/** Why nothing is shown: the first true cause in the server's words, with its remedy. */

import { useEffect, useState } from "preact/hooks";
import { useAsk } from "../api";
import { go, good, goodPairs, settled, time } from "../state";
import { askedTime, pairsOf, read } from "../url";

interface Diagnosis {
  cause: string;
  sentence: string;
  way_on: string;
  remedy: null | { label: string; query?: string; path?: string };
}

const PATIENCE_MS = 4000;

/** `arrived`: whether an answer has come at all; without one nothing is said for a while. */
export function Empty({ view, arrived = true }: { view: string; arrived?: boolean }) {
  const [late, isLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => isLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  const pairs = [...goodPairs.value, ...askedTime(time.value), ["view", view] as [string, string]];
  const { data, error } = useAsk<Diagnosis>(settled.value ? "diagnose" : "", pairs, 3000);
  if (!settled.value || (!arrived && !late) || (!data && !error))
    return (
      <div class="empty quiet" role="status">
        asking…
      </div>
    );
  if (error)
    return (
      <div class="empty" role="status">
        <strong>{error.message}</strong>
        <span>{error.wayOn}</span>
      </div>
    );
  const { sentence, way_on, remedy } = data as Diagnosis;
  return (
    <div class="empty" role="status">
      <strong>{sentence || "nothing to show yet"}</strong>
      {way_on && <span>{way_on}</span>}
      {remedy && (
        <button class="primary" onClick={() => follow(remedy)}>
          {remedy.label}
        </button>
      )}
      {!remedy && good.value.chips.length > 0 && <button onClick={() => go({ filter: [] })}>without the filter</button>}
    </div>
  );
}

function follow(remedy: { query?: string; path?: string }): void {
  if (remedy.path !== undefined && remedy.path !== "") {
    const url = new URL(remedy.path, location.href);
    go(read(url.pathname, url.search));
  } else go({ filter: pairsOf(remedy.query ?? "") });
}
