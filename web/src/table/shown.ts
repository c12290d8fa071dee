/**
 * Names as they are shown. They come from the network: none may turn what stands beside it round, or hide that it is
 * another than it seems to be.
 */

import { options } from "preact";

/** Marks that turn the direction of writing, controls, and letters without width that no script needs. */
const UNSEEN =
  /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u180e\u200b\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb]/g;
const LEFTWARDS = "\\u0590-\\u08ff\\u200f\\ufb1d-\\ufdff\\ufe70-\\ufefc\\u{10800}-\\u{10fff}\\u{1e800}-\\u{1efff}";
/** Where letters that are written from right to left end, but for a hyphen, "_" or "." between two of them. */
const END = new RegExp(`(?<=[${LEFTWARDS}])(?![${LEFTWARDS}\\p{M}]|[-_.]+[${LEFTWARDS}])`, "gu");
const TO_THE_RIGHT = "\u200e";
const PLAIN = /^[\x20-\x7e\u2010-\u2027\u2190-\u22ff]*$/;

const coded = (sign: string): string => {
  const code = sign.charCodeAt(0);
  return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
};

/** The text with such marks written out, and each name's direction ended with it: what follows goes on to the right. */
export const shown = (text: string): string =>
  PLAIN.test(text) ? text : text.replace(UNSEEN, coded).replace(END, TO_THE_RIGHT);

/** From now on every text that a component gives is shown so. */
export function showAll(): void {
  const before = options.vnode;
  options.vnode = (vnode) => {
    before?.(vnode);
    const node = vnode as { type: unknown; props: unknown };
    if (node.type === null && typeof node.props === "string") node.props = shown(node.props);
  };
}

