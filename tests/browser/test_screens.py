"""Every screen, dark and light: it shows what there is, breaks no rule, and asks nobody else."""

import gzip
import re
import urllib.request
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import SIZE, Watched
from tests.browser.shop import HOSTILE
from tests.browser.stage import Stage
from tools.build_web import STATIC

SCREENS = {
    "map": ("section.map", "connection"),
    "flows": ("section.flows", "FORWARDED"),
    "drops": ("section.list", "NETFILTER_DROP"),
    "services": ("section.list", "shop/catalog"),
    "dns": ("section.list", "mial.shop.svc.cluster.local"),
    "health": ("section.health", "following"),
}
FIRST_LOAD_KB = 120


def as_table(page: Page) -> Locator:
    """The map's equal for who does not see it."""
    expect(page.locator("section.map")).to_contain_text("connection")
    page.keyboard.press("t")
    return page.get_by_role("treegrid")


def test_the_first_load_is_small_and_of_one_origin():
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    assert (STATIC / "index.html") in files
    packed = sum(len(gzip.compress(path.read_bytes())) for path in files)
    assert packed <= FIRST_LOAD_KB * 1024
    for path in files:
        if path.suffix in (".html", ".js", ".css"):
            found = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", path.read_text()))
            assert {one for one in found if "w3.org" not in one} == set(), path


def test_nothing_but_its_own_may_run_or_be_asked(stage: Stage):
    with urllib.request.urlopen(f"{stage.url}/map") as answer:
        policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_shows_what_there_is_and_is_accessible(
    chromium: Browser, stage: Stage, screen: str, theme: Literal["dark", "light"]
):
    context = chromium.new_context(viewport=SIZE, color_scheme=theme, reduced_motion="reduce")
    watched = Watched(context.new_page(), stage)
    page = watched.open(f"/{screen}")
    selector, text = SCREENS[screen]
    page.wait_for_selector(selector)
    expect(page.locator(selector)).to_contain_text(text)
    page.wait_for_timeout(500)  # for the picture alone: the last colours fade in
    watched.picture(f"{screen}-{theme}")
    serious = [
        (one["id"], one["help"], [node["html"][:120] for node in one["nodes"][:3]])
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert watched.wrong == []
    context.close()


def test_the_map_names_what_the_server_counts(watched: Watched, stage: Stage):
    page = watched.open("/map")
    grid = as_table(page)
    for name in ("web", "cart", "catalog", "payments", "postgres", "redis", "coredns", "prometheus"):
        expect(grid).to_contain_text(name)


def test_names_with_markup_are_text(watched: Watched):
    page = watched.open("/flows?to-port=587")
    expect(page.locator("section.flows")).to_contain_text(HOSTILE)
    page.goto(page.url.replace("/flows", "/map"))
    expect(as_table(page)).to_contain_text("<img")
    assert page.locator("img").count() == 0


def test_an_explanation_is_one_click_away(watched: Watched, stage: Stage):
    page = watched.open("/drops")
    page.get_by_role("button", name=re.compile("^explain")).first.click()
    panel = page.locator("aside")
    expect(panel).to_contain_text("NETFILTER_DROP")
    expect(panel).to_contain_text("What to try")
    watched.picture("explain-dark")


def test_it_paints_at_once(chromium: Browser, stage: Stage):
    """Far from what the bench asks: this shall not fail where the machine is busy."""
    context = chromium.new_context(viewport=SIZE)
    page = context.new_page()
    page.goto(f"{stage.url}/map")
    page.wait_for_selector("section.map canvas")
    painted = "performance.getEntriesByType('paint').find(one => one.name === 'first-contentful-paint')?.startTime"
    first_ms = page.evaluate(painted)
    assert first_ms is not None
    assert first_ms < 5_000
    context.close()
