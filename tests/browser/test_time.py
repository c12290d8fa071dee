"""Time and the map: steps to what happened, who was there then and is not now; edges by key and by colour."""

import re
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import Watched
from tests.browser.on_map import MAP, PLACES, node_of, opened
from tests.browser.shop import SECOND, Call, Service, Shop
from tests.browser.stage import Stage
from tests.waiting import wait_for

LONG_MS = 30_000
WEB, CART, CATALOG = (Service(name, "shop") for name in ("web", "cart", "catalog"))
CALLS = (
    Call("web", "catalog", 8080, "http", latency_ms=5),
    Call("cart", "catalog", 8080, "http", latency_ms=300),
    Call("web", "cart", 443, "tls"),
    Call("cart", "web", 80),
)
LATE = "first drop: NETFILTER_DROP shop/late → shop/catalog port 9999"
EARLY = "first error: shop/early → shop/catalog port 8080"


def once(name: str, call: Call, seconds_ago: int) -> Shop:
    """Somebody who is there for one second."""
    return Shop(seconds_ago + 7, (Service(name, "shop"), CATALOG), (call,))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A small shop, in which "early" failed two minutes ago, and was not seen again."""
    made = Stage(tmp_path_factory.mktemp("time"), 60, 150, partial(Shop, 1, (WEB, CART, CATALOG), CALLS))
    now = time.time_ns()
    early = once("early", Call("early", "catalog", 8080, "http", fails=1.0), 120)
    made.ring.append(early.flows(now - 120 * SECOND, now - 119 * SECOND, 20))
    with made.running():
        yield made


@pytest.fixture
def page(context: BrowserContext, stage: Stage) -> Iterator[Page]:
    watched = Watched(context.new_page(), stage)
    yield opened(watched.page, stage, "")
    assert watched.wrong == []


def names(page: Page, mark: str) -> list[str]:
    """Those on the map that have this mark."""
    found: list[str] = page.evaluate(f"{MAP}.scene.value.nodes.filter(one => one.{mark}).map(one => one.name)")
    return found


def test_braces_go_from_event_to_event_and_the_map_says_who_was_not_there(page: Page, stage: Stage):
    now = time.time_ns()
    late = once("late", Call("late", "catalog", 9999, drops=True), 0)
    stage.ring.append(late.flows(now - SECOND, now, 20))
    page.wait_for_function(f"() => {MAP}.scene.value.nodes.some(one => one.name === 'late' && one.id in {PLACES})")
    bars, said = page.locator("canvas.bars"), page.locator(".time-words")
    expect(bars).to_have_attribute("aria-label", re.compile(", 2 events$"), timeout=LONG_MS)
    places = page.evaluate(PLACES)
    calm = page.locator("section.map canvas[role=application]").screenshot()
    page.keyboard.press("{")
    expect(said).to_contain_text(f"⊘ {LATE}")
    page.get_by_role("button", name="the event before").click()
    expect(said).to_contain_text(f"! {EARLY}")
    expect(page).to_have_url(re.compile(r"[?&]at="))
    wait_for(lambda: names(page, "fresh") == ["early"], "who is not there now")
    assert names(page, "ghost") == ["late"]
    assert {node: at for node, at in page.evaluate(PLACES).items() if node in places} == {
        node: at for node, at in places.items() if node in page.evaluate(PLACES)
    }
    assert page.evaluate(f"{MAP}.scene.value.edges.filter(one => one.ghost).length") == 1
    label = page.locator("section.map canvas[role=application]")
    expect(label).to_have_attribute("aria-label", re.compile("1 node not there then, 1 node not there now"))
    assert label.screenshot() != calm
    drawn = f"{MAP}.scene.value.nodes.map((one, i) => [one.name, {MAP}.drawing.look[i] >> 8])"
    wait_for(
        lambda: {name: bits for name, bits in page.evaluate(drawn) if bits} == {"late": 1, "early": 2},
        "both to be drawn as what they are",
    )
    page.keyboard.press("t")
    expect(page.locator("[role=treegrid]")).to_contain_text("not there then")
    page.keyboard.press("t")

    page.keyboard.press("{")
    expect(page.locator(".toast")).to_have_text("there is no earlier event in what is held")
    page.keyboard.press("}")
    expect(said).to_contain_text(LATE)
    page.keyboard.press(".")
    expect(page).not_to_have_url(re.compile(r"at="))
    wait_for(lambda: not names(page, "ghost") and not names(page, "fresh"), "the map of now")
    box = bars.bounding_box()
    assert box

    def is_over_a_sign() -> bool:
        for step in range(0, int(box["width"]), 6):
            page.mouse.move(box["x"] + step, box["y"] + 8)
            if EARLY in (bars.get_attribute("title") or ""):
                return True
        return False

    assert is_over_a_sign()
    page.mouse.down()
    page.mouse.up()
    expect(said).to_contain_text(EARLY)


def focused(page: Page) -> Locator:
    return page.locator("*:focus")


def test_tab_goes_through_the_edges_of_a_node_and_out_again(page: Page):
    """Enter opens one, Esc goes back to the node; ticks of the live map leave the focus where it is."""
    web = node_of(page, "web")
    page.goto(f"{page.url}&v.sel=node:{web}")
    page.wait_for_function(f"() => window.__rubin && {MAP}.edges.length > 2 && {MAP}.picture", timeout=LONG_MS)
    canvas, group = page.locator("section.map canvas[role=application]"), page.get_by_role("group", name="web, ")
    canvas.focus()
    page.keyboard.press("Tab")
    expect(focused(page)).to_have_text(re.compile(r"^web to cart, 443/TCP, .*/s$"))
    expect(page.locator("[aria-live=polite]").first).to_have_text(re.compile("^web to cart"))
    ticked = page.evaluate(f"{MAP}.scene.value.tickMs")
    wait_for(lambda: page.evaluate(f"{MAP}.scene.value.tickMs") > ticked + 1000, "ticks")
    page.keyboard.press("Tab")
    expect(focused(page)).to_have_text(re.compile("^web to catalog"))
    page.keyboard.press("Tab")
    expect(focused(page)).to_have_text(re.compile("^cart to web"))
    page.keyboard.press("Tab")
    expect(group.locator("*:focus")).to_have_count(0)
    page.keyboard.press("Shift+Tab")
    expect(focused(page)).to_have_text(re.compile("^cart to web"))
    page.keyboard.press("Shift+Tab")
    expect(focused(page)).to_have_text(re.compile("^web to catalog"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"v\.sel=edge:"))
    expect(page.locator("aside")).to_contain_text("8080/TCP")
    expect(focused(page)).to_have_text(re.compile("^web to catalog"))
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(f"v\\.sel=node:{web}"))
    expect(canvas).to_be_focused()
    page.keyboard.press("Tab")
    expect(focused(page)).to_have_text(re.compile("^web to cart"))
    page.keyboard.press("Shift+Tab")
    expect(canvas).to_be_focused()


INKS = f"""Object.fromEntries({MAP}.edges.map((one, i) => [[one.source, one.destination].map(
    id => {MAP}.scene.value.nodeById.get(id).name).join(" "), {MAP}.drawing.ink[i]]))"""


def test_edges_are_coloured_by_what_is_asked_and_the_legend_says_it(page: Page, tmp_path: Path):
    select, legend = page.get_by_label("colour"), page.get_by_role("note", name="Legend")
    expect(legend).to_contain_text("⊘ dropped")
    select.select_option("latency")
    expect(page).to_have_url(re.compile(r"v\.colour=latency"))
    expect(legend).to_contain_text("≥ 100 ms")
    expect(legend).not_to_contain_text("dropped")
    inks = page.evaluate(INKS)
    assert {name: inks[name] for name in ("web catalog", "cart catalog", "cart web")} == {
        "web catalog": 5,
        "cart catalog": 7,
        "cart web": 0,
    }
    ink = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--step-c')")
    page.get_by_role("button", name="export").click()
    with page.expect_download() as got:
        page.get_by_role("menuitem", name="map as SVG").click()
    got.value.save_as(tmp_path / "map.svg")
    root = ElementTree.fromstring((tmp_path / "map.svg").read_bytes())
    words = [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"p99 < 10 ms", "≥ 100 ms", "not known"} <= set(words)
    assert any(re.fullmatch(r"p99 [\d.]+ ms", text) for text in words), "it is written, too"
    dashed = [one for one in root.iter("{http://www.w3.org/2000/svg}path") if one.get("stroke") == ink]
    assert {one.get("stroke-dasharray") for one in dashed} == {"16 4"}
    page.emulate_media(forced_colors="active")
    names = "['--step-c', '--fg'].map(one => getComputedStyle(document.documentElement).getPropertyValue(one))"
    wait_for(lambda: len(set(page.evaluate(names))) == 1, "the system's colours")
    page.emulate_media(forced_colors="none")
    page.reload()
    expect(legend).to_contain_text("≥ 100 ms")
    expect(select).to_have_value("latency")
    select.select_option("encryption")
    expect(legend).to_contain_text("in part")
    wait_for(lambda: page.evaluate(INKS).get("web cart") == 8, "what is encrypted")
    assert page.evaluate(INKS)["web catalog"] == 5
    select.select_option("errors")
    expect(legend).to_contain_text("no errors")
    select.select_option("verdict")
    expect(page).not_to_have_url(re.compile(r"v\.colour"))
