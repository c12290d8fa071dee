/** The map with its tools and its legend; or the same as a table. */

import { effect as effectOf, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Icon } from "../icons";
import { register } from "../keys";
import { Live } from "../live";
import { MapCanvas, selectedId } from "../map/MapCanvas";
import { MapModel } from "../map/model";
import { abnormalEdge, sceneOf, VERDICTS } from "../map/scene";
import { type Metric, METRICS, STEPS } from "../map/style";
import { Tree } from "../map/Tree";
import { Empty } from "./Empty";
import { announce, good, look, meta, paused, place, scope, selection, settled, time, view } from "../state";
import { liveTime } from "../url";

let only: MapModel | null = null;
/** The one map of the page: its places outlast a look at another screen. */
export const mapModel = (): MapModel => {
  only ??= new MapModel();
  return only;
};

export function MapScreen() {
  const model = mapModel();
  useEffect(() => subscribe(model), []);
  useSignalEffect(() => {
    model.scopeIs(scope.value);
    const metric = (METRICS as readonly string[]).includes(view.value.metric) ? (view.value.metric as Metric) : "flows";
    model.wishIs({
      metric,
      abnormal: view.value.abnormal === "1",
      focus: Number(view.value.focus) || 0,
      hops: Number(view.value.hops) || 1,
      selected: selectedId(selection.value, "node") || selectedId(selection.value, "edge"),
    });
  });
  useEffect(() => keysOf(), []);
  const scene = model.scene.value;
  const asTable = view.value.table === "1";
  return (
    <section class="map" aria-label="Map">
      <Tools />
      {asTable ? <Tree scene={scene} /> : <MapCanvas model={model} summary={scene.summary} />}
      {scene.nodes.length === 0 && <Empty view="map" arrived={scene.tickMs > 0} />}
      {!asTable && <Legend />}
      <Focused />
    </section>
  );
}

function subscribe(model: MapModel): () => void {
  let dropping = -1;
  const live = new Live((frame, texts) => {
    const scene = sceneOf(frame, texts);
    model.show(scene);
    const now = scene.edges.filter((edge) => edge.verdict === 2).length;
    if (dropping >= 0 && now > dropping) announce(`a connection began to drop: ${scene.summary}`);
    dropping = now;
  });
  const ends = [
    effectOf(() => {
      if (!settled.value) return;
      live.update({
        view: "map",
        query: good.value.query,
        scope: scope.value,
        time: liveTime(time.value),
        max_rows: 500,
      });
    }),
    effectOf(() => live.pause(paused.value)),
  ];
  return () => {
    for (const end of ends) end();
    live.close();
  };
}

function keysOf(): () => void {
  const when = (): boolean => place.value.screen === "map";
  const key = (keys: string, title: string, run: () => void) => ({ keys, title, run, group: "Map" as const, when });
  const hops = [..."123456789"].map((n) =>
    key(n, "in the focus: so many hops away", () => view.value.focus && look({ hops: n === "1" ? "" : n })),
  );
  return register([
    key("t", "the map as a table, and back", () => look({ table: view.value.table ? "" : "1" })),
    key("!", "only what is abnormal", () => look({ abnormal: view.value.abnormal ? "" : "1" })),
    key("f", "focus on the selected node, and out", () => {
      const id = selectedId(selection.value, "node");
      look(view.value.focus || !id ? { focus: "", hops: "" } : { focus: String(id) });
    }),
    ...hops,
  ]);
}

function Tools() {
  const metric = view.value.metric || "flows";
  const pressed = (on: boolean): "true" | "false" => (on ? "true" : "false");
  return (
    <div class="tools" role="toolbar" aria-label="Map">
      <label>
        scope{" "}
        <select
          value={scope.value}
          onChange={(event) =>
            look({ scope: without(event.currentTarget.value, "workload"), sel: "", focus: "" }, "push")
          }
        >
          {(meta.value?.scopes ?? ["workload"]).map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      <label>
        width{" "}
        <select value={metric} onChange={(event) => look({ metric: without(event.currentTarget.value, "flows") })}>
          {METRICS.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      <button
        aria-pressed={pressed(view.value.abnormal === "1")}
        onClick={() => look({ abnormal: view.value.abnormal ? "" : "1" })}
      >
        abnormal <kbd>!</kbd>
      </button>
      {view.value.focus && (
        <button onClick={() => look({ focus: "", hops: "" })}>
          focus, {view.value.hops || 1} {view.value.hops ? "hops" : "hop"} <Icon name="close" />
        </button>
      )}
      <button
        aria-pressed={pressed(view.value.table === "1")}
        onClick={() => look({ table: view.value.table ? "" : "1" })}
      >
        table <kbd>t</kbd>
      </button>
      <button onClick={() => mapModel().fit()}>
        fit <kbd>z</kbd>
      </button>
      <Folded />
    </div>
  );
}

const without = (value: string, usual: string): string => (value === usual ? "" : value);

function Folded() {
  const { folded, summary } = mapModel().scene.value;
  return (
    <span class="quiet summary">
      {summary}
      {folded.nodes > 0 && ` · ${folded.nodes} nodes and ${folded.edges} connections folded into “more”`}
    </span>
  );
}

function Legend() {
  const metric = (view.value.metric || "flows") as Metric;
  const steps = STEPS[metric] ?? STEPS.flows;
  const dashes = ["1.5 4", "", "9 6", "", "2 4"];
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
                stroke-dasharray={dashes[verdict]}
              />
            )}
          </svg>
          {VERDICTS[verdict].glyph} {VERDICTS[verdict].word}
        </span>
      ))}
      <span class="quiet">
        {[1.2, 2, 3, 4.2].map((width, i) => (
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
    </div>
  );
}

/** What the keyboard is at on the canvas, in words, with its edges as buttons. */
function Focused() {
  const scene = mapModel().scene.value;
  const node = scene.nodeById.get(selectedId(selection.value, "node"));
  if (!node) return null;
  const edges = scene.edges.filter((edge) => edge.source === node.id || edge.destination === node.id).slice(0, 30);
  return (
    <div class="unseen" role="group" aria-label={`${node.name}, ${edges.length} connections`}>
      {edges.map((edge) => (
        <button key={edge.id} tabIndex={-1} onClick={() => look({ sel: `edge:${edge.id}` }, "push")}>
          {scene.nodeById.get(edge.source)?.name} to {scene.nodeById.get(edge.destination)?.name}
          {abnormalEdge(edge) ? `, ${VERDICTS[edge.verdict]?.word}` : ""}
        </button>
      ))}
    </div>
  );
}
