/** What lines mean, below the map: what grows and shrinks stands here, since above it would push the map about. */

import type { ComponentChildren } from "preact";
import { Icon } from "../icons";
import { DASHES, WIDTHS } from "./draw";
import { VERDICTS } from "./scene";
import { type Metric, STEPS } from "./style";

export function Legend({ metric, children }: { metric: Metric; children: ComponentChildren }) {
  const steps = STEPS[metric];
  return (
    <div class="legend" aria-label="Legend" role="note">
      {[1, 2, 3, 4, 0].map((verdict) => (
        <span key={verdict} class={`v-${VERDICTS[verdict].name}`}>
          <svg width="30" height="10" aria-hidden="true">
            {verdict === 3 ? (
              <path d="M0 3H30M0 7H30" stroke="currentColor" stroke-width="1.6" />
            ) : (
              <path
                d="M0 5H30"
                stroke="currentColor"
                stroke-width={verdict === 2 ? 3 : 2}
                stroke-dasharray={DASHES[verdict].join(" ")}
              />
            )}
          </svg>
          {VERDICTS[verdict].glyph} {VERDICTS[verdict].word}
        </span>
      ))}
      <span class="quiet">
        {WIDTHS.map((width, i) => (
          <span key={width}>
            <svg width="16" height="8" aria-hidden="true">
              <path d="M0 4H16" stroke="currentColor" stroke-width={width} />
            </svg>
            {i === 0 ? `<${steps.words(steps.least[0])}` : `≥${steps.words(steps.least[i - 1])}`}
          </span>
        ))}
      </span>
      <span class="quiet">
        <Icon name="lock" /> encrypted
      </span>
      {children}
    </div>
  );
}
