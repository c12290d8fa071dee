import { expect, test } from "vitest";
import { completions } from "../src/filter/completion";

const word = (name: string, metavar: string, choices: string[] = [], short = "") => ({
  name,
  short,
  metavar,
  help: `by ${name}`,
  choices,
  own: false,
});
const words = [
  word("verdict", "VERDICT", ["FORWARDED", "DROPPED"]),
  word("to-port", "PORT"),
  word("port", "PORT"),
  word("encrypted", ""),
  word("namespace", "NS", [], "n"),
];
const texts = (text: string): string[] => completions(text, words).map((each) => each.text);

test.each([
  ["po", ["port=", "to-port="]],
  ["not enc", ["not encrypted"]],
  ["n", ["namespace=", "encrypted"]],
  ["verdict=d", ["verdict=DROPPED"]],
  ["not verdict=", ["not verdict=FORWARDED", "not verdict=DROPPED"]],
  ["", []],
  ["rubin observe --verdict", []],
  ["nonsense", []],
])("%s may become %j", (text, wanted) => expect(texts(text)).toEqual(wanted));
