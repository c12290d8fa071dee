/** Nodes that someone put somewhere, as they stand in the URL: "1z141z3:120:-40,…", the id to the base of 36. */

import type { Positions } from "./cards";

const PIN = /^([0-9a-z]{1,7}):(-?\d{1,6}):(-?\d{1,6})$/;

/** Those that the text says; what is no pin is left out. */
export function pinsOf(text: string): Positions {
  const found: Positions = new Map();
  for (const part of text.split(",")) {
    const [, id, x, y] = PIN.exec(part) ?? [];
    if (id) found.set(Number.parseInt(id, 36), [Number(x), Number(y)]);
  }
  return found;
}

/** The parts of such a text that are no pin. */
export const noPins = (text: string): string[] => text.split(",").filter((part) => part && !PIN.test(part));

export function pinText(pins: Positions): string {
  return [...pins].map(([id, [x, y]]) => `${id.toString(36)}:${Math.round(x)}:${Math.round(y)}`).join(",");
}
