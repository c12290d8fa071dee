"""By the keyboard alone, and by ear: what is found, said and copied; where the focus stays."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import SIZE, Watched
from tests.browser.stage import Stage
from tests.browser.walk import SCREENS, go
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
TICKS = 20


@pytest.fixture
def page(chromium: Browser, stage: Stage) -> Iterator[Page]:
    """A page that may use the clipboard."""
    context = chromium.new_context(viewport=SIZE, permissions=["clipboard-read", "clipboard-write"])
    watched = Watched(context.new_page(), stage)
    yield watched.open("/map?debug=1")
    assert watched.wrong == []
    context.close()


@pytest.fixture
def still(stage: Stage) -> Iterator[Stage]:
    """Nothing happens meanwhile, so that what is asked twice is the same."""
    stage.pause()
    wait_for(stage.is_all_seen, "the last flows")
    yield stage
    stage.resume()


def explained(stage: Stage, *words: str) -> str:
    """What `rubin explain` prints."""
    command = [sys.executable, "-m", "rubin", "explain", "--server", stage.server, *words]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": "src"}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def copied(page: Page) -> str:
    """What was copied last."""
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text.strip()


def focused(page: Page) -> Locator:
    """What has the focus."""
    return page.locator("*:focus")


def test_from_the_first_page_to_a_drop_that_is_explained_and_copied(page: Page, still: Stage):
    """No mouse: find the drop, read why, copy it, see its flows, and come back."""
    go(page, "drops")
    page.keyboard.press("j")
    expect(focused(page)).to_contain_text("NETFILTER_DROP")
    page.keyboard.press("Enter")
    expect(page.locator("aside")).to_contain_text("What to try")
    page.keyboard.press("y")
    page.keyboard.press("e")
    expect(page.locator(".toast")).to_have_text("explanation copied")
    uuid = still.get("/api/v1/drops")["groups"][0]["uuid"]
    assert copied(page) == explained(still, uuid)
    page.keyboard.press("F6")
    expect(page.locator("aside")).to_be_focused()
    for _ in range(30):
        page.keyboard.press("Tab")
        if "show the" in focused(page).inner_text():
            break
    page.keyboard.press("Escape")
    expect(page.locator("aside")).to_have_count(0)
    expect(focused(page)).to_contain_text("NETFILTER_DROP")
    page.keyboard.press("Enter")
    page.keyboard.press("F6")
    page.get_by_role("button", name=re.compile("show the")).press("Enter")
    expect(page).to_have_url(re.compile("/flows.*verdict=DROPPED"))
    page.keyboard.press("y")
    page.keyboard.press("c")
    wait_for(lambda: copied(page).startswith("rubin observe"), "the command in the clipboard")


def test_an_explanation_is_one_click_away_and_that_of_the_command_line(page: Page, still: Stage):
    """From an edge of the map, a row of the table, the list of drops."""
    drawn = "!!window.__rubin.map.picture && window.__rubin.map.edges.some(edge => edge.verdict === 2)"
    wait_for(lambda: page.evaluate(drawn), "the edge that drops")
    x, y = page.evaluate(MIDDLE)
    page.locator(".map-canvas canvas").click(position={"x": x, "y": y})
    assert told(page) == explained(still, "shop/cart", "shop/payments:8443")
    page.keyboard.press("Escape")
    page.goto(f"{still.url}/flows?verdict=DROPPED")
    row = page.locator(".flow-row.bad").last
    row.click()
    expect(page).to_have_url(re.compile("sel=.*flow"))
    uuid = re.sub(r".*flow(:|%3A)([0-9a-f-]{36}).*", r"\2", page.url)
    assert told(page) == explained(still, uuid)
    go(page, "drops")
    page.get_by_role("button", name="explain").first.click()
    assert told(page) == explained(still, still.get("/api/v1/drops")["groups"][0]["uuid"])


MIDDLE = """() => {
    const { edges, routes, camera } = window.__rubin.map;
    const at = 8 * edges.findIndex(edge => edge.verdict === 2);
    const [x1, y1, cx1, cy1, cx2, cy2, x2, y2] = routes.slice(at, at + 8);
    const of = (a, b, c, d) => (a + 3 * b + 3 * c + d) / 8;
    return [(of(x1, cx1, cx2, x2) - camera.x) * camera.k, (of(y1, cy1, cy2, y2) - camera.y) * camera.k];
}"""
"""Of the edge that drops, on the canvas."""


def told(page: Page) -> str:
    """The explanation in the panel, as it is copied."""
    why = page.locator("aside .why")
    expect(why).to_contain_text("What to try")
    page.evaluate("navigator.clipboard.writeText('')")
    why.get_by_role("button", name="copy as text").click()
    wait_for(lambda: copied(page), "the text in the clipboard")
    text = copied(page)
    shown = " ".join(why.inner_text().split())
    assert all(" ".join(line.split()) in shown for line in text.splitlines() if line.startswith("  "))
    return text


CALLS = re.compile(r"""(?:\bkeys: |\bkey\(\s*)"([^"]+)",""")
"""Where a key is registered."""
KEYS = re.compile(r"[a-z] [a-z]|[!-~]|Ctrl-[A-Z]|(Shift-)?(F\d+|Arrow\w+)|ContextMenu|Enter|Escape|Space|Page(Up|Down)")
"""What a key looks like in a text."""


def test_every_key_is_shown_and_documented_and_no_other(page: Page):
    """What listens is what `?` shows on the screens together; docs/ui.md names these and no other."""
    shown: set[str] = set()
    for screen in SCREENS:
        go(page, screen)
        page.keyboard.press("?")
        found = page.locator("dialog [data-keys]").evaluate_all("rows => rows.map(row => row.dataset.keys.split(','))")
        shown |= {keys for row in found for keys in row}
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)
    sources = "\n".join(path.read_text() for path in (ROOT / "web/src").rglob("*.ts*"))
    assert set(CALLS.findall(sources)) - shown == set()
    text, _, _ = (ROOT / "docs/ui.md").read_text().partition("\n## For programs")
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    documented = {keys for keys in re.findall(r"`([^`]+)`", text) if KEYS.fullmatch(keys)}
    assert documented == shown


def test_the_palette_knows_names_on_every_screen(chromium: Browser, stage: Stage):
    context = chromium.new_context(viewport=SIZE)
    watched = Watched(context.new_page(), stage)
    page = watched.open("/health")
    expect(page.locator("section.health")).to_contain_text("following")
    page.keyboard.press("Control+K")
    page.keyboard.type("catal")
    option = page.get_by_role("option", name=re.compile("^catalog"))
    expect(option.first).to_have_text(re.compile(r"only namespace=shop workload=(Deployment/)?catalog"))
    page.get_by_role("combobox", name="Go to").fill("kube")
    expect(page.get_by_role("option", name=re.compile("kube-system")).first).to_be_visible()
    page.get_by_role("combobox", name="Go to").fill("catal")
    page.keyboard.press("Enter")
    expect(page.locator(".filter-bar")).to_contain_text(re.compile("workload=(Deployment/)?catalog"))
    expect(page.locator(".filter-bar")).to_contain_text("namespace=shop")
    page.goto(f"{stage.url}/map?v.shut=shop")
    expect(page.locator("section.map")).to_contain_text("1 namespace closed")
    page.keyboard.press("Control+K")
    page.keyboard.type("catal")
    expect(page.get_by_role("option", name=re.compile("^catalog")).first).to_be_visible()
    assert watched.wrong == []
    context.close()


HEARD = """() => {
    window.heard = [];
    const region = document.querySelector("[aria-live=polite]");
    new MutationObserver(() => window.heard.push([performance.now(), region.textContent]))
        .observe(region, { childList: true, characterData: true, subtree: true });
}"""


TICK = "window.__rubin.map.scene.value.tickMs"


def test_ticks_say_nothing_and_leave_the_focus_where_it_is(page: Page, stage: Stage):
    """20 ticks of the map; meanwhile a menu is open in one tab, and a row has the focus in another."""
    flows, drops = page.context.new_page(), page.context.new_page()
    flows.goto(f"{stage.url}/flows")
    expect(flows.locator("section.flows")).to_contain_text("flows held")
    flows.keyboard.press("w")
    flows.get_by_role("checkbox", name="Process").focus()
    drops.clock.install()
    drops.goto(f"{stage.url}/drops")

    def is_listed() -> bool:
        drops.clock.run_for(200)
        return drops.locator("tbody tr").count() == 1

    wait_for(is_listed, "the group of drops")
    drops.locator("tbody tr").focus()
    page.bring_to_front()
    expect(page.locator("section.map")).to_contain_text("connection")
    page.locator(".map-canvas canvas").focus()
    regions = "document.querySelectorAll('[aria-live]:not([aria-live=off]), [role=status], [role=log]').length"
    for each in (page, flows, drops):
        assert each.evaluate(regions) == 1
        each.evaluate(HEARD)
        each.evaluate("window.before = document.activeElement")
    seen: set[float] = set()
    asked: list[str] = []
    drops.on("response", lambda response: asked.append(response.url))

    def is_ticked() -> bool:
        drops.clock.run_for(1000)
        seen.add(page.evaluate(TICK))
        return len(seen) > TICKS and sum("/api/v1/drops" in url for url in asked) >= TICKS

    wait_for(is_ticked, "the ticks", 120)
    for each in (page, flows, drops):
        assert each.evaluate("window.before === document.activeElement && document.activeElement !== document.body")
        assert each.evaluate("window.heard") == []


def test_one_message_in_five_seconds_is_said(page: Page):
    expect(page.locator("section.map")).to_contain_text("connection")
    page.evaluate(HEARD)
    for keys in ("yc", "yl", "yc", "yl"):
        for key in keys:
            page.keyboard.press(key)
        expect(page.locator(".toast")).to_have_text(f"{'command' if keys == 'yc' else 'link'} copied")
    heard = page.evaluate("window.heard")
    assert heard[0][1] == "command copied"
    assert all(later - earlier > 4_900 for (earlier, _), (later, _) in pairwise(heard))
