"""The browser's side: how fast it is there, how smoothly it moves, and what a page costs that stays open."""

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import numpy as np
from playwright.sync_api import Browser, Page, expect, sync_playwright
from websockets.sync.client import connect
from websockets.typing import Origin

from bench import world
from bench.figures import Figures
from tests.browser.conftest import CHROMIUM, FLAGS, SIZE
from tests.browser.shop import Call, Service, Shop
from tests.browser.stage import Stage
from tools.build_web import STATIC

_LOAD = 10_000  # flows a second
_HELD = 100_000  # rows of the table
_PAINTED = "performance.getEntriesByType('paint').find(one => one.name === 'first-contentful-paint').startTime"
_PLACED = "Object.keys(window.__rubin?.places() ?? {}).length"
_HEAP = "(gc(), performance.memory.usedJSHeapSize)"


def measure(figures: Figures, quick: bool = False) -> None:
    """`ui_*`."""
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    figures.add("ui_first_load_kb_gz", sum(len(gzip.compress(path.read_bytes())) for path in files) / 1024)
    with sync_playwright() as playwright, TemporaryDirectory(prefix="rubin-bench-") as name:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for part in (_first, _pan, _busy):
            folder = Path(name) / part.__name__
            folder.mkdir()
            part(figures, browser, folder, quick)
        browser.close()


def _first(figures: Figures, browser: Browser, folder: Path, quick: bool) -> None:
    """A page that was never there before, of a small shop."""
    with Stage(folder, history_s=30).running() as stage:
        for _ in range(2 if quick else 9):
            with _page(browser, f"{stage.url}/map") as page:
                expect(page.locator("section.map")).to_contain_text("connection")
                figures.add("ui_first_map_s", page.evaluate("performance.now()") / 1000)
                figures.add("ui_first_paint_s", page.evaluate(_PAINTED) / 1000)


def _pan(figures: Figures, browser: Browser, folder: Path, quick: bool) -> None:
    """500 workloads and 2,000 connections between them, moved by hand."""
    with (
        Stage(folder, 2_000, 20, partial(_crowd, 500, 2_000)).running() as stage,
        _page(browser, f"{stage.url}/map?debug=1&since=10m&v.open=*") as page,
    ):
        page.wait_for_function(f"() => {_PLACED} > 490")
        page.wait_for_timeout(5_000)
        page.evaluate("window.__rubin.times().frameMs.length = 0")
        page.mouse.move(30, 200)  # no node is there
        page.mouse.down()
        for step in range(40 if quick else 160):
            page.mouse.move(30 + 3 * (step % 80), 200 + step % 40)
        page.mouse.up()
        frames: list[float] = page.evaluate("window.__rubin.times().frameMs")
        figures.add("ui_pan_main_thread_ms_p95", float(np.percentile(frames, 95)))


def _busy(figures: Figures, browser: Browser, folder: Path, quick: bool) -> None:
    """10,000 flows a second, of 60 workloads and 200 connections."""
    seconds = 20 if quick else 600
    with Stage(folder, _LOAD, 2, partial(_crowd, 60, 200)).running() as stage:
        with _page(browser, f"{stage.url}/map") as page:
            expect(page.locator("section.map")).to_contain_text("connection")
            page.wait_for_timeout(10_000)
            heap, browsers, server = page.evaluate(_HEAP), _cpu_s("chromium"), world.cpu_seconds(stage.ui_pid)
            begun = time.monotonic()
            page.wait_for_timeout(1000 * seconds)
            passed = time.monotonic() - begun
            figures.add("ui_10k_flows.browser_cpu_percent", 100 * (_cpu_s("chromium") - browsers) / passed)
            figures.add("ui_10k_flows.server_cpu_percent", 100 * (world.cpu_seconds(stage.ui_pid) - server) / passed)
            figures.add("ui_10k_flows.heap_growth_mb", (page.evaluate(_HEAP) - heap) / 1e6)
        figures.add("ui_10k_flows.mb_per_s", _sent_mb(stage, 10 if quick else 30))
        with _page(browser, f"{stage.url}/flows?debug=1") as page:
            _filter(figures, page, 20_000 if quick else _HELD)


def _filter(figures: Figures, page: Page, held: int) -> None:
    """The table leaves out what went well, of so many rows, and shows it again."""
    while page.evaluate("window.__rubin?.rows().held ?? 0") < held:
        page.wait_for_timeout(500)
    for _ in range(6):
        page.keyboard.press("!")
        page.wait_for_timeout(1_000)
        figures.add("ui_filter_100k_ms", page.evaluate("window.__rubin.rows().filterMs"))


def _sent_mb(stage: Stage, seconds: float) -> float:
    """MB a second of a page's frames: those of the map, once the first ones are there."""
    subscriptions = [
        {"op": "sub", "id": 1, "view": "map", "query": "", "scope": "workload", "time": {"mode": "live"}},
        {"op": "sub", "id": 2, "view": "series", "query": "", "time": {"mode": "live"}},
        {"op": "sub", "id": 3, "view": "stats", "query": "", "time": {"mode": "live"}},
    ]
    with connect(f"ws://{urlsplit(stage.url).netloc}/api/v1/live", origin=Origin(stage.url), max_size=None) as socket:
        for subscription in subscriptions:
            socket.send(json.dumps(subscription))
        begun, sent = time.monotonic(), 0
        while (passed := time.monotonic() - begun) < seconds + 3:
            frame = socket.recv()
            socket.send('{"op":"credit","n":1}')
            sent += len(frame) if passed > 3 else 0
    return sent / seconds / 1e6


@contextmanager
def _page(browser: Browser, url: str) -> Iterator[Page]:
    """One that shares nothing with others."""
    context = browser.new_context(viewport=SIZE, color_scheme="dark")
    page = context.new_page()
    page.goto(url)
    try:
        yield page
    finally:
        context.close()


def _cpu_s(name: str) -> float:
    """Seconds that all living processes of this name have used."""
    found = 0.0
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "comm").read_text().strip() == name:
                found += world.cpu_seconds(int(path.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
    return found


def _crowd(services: int, calls: int) -> Shop:
    """Services in ten namespaces, each calling some that come after it, as services do."""
    random = np.random.default_rng(7)
    names = tuple(Service(f"svc-{number}", f"team-{number % 10}") for number in range(services))
    pairs = {tuple(sorted(random.choice(services, 2, replace=False).tolist())) for _ in range(4 * calls)}
    made = tuple(
        Call(names[one].name, names[other].name, 8000 + other % 7, "http", latency_ms=5, fails=0.01)
        for one, other in sorted(pairs, key=lambda _: random.random())[:calls]
    )
    return Shop(3, names, made)
