/** What a filter that is being written may become. */

import type { FilterWord } from "../state";

export interface Completion {
  text: string;
  help: string;
  /** Whether the text is a whole term. */
  whole: boolean;
}

const MOST = 8;

export function completions(text: string, words: FilterWord[]): Completion[] {
  if (/\s(?!.*=)/.test(text.replace(/^\s*not\s+/, "")) || /^\s*(rubin|hubble|https?:)/.test(text)) return [];
  const not = /^\s*not\s+/.test(text) ? "not " : "";
  const bare = text.trim().replace(/^not\s+/, "");
  const [name, value] = bare.split("=", 2);
  if (value !== undefined) return values(not, name, value, words);
  const low = name.toLowerCase();
  if (!low && !not) return [];
  const rank = (word: FilterWord): number => {
    if (word.name === low || word.short === low) return 0;
    if (word.name.startsWith(low)) return 1;
    return word.name.includes(low) ? 2 : word.help.toLowerCase().includes(low) && low.length > 2 ? 3 : 9;
  };
  return words
    .map((word) => ({ word, at: rank(word) }))
    .filter(({ at }) => at < 9)
    .sort((a, b) => a.at - b.at)
    .slice(0, MOST)
    .map(({ word }) => ({
      text: `${not}${word.name}${word.metavar ? "=" : ""}`,
      help: word.help,
      whole: word.metavar === "",
    }));
}

function values(not: string, name: string, value: string, words: FilterWord[]): Completion[] {
  const word = words.find((each) => each.name === name);
  return (word?.choices ?? [])
    .filter((choice) => choice.toLowerCase().startsWith(value.toLowerCase()))
    .slice(0, MOST + 4)
    .map((choice) => ({ text: `${not}${name}=${choice}`, help: "", whole: true }));
}
