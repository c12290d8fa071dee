"""Pages with nothing on them say why, and what they offer works; and a page that needs a token."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from rubin.store.ring import Ring
from rubin.ui.security import COOKIE
from tests.browser.conftest import SIZE, Watched
from tests.browser.shop import SECOND, Shop
from tests.browser.stage import Stage
from tests.browser.walk import serious, small_targets
from tests.ui.tabs import browsing, looking

TOKEN = "0f" * 16


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page before anything is opened in it."""
    context = chromium.new_context(viewport=SIZE, color_scheme="dark", reduced_motion="reduce")
    yield context.new_page()
    context.close()


def shop(ago_s: int, count: int = 400) -> Ring:
    """A minute of the shop, which ended so long ago."""
    ring, until_ns = Ring(), time.time_ns() - ago_s * SECOND
    ring.append(Shop().flows(until_ns - 60 * SECOND, until_ns, count))
    return ring


def test_a_name_that_is_mistaken_is_put_right(watched: Watched, stage: Stage):
    """In the map, the flows and the lists; what is offered keeps the rest of the filter."""
    page = watched.open("/flows?namespace=shopp&to-port=5432")
    empty = page.locator(".empty")
    expect(empty).to_contain_text("none of them with namespace=shopp; the nearest name is shop")
    assert serious(page) == []
    assert small_targets(page) == []
    watched.picture("empty-dark")
    for screen in ("map", "services", "drops", "dns"):
        page.keyboard.press("g")
        page.keyboard.press({"map": "m", "services": "s", "drops": "d", "dns": "n"}[screen])
        expect(empty).to_contain_text("the nearest name is shop")
    page.keyboard.press("g")
    page.keyboard.press("f")
    empty.get_by_role("button", name="take shop").click()
    expect(page).to_have_url(re.compile(r"namespace=shop\b"))
    expect(page).to_have_url(re.compile("to-port=5432"))
    expect(page.locator("section.flows")).to_contain_text("shop/postgres")
    expect(empty).to_have_count(0)


def test_a_time_before_all_that_is_held_leads_to_the_oldest(watched: Watched):
    page = watched.open("/drops?since=2020-01-01T00:00:00Z&until=2020-01-01T00:01:00Z")
    expect(page.locator(".empty")).to_contain_text(re.compile(r"the oldest flow is of .*\d\d:\d\d:\d\d UTC"))
    page.get_by_role("button", name="the oldest that is held").click()
    expect(page).not_to_have_url(re.compile("2020"))
    expect(page.locator("section.list")).to_contain_text("NETFILTER_DROP")


def test_where_nothing_comes_any_more_the_last_flows_are_shown(page: Page, tmp_path: Path):
    with looking(shop(ago_s=600), tmp_path) as browser:
        page.goto(f"http://{browser.host}/map")
        expect(page.locator(".empty")).to_contain_text(re.compile(r"no flow has come for 6\d\d s"), timeout=20_000)
        page.get_by_role("button", name="show the last flows").click()
        expect(page.locator("section.map")).to_contain_text("connection")
        expect(page.locator(".empty")).to_have_count(0)


def test_where_nothing_that_was_said_is_read_the_flows_are_shown(page: Page, tmp_path: Path):
    ring = Ring()
    flows = shop(ago_s=1)
    for view in flows.scan():
        ring.append(view.take(view["message"] == 0))
    with looking(ring, tmp_path) as browser:
        page.goto(f"http://{browser.host}/services?to-port=443")
        expect(page.locator(".empty")).to_contain_text(
            "flows of port 443 are there, and nothing of what they said was read"
        )
        page.get_by_role("button", name="show the flows").click()
        expect(page).to_have_url(re.compile(r"/flows\?to-port=443"))
        expect(page.locator("section.flows")).to_contain_text("203.0.113.7")


def test_without_a_server_it_says_so_and_goes_on_when_one_comes(page: Page, tmp_path: Path):
    with browsing(f"unix://{tmp_path}/s") as browser:
        page.goto(f"http://{browser.host}/flows")
        expect(page.locator(".empty")).to_contain_text("there is no socket", timeout=20_000)
        expect(page.locator(".empty")).to_contain_text("rubin agent")
        with looking(shop(ago_s=1), tmp_path):
            expect(page.locator("section.flows")).to_contain_text("ingress-nginx", timeout=30_000)
            expect(page.locator(".empty")).to_have_count(0)


def test_only_the_token_opens_the_page_and_then_it_is_out_of_sight(page: Page, tmp_path: Path):
    """The link that `rubin ui` prints for other machines, here with a token that is known."""
    with looking(shop(ago_s=1), tmp_path, TOKEN) as browser:
        base = f"http://{browser.host}"
        for wrong in ("/flows", f"/flows?token={'0' * 32}"):
            answer = page.goto(f"{base}{wrong}")
            assert answer is not None
            assert answer.status == 401
            expect(page.locator("body")).to_contain_text("The session is not known")
            expect(page.locator("body")).to_contain_text("Open the link that rubin ui printed")
        page.goto(f"{base}/flows?token={TOKEN}&to-port=5432")
        expect(page).to_have_url(f"{base}/flows?to-port=5432")
        expect(page.locator("section.flows")).to_contain_text("shop/postgres")
        assert TOKEN not in page.content()
        assert TOKEN not in page.evaluate("document.cookie")
        (cookie,) = page.context.cookies()
        assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (COOKIE, True, "Strict")
        second = page.context.new_page()
        second.goto(f"{base}/map")
        expect(second.locator("section.map")).to_contain_text("connection")
