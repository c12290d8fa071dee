"""A page that is paused."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import Watched
from tests.waiting import wait_for

HELD = (
    "Number(document.querySelector('section.flows').innerText.match(/([\\d\\s,]+) flows held/)[1].replace(/\\D/g, ''))"
)
"""How many flows the table holds."""


def test_a_pause_holds_still_and_counts_on(watched: Watched):
    page = watched.open("/flows")
    expect(page.locator("section.flows")).to_contain_text(re.compile(r"[1-9][\d\s,]* flows held"))
    page.keyboard.press("Space")
    said = page.locator(".time-words")
    expect(said).to_contain_text(re.compile(r"\+[1-9]"))
    before, counted = page.evaluate(HELD), said.inner_text()
    expect(said).not_to_have_text(counted)
    assert page.evaluate(HELD) == before
    page.keyboard.press("Space")
    wait_for(lambda: page.evaluate(HELD) > before, "the table to go on")
