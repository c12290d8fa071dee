/** The page. */

import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { FilterBar } from "./filter/FilterBar";
import { flowsFile } from "./files";
import { Icon } from "./icons";
import { onKey, register } from "./keys";
import { link, refusals, start, timings } from "./live";
import { misread } from "./misread";
import { openKeys, Overlays } from "./Overlays";
import { Panel } from "./panel/Panel";
import { Dns } from "./screens/Dns";
import { Drops } from "./screens/Drops";
import { Flows, flowStatus } from "./screens/Flows";
import { Health } from "./screens/Health";
import { mapModel, MapScreen } from "./screens/MapScreen";
import { Services } from "./screens/Services";
import {
  announced,
  arrivedAt,
  begin,
  copy,
  density,
  good,
  goScreen,
  meta,
  metaError,
  paused,
  place,
  quiet,
  screen,
  selection,
  theme,
  time,
  toast,
  utc,
} from "./state";
import { showAll } from "./table/shown";
import { stats, TimeBar } from "./time/TimeBar";
import { count } from "./units";
import { type Screen, write } from "./url";
import "./theme.css";

const NAMES: [Screen, string, string, () => preact.JSX.Element][] = [
  ["map", "Map", "m", MapScreen],
  ["flows", "Flows", "f", Flows],
  ["drops", "Drops", "d", Drops],
  ["services", "Services", "s", Services],
  ["dns", "DNS", "n", Dns],
  ["health", "Health", "h", Health],
];
const THEMES = ["system", "light", "dark"];

const turnTheme = (): void => {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length];
};

function App() {
  useEffect(
    () =>
      register([
        ...NAMES.map(([to, title, key]) => ({
          keys: `g ${key}`,
          title,
          group: "Go" as const,
          run: () => goScreen(to),
        })),
        { keys: "v d", title: "theme: system, light, dark", group: "Page", run: turnTheme },
        {
          keys: "v s",
          title: "rows close together or apart",
          group: "Page",
          run: () => (density.value = density.value === "compact" ? "roomy" : "compact"),
        },
        { keys: "v u", title: "times in UTC or local", group: "Page", run: () => (utc.value = !utc.value) },
        { keys: "v r", title: "no motion", group: "Page", run: () => (quiet.value = !quiet.value) },
        {
          keys: "y y",
          title: "copy a command that follows",
          group: "Filter",
          run: () => void copy(`${good.value.command} --follow`, "command"),
        },
        { keys: "y r", title: "save the flows as JSON lines", group: "Filter", run: () => flowsFile("jsonl") },
        { keys: "y v", title: "save the flows as CSV", group: "Filter", run: () => flowsFile("csv") },
      ]),
    [],
  );
  const Shown = NAMES.find(([name]) => name === screen.value)?.[3] ?? MapScreen;
  return (
    <div class={`page ${selection.value ? "with-panel" : ""}`}>
      <Header />
      <FilterBar />
      <Banner />
      <main id="main" tabIndex={-1}>
        <h1 class="unseen">{NAMES.find(([name]) => name === screen.value)?.[1]}</h1>
        <Shown />
      </main>
      <Panel />
      <TimeBar hidden={screen.value === "health"} />
      <Overlays />
      <div class="toast" role="presentation" hidden={!toast.value}>
        {toast.value}
      </div>
      <div class="unseen" role="status" aria-live="polite">
        {announced.value}
      </div>
    </div>
  );
}

function Header() {
  const { per_second, lost } = stats.value;
  return (
    <header>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
      >
        to the content
      </a>
      <b class="brand">rubin</b>
      <nav aria-label="Screens">
        {NAMES.map(([name, title]) => (
          <a
            key={name}
            href={write({ ...place.value, screen: name, view: {} })}
            aria-current={screen.value === name ? "page" : undefined}
            onClick={(event) => {
              if (event.metaKey || event.ctrlKey || event.button) return;
              event.preventDefault();
              goScreen(name);
            }}
          >
            {title}
          </a>
        ))}
      </nav>
      <span class="space" />
      {meta.value && (
        <span class="pill wide" title={`${meta.value.kind} ${meta.value.version}`}>
          {meta.value.node || meta.value.server}
        </span>
      )}
      <span class={`pill ${lost ? "v-dropped" : ""}`}>
        {count(per_second ?? NaN)} flows/s · {count(lost ?? NaN)} lost
      </span>
      <Live />
      <button class="pill" onClick={turnTheme} title={`theme: ${theme.value}`} aria-label={`theme: ${theme.value}`}>
        <Icon name="theme" />
      </button>
      <button class="pill" onClick={openKeys}>
        ? keys
      </button>
    </header>
  );
}

const MODES = { live: "LIVE", at: "PAST", range: "RANGE" } as const;

function Live() {
  const mode = meta.value?.kind === "file" && time.value.mode === "live" ? "END OF FILE" : MODES[time.value.mode];
  const shown = paused.value ? "PAUSED" : mode;
  const words = link.value.phase !== "open" ? "NOT CONNECTED" : stats.value.following === false ? "WAITING" : shown;
  return <span class={`pill ${words === "LIVE" ? "live" : "not-live"}`}>{words}</span>;
}

function Banner() {
  const [now, tick] = useState(Date.now());
  const { phase, attempt, retryAtMs } = link.value;
  const lost = phase === "waiting" || (phase === "connecting" && attempt > 0);
  useEffect(() => {
    if (!lost) return;
    const timer = setInterval(() => tick(Date.now()), 500);
    return () => clearInterval(timer);
  }, [lost]);
  const refusal = Object.values(refusals.value)[0];
  if (metaError.value?.status === 401 || metaError.value?.status === 403)
    return (
      <div class="banner" role="alert">
        <strong>{metaError.value.message}</strong> {metaError.value.wayOn}
      </div>
    );
  if (lost) {
    const seconds = Math.max(0, Math.ceil((retryAtMs - now) / 1000));
    return (
      <div class="banner" role="alert">
        <strong>The server does not answer.</strong> What is shown is from before.{" "}
        <span aria-hidden="true">{retryAtMs ? `The next attempt is in ${seconds} s.` : "Connecting…"}</span>
      </div>
    );
  }
  if (stats.value.following === false && stats.value.sentence)
    return (
      <div class="banner" role="alert">
        <strong>{stats.value.sentence}</strong>
      </div>
    );
  if (refusal)
    return (
      <div class="banner" role="alert">
        <strong>{refusal.error}</strong> {refusal.way_on}
      </div>
    );
  const unread = misread(...arrivedAt.value, meta.value);
  if (unread.length)
    return (
      <div class="banner" role="status">
        <strong>Not understood in this link, and passed over:</strong> {unread.join(", ")}.{" "}
        <button onClick={() => (arrivedAt.value = ["", ""])}>hide</button>
      </div>
    );
  return null;
}

begin();
start();
addEventListener("keydown", onKey);
showAll();
render(<App />, document.getElementById("app") as HTMLElement);

if (new URLSearchParams(location.search).get("debug") === "1") {
  Object.assign(window, {
    __rubin: {
      map: mapModel(),
      times: () => ({ ...mapModel().times, takeMs: timings.takeMs }),
      places: () => Object.fromEntries([...mapModel().present()]),
      rows: () => flowStatus.value,
      link: () => link.value,
    },
  });
}
