"""A page that stays open: paused, while the server goes, and under load."""

import re

from playwright.sync_api import Browser, expect

from tests.browser.conftest import SIZE, Watched
from tests.browser.stage import Stage
from tests.waiting import wait_for

HELD = (
    "Number(document.querySelector('section.flows').innerText.match(/([\\d\\s,]+) flows held/)[1].replace(/\\D/g, ''))"
)
"""How many flows the table holds."""


def test_a_pause_holds_still_and_counts_on(watched: Watched):
    page = watched.open("/flows")
    expect(page.locator("section.flows")).to_contain_text("flows held")
    page.keyboard.press("Space")
    before = page.evaluate(HELD)
    expect(page.locator("body")).to_contain_text(re.compile(r"\+\s?[\d\u202f\u00a0, ]+ flows"), timeout=15_000)
    assert page.evaluate(HELD) == before
    page.keyboard.press("Space")
    wait_for(lambda: page.evaluate(HELD) > before, "the table to go on")


def test_the_ui_comes_back_when_its_server_does(chromium: Browser, stage: Stage, tmp_path):
    """`rubin ui` is ended and begun again at the same address while a page is open."""
    other = Stage(tmp_path, history_s=5)
    with other.running():
        context = chromium.new_context(viewport=SIZE)
        page = context.new_page()
        page.goto(f"{other.url}/flows")
        expect(page.locator("section.flows")).to_contain_text("flows held")
        other.end_ui()
        expect(page.get_by_role("alert").first).to_be_visible(timeout=20_000)
        other.begin_ui()
        expect(page.locator("section.flows")).to_contain_text("flows held", timeout=30_000)
        expect(page.locator(".banner")).to_have_count(0, timeout=30_000)
        context.close()
