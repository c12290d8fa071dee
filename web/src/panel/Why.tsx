/** Why it is so, in the words of `rubin explain`. */

import { useEffect } from "preact/hooks";
import { useAsk } from "../api";
import { register } from "../keys";
import { Problem, Section } from "../screens/parts";
import { copy, look, paused, view } from "../state";
import type { Pair } from "../url";

interface Explanation {
  sections: { title: string; lines: string[] }[];
  text: string;
}

let told = "";
const copyTold = (): void => {
  if (told) void copy(told, "explanation");
};
export const registerWhy = (): (() => void) =>
  register([{ keys: "y e", title: "copy the explanation", group: "Panel", run: copyTold, when: () => told !== "" }]);

/** The explanation, as `rubin explain` prints it. */
export function Why({ asked, open }: { asked: Pair[]; open: boolean }) {
  const shown = open || view.value.why === "1";
  const live = asked[0][0] !== "uuid" && !paused.value;
  const { data, error, waiting } = useAsk<Explanation>(shown ? "explain" : "", asked, live ? 5000 : 0);
  useEffect(() => {
    told = (shown && data?.text) || "";
    return () => {
      told = "";
    };
  }, [shown, data]);
  if (!shown)
    return (
      <div class="buttons">
        <button onClick={() => look({ why: "1" })}>
          explain <kbd>e</kbd>
        </button>
      </div>
    );
  if (!data)
    return (
      <>
        {waiting && <p class="quiet">asking why…</p>}
        <Problem error={error} />
      </>
    );
  return (
    <div class="why">
      {data.sections.map((section) => (
        <Section title={section.title} key={section.title}>
          {section.lines.map((line, i) => (
            <p key={i}>{line}</p>
          ))}
        </Section>
      ))}
      <button onClick={copyTold}>
        copy as text <kbd>y e</kbd>
      </button>
    </div>
  );
}
