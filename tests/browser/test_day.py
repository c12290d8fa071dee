"""A tab that is open for a day, in which somebody looks around now and then."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.browser.conftest import SIZE
from tests.browser.day import Day
from tests.browser.test_burst import resident_mb
from tests.waiting import wait_for

WALKS = 40 if os.environ.get("RUBIN_SOAK") == "1" else 4
PAUSE_MS = 10_000 if WALKS > 4 else 500
RATE, CAPACITY = 2_000, 100_000
SCREENS = ("Flows", "Drops", "Services", "DNS", "Health", "Map")


class Size(NamedTuple):
    """Of the page after a collection of garbage, and of the server."""

    heap_mb: float
    nodes: int
    listeners: int
    server_mb: float


@contextmanager
def opened(browser: Browser, stage: Day) -> Iterator[tuple[Page, CDPSession]]:
    context = browser.new_context(viewport=SIZE, reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{stage.url}/map?debug=1")
    expect(page.locator("section.map")).to_contain_text("connection", timeout=60_000)
    yield page, context.new_cdp_session(page)
    context.close()


def walk(page: Page) -> None:
    """Each screen, a panel of some, the palette: what somebody does in an hour."""
    for title in SCREENS:
        page.get_by_role("link", name=title, exact=True).click()
        expect(page.locator("h1")).to_have_text(title, timeout=60_000)
        if title == "Flows":
            expect(page.locator(".flow-row:not([hidden])").first).to_be_visible(timeout=60_000)
            page.locator(".flow-row:not([hidden])").nth(2).click()
            expect(page.locator("aside")).to_be_visible(timeout=60_000)
            page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("job")
    expect(page.get_by_role("dialog")).to_be_visible(timeout=60_000)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def size(page: Page, session: CDPSession, stage: Day) -> Size:
    session.send("HeapProfiler.collectGarbage")
    counters = session.send("Memory.getDOMCounters")
    heap_mb = page.evaluate("(gc(), performance.memory.usedJSHeapSize / 1e6)")
    return Size(heap_mb, counters["nodes"], counters["jsEventListeners"], resident_mb(stage.ui_pid))


def test_a_tab_of_a_day_is_no_larger_than_one_of_an_hour(chromium: Browser, tmp_path: Path):
    stage = Day(tmp_path, RATE, CAPACITY)
    sizes = []
    with stage.running(), opened(chromium, stage) as (page, session):
        for _ in range(WALKS):
            walk(page)
            page.wait_for_timeout(PAUSE_MS)
            sizes.append(size(page, session, stage))
            print(*sizes[-1], flush=True)
        assert page.locator(".banner").count() == 0
        wait_for(lambda: stage.get("/api/v1/status")["feed"]["seen"] > CAPACITY / 4, "flows")
    middle, last = (sizes[part : part + WALKS // 4] for part in (WALKS // 2, WALKS - WALKS // 4))
    before, after = (Size(*(max(values) for values in zip(*part, strict=True))) for part in (middle, last))
    assert after.heap_mb < before.heap_mb + 5
    assert after.nodes < 1.1 * before.nodes + 100
    assert after.listeners < 1.1 * before.listeners + 20
    assert after.server_mb < 1.1 * before.server_mb + 20
