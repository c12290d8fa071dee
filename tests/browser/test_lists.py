"""The flows and the drops as lists: what is said where little is shown, what is put together, where the keyboard is."""

import json
import re

from playwright.sync_api import Route, expect

from tests.browser.conftest import Watched
from tests.browser.stage import Stage
from tests.browser.walk import go
from tests.waiting import wait_for

ACTIVE = """() => {
    const table = document.querySelector(".flow-table");
    const row = document.getElementById(table.getAttribute("aria-activedescendant"));
    if (!row || row.hidden) return false;
    const [inner, outer] = [row.getBoundingClientRect(), table.getBoundingClientRect()];
    const head = table.querySelector(".flow-head").offsetHeight;
    return inner.top >= outer.top + head - 1 && inner.bottom <= outer.bottom + 1 && row.className.includes("chosen");
}"""
"""Whether the row that the keyboard is at is wholly seen."""


def test_a_row_that_the_keyboard_is_at_stays_in_sight_while_flows_come(watched: Watched):
    page = watched.open("/flows?debug=1")
    rows = "window.__rubin.rows()"
    wait_for(lambda: page.evaluate(f"{rows}.held") > 200, "more than the table can show")
    for key in ("k", "k", "j", "j", "j"):
        page.keyboard.press(key)
        wait_for(lambda: page.evaluate(ACTIVE), f"the row after {key}")
    assert not page.evaluate(f"{rows}.following")
    expect(page.locator("button.fresh")).to_contain_text(re.compile(r"\+\d[\d\s]{2,} new"), timeout=20_000)
    assert page.evaluate(ACTIVE)
    page.keyboard.press("g")
    page.keyboard.press("g")
    wait_for(lambda: page.evaluate("document.querySelector('.flow-table').scrollTop") == 0, "the oldest row")
    page.keyboard.press("G")
    wait_for(lambda: page.evaluate(f"{rows}.following"), "the newest to be followed")


def test_where_all_flows_are_normal_a_table_of_the_others_says_so(watched: Watched):
    page = watched.open("/flows?to-port=5432")
    expect(page.locator("section.flows")).to_contain_text("shop/postgres")
    page.keyboard.press("!")
    empty = page.locator(".empty")
    expect(empty).to_contain_text("none of them dropped, failing or audited")
    empty.get_by_role("button").first.click()
    expect(page).not_to_have_url(re.compile("abnormal"))
    expect(empty).to_have_count(0)


def test_drops_that_are_put_together_are_counted_and_not_explained(watched: Watched, stage: Stage):
    """As the server tells of a flood: one group of a pair, one of many."""
    page = watched.open("/health")
    go(page, "drops")
    expect(page.locator(".summary")).to_contain_text("dropped in 1 group, ")
    expect(page.locator(".tools")).not_to_contain_text("put together")

    def flooded(route: Route) -> None:
        told = stage.get("/api/v1/drops")
        [group] = told["groups"]
        many = group | {"key": "many", "source": "7,000 more pairs", "destination": "many", "pairs": 7_000, "port": 0}
        told |= {"groups": [group, many], "folded_pairs": 7_000, "more": 1}
        route.fulfill(body=json.dumps(told), content_type="application/json")

    page.route("**/api/v1/drops*", flooded)
    expect(page.locator(".summary")).to_contain_text("dropped in 2 groups, ")
    expect(page.locator(".tools")).to_contain_text(
        "7 000 pairs of ends put together, since they are too many; 1 smaller group left out"
    )
    rows = page.locator("tbody tr")
    expect(rows.first.get_by_role("button", name="explain")).to_be_visible()
    expect(rows.last.get_by_role("button", name="explain")).to_have_count(0)
    rows.last.click()
    panel = page.locator("aside")
    expect(panel).to_contain_text("7,000 more pairs → many")
    expect(panel.get_by_role("button", name="show such flows")).to_be_visible()
    page.keyboard.press("e")
    expect(page).to_have_url(re.compile(r"v\.why=1"))
    expect(panel.locator(".why")).to_have_count(0)
    expect(panel).not_to_contain_text("asking why")
    page.unroute("**/api/v1/drops*")
