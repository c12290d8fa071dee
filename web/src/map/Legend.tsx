/** What lines mean, below the map: what grows and shrinks stands here, since above it would push the map about. */

import type { ComponentChildren } from "preact";
import { Icon } from "../icons";
import { type Colour, LEGENDS, nameOf, STEP } from "./colour";
import { DASHES, WIDTHS } from "./draw";
import { type Metric, STEPS } from "./style";

export function Legend({ metric, colour, children }: { metric: Metric; colour: Colour; children: ComponentChildren }) {
  const steps = STEPS[metric];
  return (
    <div class="legend" aria-label="Legend" role="note">
      {LEGENDS[colour].map(([ink, words]) => (
        <span key={ink} class={ink < STEP ? nameOf(ink) : ""}>
          <svg width="30" height="10" aria-hidden="true" class={nameOf(ink)}>
            {ink === 3 ? (
              <path d="M0 3H30M0 7H30" stroke="currentColor" stroke-width="1.6" />
            ) : (
              <path
                d="M0 5H30"
                stroke="currentColor"
                stroke-width={ink === 2 ? 3 : 2}
                stroke-dasharray={DASHES[ink].join(" ")}
              />
            )}
          </svg>
          {words}
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
