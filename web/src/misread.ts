/** What of a link this page does not understand: from another version, or broken on its way. It opens all the same. */

import { cameraOf } from "./map/camera";
import { COLOURS } from "./map/colour";
import { noPins } from "./map/pins";
import { METRICS } from "./map/style";
import type { Meta } from "./state";
import { lengthMs, momentMs, read, SCREENS } from "./url";

type Known = Pick<Meta, "scopes" | "columns">;

/** The parts of a location that nothing is made of, as they stand there; what `known` would tell waits for it. */
export function misread(pathname: string, search: string, known: Known | null): string[] {
  const found: string[] = [];
  const [screen = ""] = pathname.split("/").filter(Boolean);
  if (screen && !(SCREENS as readonly string[]).includes(screen)) found.push(`the screen “${screen.slice(0, 40)}”`);
  if (!isWhole(search)) found.push("a broken % in the link");
  const query = new URLSearchParams(search);
  for (const name of ["since", "until", "at", "window"]) {
    const text = query.get(name);
    const isGood = name === "window" ? lengthMs : name === "since" ? either : momentMs;
    if (text && !isGood(text)) found.push(`${name}=${text.slice(0, 40)}`);
  }
  const [since, until] = [momentMs(query.get("since") ?? ""), momentMs(query.get("until") ?? "")];
  if (since >= until) found.push("an end before its beginning");
  return [...found, ...ofView(read(pathname, search).view, known)];
}

const either = (text: string): number => momentMs(text) || lengthMs(text);

function isWhole(search: string): boolean {
  try {
    return decodeURIComponent(`${search}.`) !== ""; // a result that is not looked at would be left out by the minifier
  } catch {
    return false;
  }
}

const ONE_OF: Record<string, (text: string) => boolean> = {
  colour: (text) => (COLOURS as readonly string[]).includes(text),
  metric: (text) => (METRICS as readonly string[]).includes(text),
  hops: (text) => /^[1-9]$/.test(text),
  focus: (text) => /^\d{1,10}$/.test(text),
  cam: (text) => cameraOf(text) !== null,
};

function ofView(view: Record<string, string>, known: Known | null): string[] {
  const found: string[] = [];
  for (const [name, isGood] of Object.entries(ONE_OF))
    if (view[name] && !isGood(view[name])) found.push(`v.${name}=${view[name].slice(0, 40)}`);
  if (noPins(view.pin ?? "").length) found.push(`${noPins(view.pin).length} of v.pin`);
  if (!known) return found;
  if (view.scope && !known.scopes.includes(view.scope)) found.push(`the scope “${view.scope.slice(0, 40)}”`);
  const columns = new Set(known.columns.map(({ name }) => name));
  for (const name of (view.cols ?? "").split(",").filter(Boolean))
    if (!columns.has(name)) found.push(`the column “${name.slice(0, 40)}”`);
  return found;
}
