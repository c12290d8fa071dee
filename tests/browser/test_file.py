"""A bundle that the browser saved, and files, opened where there is no server: they show what was seen."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SIZE, Watched
from tests.browser.on_map import DRAWN, PLACES, at, is_same, iso, still
from tests.browser.stage import Stage
from tests.browser.test_map import rows_of
from tests.waiting import wait_for

PARTS = ("section.map", ".filter-bar", ".time-words")
ROWS = """() => [...document.querySelectorAll('.flow-row')].filter(row => !row.hidden)
    .map(row => [row.getAttribute('aria-rowindex'), ...[...row.querySelectorAll('[role=gridcell]')]
    .map(cell => cell.textContent)])"""
PAINTED = "() => window.__rubin && window.__rubin.rows().shown > 0"


@contextmanager
def offline(path: Path, *flags: str) -> Iterator[str]:
    """`rubin ui` of a file: where it is."""
    command = [sys.executable, "-m", "rubin", "ui", str(path), "--listen", "127.0.0.1:0", *flags]
    environ = {**os.environ, "PYTHONPATH": "src", "RUBIN_SERVER": "unix:///nowhere"}
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            said = next((line for line in process.stderr if "Ctrl-C ends it" in line), "")
            yield re.findall(r"http://127\.0\.0\.1:\d+", said)[0]
        finally:
            process.terminate()


def saved(page: Page, folder: Path) -> Path:
    """The bundle of what the page shows, as a person saves it."""
    page.get_by_role("button", name="export").click()
    page.get_by_role("menuitem", name="a bundle to open elsewhere").click()
    dialog = page.get_by_role("dialog", name="Bundle")
    expect(dialog).to_contain_text(
        re.compile(r"[\d,. k]+ flows from .* to .*, about [\d.,]+ (B|KiB|MiB)"), timeout=30_000
    )
    with page.expect_download(timeout=60_000) as got:
        dialog.get_by_role("button", name="save the bundle").click()
    expect(dialog).to_have_count(0)
    assert re.fullmatch(r"rubin-[\dT-]{19}\.rubinz", got.value.suggested_filename)
    path = folder / got.value.suggested_filename
    got.value.save_as(path)
    return path


def flows_of(page: Page, link: str) -> Any:
    """How many rows the flows' table has, and those that are painted, once they stand still."""
    page.goto(link)
    page.wait_for_function(PAINTED, timeout=60_000)
    before: list[Any] = []

    def rest() -> Any:
        before.append([page.evaluate("window.__rubin.rows().shown"), page.evaluate(ROWS)])
        return before[-2:-1] == before[-1:] and before[-1]

    return wait_for(rest, "rows that stand still")


def test_a_bundle_shows_elsewhere_what_was_seen_here(
    chromium: Browser, watched: Watched, stage: Stage, tmp_path: Path
) -> None:
    stage.pause()
    try:
        wait_for(stage.is_all_seen, "the UI to have seen everything")
        newest_ms = int(stage.get("/api/v1/status")["feed"]["newest_ms"])
        time = f"since={iso(newest_ms - 8_000)}&until={iso(newest_ms - 2_000)}"
        page = watched.open(f"/map?debug=1&not.to-port=53&{time}&v.scope=pod&v.metric=bytes")
        page.wait_for_function(DRAWN, timeout=60_000)
        node = int(wait_for(lambda: list(page.evaluate(PLACES)), "places")[0])
        x, y = at(page, node)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 30, y + 40, steps=3)
        page.mouse.up()
        expect(page).to_have_url(re.compile(r"v\.pin="))
        bundle = saved(page, tmp_path)
        places, pictures, link = (
            wait_for(lambda: page.evaluate(PLACES), "places"),
            still(page, *PARTS),
            page.url.removeprefix(stage.url),
        )
        flows_link = link.replace("/map", "/flows")
        flows = flows_of(page, f"{stage.url}{flows_link}")
        page.goto(f"{stage.url}{link}&v.table=1")
        tree = wait_for(lambda: rows_of(page), "the map as a table")

        with offline(bundle) as url:
            context = chromium.new_context(viewport=SIZE, color_scheme="dark", reduced_motion="reduce")
            other = context.new_page()
            other.goto(url)
            other.wait_for_function(DRAWN, timeout=60_000)
            assert other.url.removeprefix(url) == link
            wait_for(lambda: other.evaluate(PLACES) == places, "everybody to be where he was")
            wait_for(lambda: is_same(other, pictures, still(other, *PARTS)), "the same picture")
            assert flows_of(other, f"{url}{flows_link}") == flows
            other.goto(f"{url}{link}&v.table=1")
            wait_for(lambda: rows_of(other) == tree != [], "the same table")
            other.goto(f"{url}/health")
            expect(other.locator("section.health")).to_contain_text(f"file {bundle}, ")
            context.close()
    finally:
        stage.resume()
