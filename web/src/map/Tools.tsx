/** What stands above the map. */

import type { RefObject } from "preact";
import { flowActs, mapFile } from "../files";
import { Icon } from "../icons";
import { look, meta, scope, view } from "../state";
import { plural } from "../units";
import { COLOURS, colourOf } from "./colour";
import { ALL } from "./islands";
import { MenuButton } from "./Menu";
import type { MapModel } from "./model";
import { hopsOf, isFound, METRICS, metricOf } from "./style";

const without = (value: string, usual: string): string => (value === usual ? "" : value);
/** What belongs to one scope alone. */
const OF_SCOPE = { sel: "", focus: "", hops: "", pin: "", cam: "", open: "", shut: "" };

export function Tools({ model, finder }: { model: MapModel; finder: RefObject<HTMLInputElement | null> }) {
  return (
    <div class="tools" role="toolbar" aria-label="Map">
      <label>
        scope{" "}
        <select
          value={scope.value}
          onChange={(event) => look({ ...OF_SCOPE, scope: without(event.currentTarget.value, "workload") }, "push")}
        >
          {(meta.value?.scopes ?? [scope.value]).map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      <label>
        width{" "}
        <select
          value={metricOf(view.value.metric)}
          onChange={(event) => look({ metric: without(event.currentTarget.value, "flows") })}
        >
          {METRICS.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      <label>
        colour{" "}
        <select
          value={colourOf(view.value.colour)}
          onChange={(event) => look({ colour: without(event.currentTarget.value, "verdict") })}
        >
          {COLOURS.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      <Toggle name="abnormal" keys="!" />
      <Toggle name="idle" keys="i" />
      {view.value.focus && (
        <button onClick={() => look({ focus: "", hops: "" })}>
          focus, {hopsOf(view.value.hops)} {hopsOf(view.value.hops) > 1 ? "hops" : "hop"} <Icon name="close" />
        </button>
      )}
      <Toggle name="table" keys="t" />
      <button onClick={() => model.fit()}>
        fit <kbd>z</kbd>
      </button>
      <label class="find">
        find <kbd>Ctrl-F</kbd>{" "}
        <input
          ref={finder}
          value={view.value.find ?? ""}
          size={14}
          placeholder="on the map"
          onInput={(event) => look({ find: event.currentTarget.value })}
        />
      </label>
      <Found model={model} />
      <MenuButton title="export" acts={files(model)} />
      {view.value.table === "1" && <Summary model={model} />}
    </div>
  );
}

const files = (model: MapModel) => [
  { title: "map as PNG", keys: "y p", run: () => void mapFile(model, "png") },
  { title: "map as SVG", keys: "y s", run: () => void mapFile(model, "svg") },
  ...flowActs,
];

function Toggle({ name, keys }: { name: string; keys: string }) {
  const on = view.value[name] === "1";
  return (
    <button aria-pressed={on ? "true" : "false"} onClick={() => look({ [name]: on ? "" : "1" })}>
      {name} <kbd>{keys}</kbd>
    </button>
  );
}

function Found({ model }: { model: MapModel }) {
  const find = (view.value.find ?? "").toLowerCase();
  if (!find) return null;
  const found = model.scene.value.nodes.filter((node) => isFound(node, find)).length;
  return (
    <span class="quiet">
      {found} found <kbd>n</kbd>
    </span>
  );
}

/** How much there is, and how much of it is not drawn one by one. */
export function Summary({ model }: { model: MapModel }) {
  const { folded, summary, nodes } = model.scene.value;
  const islands = nodes.filter((node) => node.island).length;
  return (
    <span class="quiet summary">
      {summary}
      {folded.nodes > 0 && ` · ${folded.nodes} nodes and ${folded.edges} connections folded into “more”`}
      {islands > 0 && ` · ${plural(islands, "namespace")} closed `}
      {islands > 0 && (
        <button
          onClick={() => {
            look({ open: ALL, shut: "" });
            model.layAnew();
          }}
        >
          open all
        </button>
      )}
    </span>
  );
}
