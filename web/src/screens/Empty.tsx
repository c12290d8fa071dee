/** Why nothing is shown: the first true cause in the server's words, with its remedy. */

import { useEffect, useState } from "preact/hooks";
import { useAsk } from "../api";
import { announce, go, good, goodPairs, place, settled, time, view as looked } from "../state";
import { askedTime, type Pair, read } from "../url";

interface Remedy {
  label: string;
  /** Filter and time to go to. */
  query?: string;
  /** A page to go to. */
  path?: string;
  /** Keys of the view to leave out. */
  view?: string[];
}
interface Diagnosis {
  cause: string;
  sentence: string;
  way_on: string;
  remedy: null | Remedy;
}

const PATIENCE_MS = 4000;
/** Keys of the view that hide some of what there is. */
const HIDES = ["abnormal", "found", "focus"];

/** `arrived`: whether an answer has come at all; without one nothing is said for a while. */
export function Empty({ view, arrived = true }: { view: string; arrived?: boolean }) {
  const [late, isLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => isLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  const hides = HIDES.filter((name) => looked.value[name]).map((name): Pair => [`v.${name}`, looked.value[name]]);
  const pairs: Pair[] = [...goodPairs.value, ...askedTime(time.value), ["view", view], ...hides];
  const { data, error } = useAsk<Diagnosis>(settled.value ? "diagnose" : "", pairs, 3000);
  const waiting = !settled.value || (!arrived && !late) || (!data && !error);
  const why = error?.message ?? data?.sentence;
  // its numbers change all the time: only another cause is worth a word
  useEffect(() => {
    if (!waiting && why) announce(why);
  }, [waiting, error?.message ?? data?.cause]);
  if (waiting) return <div class="empty quiet">asking…</div>;
  const remedy = error ? null : data?.remedy;
  const wayOn = error ? error.wayOn : data?.way_on;
  return (
    <div class="empty">
      <strong>{why || "nothing to show yet"}</strong>
      {wayOn && <span>{wayOn}</span>}
      {remedy && (
        <button class="primary" onClick={() => follow(remedy)}>
          {remedy.label}
        </button>
      )}
      {!error && !remedy && good.value.chips.length > 0 && (
        <button onClick={() => go({ filter: [] })}>without the filter</button>
      )}
    </div>
  );
}

function follow({ path, query, view = [] }: Remedy): void {
  if (path) {
    const url = new URL(path, location.href);
    return go(read(url.pathname, url.search));
  }
  const kept = Object.fromEntries(Object.entries(place.value.view).filter(([name]) => !view.includes(name)));
  if (query === undefined) return go({ view: kept });
  const { filter, time } = read(location.pathname, `?${query}`);
  go({ filter, time, view: kept });
}
