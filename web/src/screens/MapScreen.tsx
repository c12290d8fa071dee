/** The map with its tools and its legend; or the same as a table. */

import { effect as effectOf, untracked, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { mapFile } from "../files";
import { register } from "../keys";
import { Live } from "../live";
import { selectedId } from "../map/acts";
import { colourOf } from "../map/colour";
import { keysOfScreen } from "../map/hand";
import { Legend } from "../map/Legend";
import { MapCanvas } from "../map/MapCanvas";
import { ContextMenu } from "../map/Menu";
import { MapModel } from "../map/model";
import { sceneOf } from "../map/scene";
import { hopsOf, metricOf } from "../map/style";
import { Summary, Tools } from "../map/Tools";
import { Tree } from "../map/Tree";
import { announce, good, look, meta, metaError, paused, place, scope, selection, settled, time, view } from "../state";
import { liveTime } from "../url";
import { Empty } from "./Empty";

let only: MapModel | null = null;
/** The one map of the page: its places outlast a look at another screen. */
export const mapModel = (): MapModel => {
  only ??= new MapModel();
  return only;
};

export function MapScreen() {
  const model = mapModel();
  const finder = useRef<HTMLInputElement>(null);
  useEffect(() => subscribe(model), []);
  useSignalEffect(() => obey(model));
  useEffect(() => keysOfScreen(model, () => finder.current?.focus()), []);
  useEffect(() => keysOfFiles(model), []);
  const scene = model.scene.value;
  const asTable = view.value.table === "1";
  return (
    <section class="map" aria-label="Map">
      <Tools model={model} finder={finder} />
      {asTable ? <Tree model={model} /> : <MapCanvas model={model} summary={scene.summary} />}
      {scene.nodes.length === 0 && <Empty view="map" arrived={scene.tickMs > 0} />}
      {!asTable && (
        <Legend metric={metricOf(view.value.metric)} colour={colourOf(view.value.colour)}>
          <Summary model={model} />
        </Legend>
      )}
      <ContextMenu />
    </section>
  );
}

/** Lets the map be as the URL says. */
function obey(model: MapModel): void {
  const { cam = "", pin = "", open = "", shut = "", idle = "", ...rest } = view.value;
  const at = scope.value;
  const wish = {
    metric: metricOf(rest.metric),
    colour: colourOf(rest.colour),
    abnormal: rest.abnormal === "1",
    focus: Number(rest.focus) || 0,
    hops: hopsOf(rest.hops),
    selected: selectedId(selection.value, "node") || selectedId(selection.value, "edge"),
    find: (rest.find ?? "").toLowerCase(),
  };
  untracked(() => {
    model.scopeIs(at);
    model.wishIs(wish);
    model.keptIs({ cam, pin, open, shut, idle });
  });
}

function subscribe(model: MapModel): () => void {
  let [dropping, isLive] = [-1, true];
  model.told = look;
  const live = new Live((frame, texts) => {
    const scene = sceneOf(frame, texts);
    model.show(scene, isLive);
    const now = scene.edges.filter((edge) => edge.verdict === 2).length;
    if (dropping >= 0 && now > dropping) announce(`a connection began to drop: ${scene.summary}`);
    dropping = now;
  });
  const ends = [
    effectOf(() => {
      // whether a scope from a link exists is known only once the server has told its words
      if (!settled.value || (place.value.view.scope && !meta.value && !metaError.value)) return;
      model.questionIs(`${scope.value} ${good.value.query}`);
      isLive = time.value.mode === "live";
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
    model.told = () => undefined;
    live.close();
  };
}

function keysOfFiles(model: MapModel): () => void {
  const when = (): boolean => place.value.screen === "map";
  return register([
    { keys: "y p", title: "save the map as PNG", group: "Map", when, run: () => void mapFile(model, "png") },
    { keys: "y s", title: "save the map as SVG", group: "Map", when, run: () => void mapFile(model, "svg") },
  ]);
}
