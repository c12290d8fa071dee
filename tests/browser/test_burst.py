"""A page under load: nothing is lost without being told, nothing grows, and what is shown is what was counted."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, expect

from bench.world import cpu_seconds
from rubin.model.enums import Verdict
from tests.browser import flood
from tests.browser.conftest import SIZE
from tests.browser.stage import Stage
from tests.waiting import wait_for

SECONDS = 60 if os.environ.get("RUBIN_SOAK") == "1" else 20
LOAD = 10_000
MANY = 400_000
FLOOD_S = 60 if SECONDS == 60 else 10
SOON_S = 20.0  # 5 s on a machine that does nothing else
HEAP_MB = 5
FLOW_BYTES = 200  # in the UI's ring, at most
HEAP = "(gc(), performance.memory.usedJSHeapSize / 1e6)"
LONG = 60.0  # for a machine that does other things, too


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    """A page that has the first flows."""
    context = browser.new_context(viewport=SIZE, reduced_motion="reduce")
    page = context.new_page()
    page.goto(url)
    wait_for(lambda: rows(page).get("held", 0) > 0, "the first flows", LONG)
    yield page
    context.close()


def rows(page: Page) -> Any:
    return page.evaluate("window.__rubin?.rows() ?? {}")


def number(text: str, pattern: str) -> int:
    """What stands for `N` in the pattern."""
    found = re.search(pattern.replace("N", r"([\d \u00a0\u202f]+)"), text)
    assert found, text
    return int(re.sub(r"\D", "", found[1]))


def resident_mb(pid: int) -> float:
    """Memory of a process."""
    told = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", told)[0]) / 1024


def dropped(stage: Stage) -> int:
    """Of all flows there have been."""
    return sum(int((batch["verdict"] == Verdict.DROPPED).sum()) for batch in stage.ring.scan())


def test_a_burst_is_counted_wholly_and_leaves_nothing_behind(chromium: Browser, tmp_path: Path):
    stage = Stage(tmp_path, 100, 5)
    with stage.running(), opened(chromium, f"{stage.url}/flows?debug=1") as page:
        stage.rate = LOAD
        wait_for(lambda: rows(page)["held"] > 5_000, "the burst", LONG)
        expect(page.locator(".flows .summary")).to_contain_text("since the last tick are shown, drops and errors")
        heap = page.evaluate(HEAP)
        page.wait_for_timeout(1000 * SECONDS)
        grown = page.evaluate(HEAP) - heap
        stage.pause()
        wait_for(stage.is_all_seen, "the UI to have seen everything", LONG)
        feed = stage.get("/api/v1/status")["feed"]
        bars = page.locator("canvas.bars")

        def shown(word: str) -> int:
            return number(bars.get_attribute("aria-label") or "", f"N {word}")

        wait_for(lambda: shown("forwarded") + shown("dropped") == feed["seen"], "the bars to have all of it", LONG)
        drops = dropped(stage)
        assert feed["seen"] > LOAD * SECONDS / 2
        is_gap = page.locator(".time-gap").count() > 0  # a machine too busy for this UI: it is said
        assert (shown("dropped") < drops) if is_gap else (shown("dropped") == drops)
        drops = shown("dropped")
        assert number(page.locator("header").inner_text(), "N lost") == feed["lost"] == 0
        page.keyboard.press("!")
        # a page that is late by more than its machine can bear is told how many it does not see
        wait_for(lambda: rows(page)["shown"] + unshown(page) == drops, f"{drops} drops, each shown or told of", LONG)
        told = rows(page)["shown"]
        received = page.evaluate("window.__rubin.link().received")
        assert received["frames"] > 3 * SECONDS
        assert received["skipped"] == 0
        assert grown < HEAP_MB

        page.keyboard.press("Space")
        page.wait_for_timeout(500)  # the pause travels
        stage.resume()
        wait_for(lambda: stage.get("/api/v1/status")["feed"]["seen"] > feed["seen"] + LOAD, "some more", LONG)
        stage.pause()
        wait_for(stage.is_all_seen, "the UI to have seen everything", LONG)
        missed = stage.get("/api/v1/status")["feed"]["seen"] - feed["seen"]
        expect(page.locator(".time-words")).to_contain_text(re.compile(rf"\+{grouped(missed)} flows"), timeout=20_000)
        assert rows(page)["shown"] == told


def unshown(page: Page) -> int:
    """Drops that the table says it has not been sent."""
    text = page.locator(".flows .summary").inner_text()
    return number(text, "N drops and errors not shown") if "not shown" in text else 0


def grouped(number: int) -> str:
    """As the page writes it, whatever kind of space it takes."""
    return f"{number:,}".replace(",", r"\D")


def test_a_cluster_of_3000_pods_at_400_000_flows_a_second_is_declared(chromium: Browser, tmp_path: Path):
    """On a machine too slow for it: it is said that we are behind, and soon after it ends we are of now again."""
    with flood.running(tmp_path) as load:
        stage = Stage(tmp_path, 0, 0)
        stage.begin_ui()
        try:
            with opened(chromium, f"{stage.url}/flows?debug=1") as page:
                load.run(500, 4)
                begun = cpu_seconds(stage.ui_pid)
                load.begin(MANY, FLOOD_S + LONG)
                flood_s = time.monotonic()
                banner = page.locator(".banner")
                with slowed(stage.ui_pid):  # there are machines that take it all
                    expect(banner).to_contain_text("flows come faster than they can be taken here", timeout=1000 * LONG)
                    page.keyboard.press("?")  # the page answers
                    expect(page.get_by_role("dialog")).to_be_visible(timeout=1000 * LONG)
                    page.keyboard.press("Escape")
                    wait_for(lambda: time.monotonic() > flood_s + FLOOD_S, "the flood to have lasted", LONG)
                    flows = load.end()
                    at_end, first_mb = stage.get("/api/v1/status")["feed"], resident_mb(stage.ui_pid)
                    feed, late_s = caught_up(stage, load)
                    load.run(MANY, FLOOD_S / 2)
                    feed, again_s = caught_up(stage, load)
                cpu_s, second_mb = cpu_seconds(stage.ui_pid) - begun, resident_mb(stage.ui_pid)
                print(f"{feed['seen']} of {flows} seen; of now after {late_s:.1f} and {again_s:.1f} s")
                print(f"{cpu_s:.1f} s of CPU, {first_mb:.0f} then {second_mb:.0f} MB")
                assert at_end["seen"] < feed["seen"] < 2 * flows
                assert feed["flows"] <= feed["capacity"]
                kept_mb = (feed["flows"] - at_end["flows"]) * FLOW_BYTES / 1e6  # until the ring is full
                assert second_mb < max(1.25 * first_mb, first_mb + 100) + kept_mb
                expect(page.locator(".time-gap")).to_contain_text("flows may be missing", timeout=1000 * LONG)
                expect(banner).to_have_count(0, timeout=1000 * LONG)
                agrees(stage, page)
        finally:
            stage.end_ui()


@contextmanager
def slowed(pid: int) -> Iterator[None]:
    """A process that runs for a fifth of the time until the block ends, as on a machine that is so much slower."""
    ended = threading.Event()

    def hold() -> None:
        while not ended.wait(0.01):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.04)
            os.kill(pid, signal.SIGCONT)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        yield
    finally:
        ended.set()
        holder.join()


def agrees(stage: Stage, page: Page) -> None:
    """Nothing comes any more, and each number on the page is the server's."""
    bars = page.locator("canvas.bars")

    def shown() -> bool:
        feed = stage.get("/api/v1/status")["feed"]
        told = bars.get_attribute("aria-label") or ""
        counted = number(told, "N forwarded") + number(told, "N dropped")
        lost = number(page.locator("header").inner_text(), "N lost")
        return bool((counted, lost) == (feed["seen"], feed["lost"]))

    wait_for(shown, "the page to say what the server counted", LONG)


def caught_up(stage: Stage, load: flood.Flood) -> tuple[Any, float]:
    """What the feed says once it has what happens now, while little happens; and after how many seconds that was.

    What it takes until then is a small part of what had piled up.
    """
    begun, before = time.monotonic(), stage.get("/api/v1/status")["feed"]["seen"]

    def feed() -> Any:
        load.run(100, 0.2)
        now_ms = int(np.datetime64("now", "ms").astype(np.int64))
        told = stage.get("/api/v1/status")["feed"]
        return told if told["newest_ms"] > now_ms - 2_000 else None

    told = wait_for(feed, "the UI to be of now again", SOON_S)
    assert told["seen"] - before < MANY, "most of what had piled up is passed over"
    return told, time.monotonic() - begun
