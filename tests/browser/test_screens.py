"""The first load: small, soon there, of one origin; and what is shown is text, whatever it says."""

import gzip
import re
import urllib.request

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import SIZE, Watched
from tests.browser.shop import HOSTILE
from tests.browser.stage import Stage
from tools.build_web import STATIC

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


def test_an_exchange_is_shown_as_the_server_has_it(watched: Watched, stage: Stage):
    page = watched.open("/services?protocol=http&to-namespace=shop")
    page.get_by_role("row", name="shop/catalog").get_by_role("button", name="one of them").click()
    panel = page.locator("aside")
    expect(panel).to_contain_text("What was said")
    (uuid,) = re.findall(r"exchange(?::|%3A)([0-9a-f-]{36})", page.url)
    (told,) = stage.get(f"/api/v1/exchange?uuid={uuid}")["exchanges"]
    expect(panel.get_by_role("heading", level=2)).to_have_text(f"{told['method']} {told['target']}")
    for side in ("client", "server"):
        expect(panel).to_contain_text(told[side]["name"])
    for title, value in (("status", told["status"]), ("took", "9 ms"), ("node", told["node"])):
        expect(panel.locator(".row", has_text=re.compile(f"^{title}"))).to_contain_text(str(value))
    page.wait_for_timeout(250)  # steps within 200 ms are one, to the back button
    panel.get_by_role("button", name="its flow").click()
    expect(panel).to_contain_text(told["response_uuid"] or told["request_uuid"])
    page.go_back()
    expect(panel).to_contain_text("What was said")


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
