"""Names as long and as strange as anybody gives them: every screen shows them as text, and keeps its shape."""

import csv
import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import SIZE, Watched
from tests.browser.on_map import DRAWN, at, node_of
from tests.browser.shop import Call, Service, Shop
from tests.browser.stage import Stage

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>&amp;{{7*7}}${7*7}\"'`"
NAMES = {
    "long": "x" * 500,
    "markup": MARKUP,
    "hebrew": "שלום-עולם-\u202etxt.exe",
    "arabic": "مرحبا-بالعالم",
    "combining": "Z̴̡̛̛͓̺͎͇̦̩̱̈́͐̈́a" * 20,
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈🇺🇳" * 10,
    "zero-width": "pay\u200bments\u200d\u2060\ufeff",
    "lines": "one\ntwo\r\nthree\tfour\u2028five",
    "cjk": "支付服务" * 60,
    "thai": "การชำระเงิน" * 20,
    "controls": "\x00\x07\x1b[31mred\x9b1m\x7f",
    "no-unicode": os.fsdecode(b"caf\xe9-\xff\xfe"),
    "turns": "\u2067\u202enimda\u2066-\u200f",
    "formula": "=HYPERLINK(1)",
    "no-letters": "\ufffe\uffff\ufff9a\U0001ffff",
}
TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
SCREENS = ("map", "flows", "drops", "services", "dns", "health")


def strange() -> Shop:
    """Each is called by the next, is asked for by name, and drops something."""
    names = list(NAMES.values())
    services = tuple(Service(name, f"ns-{name}"[:400], command=name) for name in names)
    calls = tuple(
        Call(one, other, 8000 + n, ("http", "dns")[n % 2], target=f"/{other}", drops=n % 3 == 0)
        for n, (one, other) in enumerate(zip(names, names[1:] + names[:1], strict=True))
    )
    return Shop(3, services, calls)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("strange"), 50, 10, strange).running() as stage:
        yield stage


@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_of_strange_names_keeps_its_shape(chromium: Browser, hostile: Stage, screen: str):
    context = chromium.new_context(viewport=SIZE, reduced_motion="reduce")
    watched = Watched(context.new_page(), hostile)
    page = watched.open(f"/{screen}")
    main = page.locator("main")
    expect(page.locator("header")).to_contain_text("LIVE", timeout=60_000)
    if screen == "map":
        expect(page.locator("section.map")).to_contain_text("connection", timeout=60_000)
        page.keyboard.press("t")
    if screen in ("map", "flows"):
        expect(main).to_contain_text("支付服务", timeout=60_000)
        expect(main).to_contain_text("<img src=x onerror=alert(1)>")
    if screen == "services":
        expect(main).to_contain_text("مرحبا-بالعالم", timeout=60_000)
    if screen == "flows":
        page.locator(".flow-row:not([hidden])").nth(3).click()
        expect(page.locator("aside")).to_be_visible()
    watched.picture(f"strange-{screen}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.querySelectorAll('main img, aside img, main script, aside script').length") == 0
    assert watched.wrong == []
    context.close()


def test_a_panel_and_a_filter_of_a_strange_name_are_text(chromium: Browser, hostile: Stage):
    context = chromium.new_context(viewport=SIZE, reduced_motion="reduce")
    watched = Watched(context.new_page(), hostile)
    for name, port in (("long", 8000), ("markup", 8001), ("emoji", 8005)):
        page = watched.open(f"/flows?to-port={port}")
        row = page.locator(".flow-row:not([hidden])").first
        expect(row).to_be_visible(timeout=60_000)
        row.click()
        expect(page.locator("aside")).to_contain_text(NAMES[name][:20], timeout=60_000)
        page.locator("aside").hover()
        watched.picture(f"strange-panel-{name}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert page.evaluate("document.querySelectorAll('aside img, .filter-bar img').length") == 0
    assert watched.wrong == []
    context.close()


@pytest.fixture
def watched(chromium: Browser, hostile: Stage) -> Iterator[Watched]:
    context = chromium.new_context(viewport=SIZE, reduced_motion="reduce")
    found = Watched(context.new_page(), hostile)
    yield found
    assert found.wrong == []
    context.close()


def is_kept_in(page: Page, *boxes: Locator) -> None:
    """That they are wholly on the page, and that it has not become wider."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for one in boxes:
        box = one.bounding_box()
        assert box, one
        assert box["x"] >= 0, box
        assert box["x"] + box["width"] <= SIZE["width"] + 1, box


def test_no_name_turns_its_neighbours_round(watched: Watched):
    for screen in ("flows", "drops", "services", "dns"):
        page = watched.open(f"/{screen}")
        main = page.locator("main")
        expect(main).to_contain_text("nimda" if "dns" not in screen else "exe", timeout=60_000)
        shown = main.inner_text()
        watched.picture(f"strange-turns-{screen}")
        assert not TURNS.search(shown)
        assert not re.search("[\u05d0-\u06ff][ /:(]", shown), f"{screen}: each name ends its direction with it"


def test_the_map_s_cards_menu_panel_and_picture(watched: Watched, hostile: Stage, tmp_path: Path):
    page = watched.page
    page.goto(f"{hostile.url}/map?debug=1")
    page.wait_for_function(DRAWN, timeout=60_000)
    page.wait_for_function("window.__rubin.map.scene.value.nodes.length >= 15", timeout=60_000)
    watched.picture("strange-cards")
    for name in ("long", "markup"):
        told = page.evaluate("window.__rubin.map.scene.value.nodes.map(node => node.name)")
        full = next(one for one in told if one.endswith(NAMES[name]))
        x, y = at(page, node_of(page, full))
        page.mouse.move(x, y)
        watched.picture(f"strange-hover-{name}")
        page.mouse.click(x, y)
        expect(page.locator("aside")).to_contain_text(NAMES[name][:20], timeout=60_000)
        page.keyboard.press("Shift+F10")
        menu = page.get_by_role("menu")
        expect(menu).to_be_visible()
        watched.picture(f"strange-menu-{name}")
        is_kept_in(page, page.locator("aside"), menu)
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
    page.get_by_role("button", name="export").click()
    with page.expect_download() as got:
        page.get_by_role("menuitem", name=re.compile("SVG")).click()
    got.value.save_as(tmp_path / "map.svg")
    tree = ElementTree.parse(tmp_path / "map.svg")
    texts = "".join(tree.getroot().itertext())
    assert "<img" in texts
    assert "xxxxx" in texts
    assert not TURNS.search(texts)
    assert not {"script", "img"} & {one.tag.rpartition("}")[2] for one in tree.iter()}


def test_chips_completion_palette_and_find(watched: Watched):
    for name in ("long", "arabic", "hebrew"):
        page = watched.open(f"/flows?namespace={quote(f'ns-{NAMES[name]}'[:400])}")
        bar = page.locator(".filter-bar")
        expect(bar).to_contain_text(f"ns-{NAMES[name][:4]}", timeout=60_000)
        expect(page.locator(".flow-row:not([hidden])").first).to_be_visible(timeout=60_000)
        is_kept_in(page, bar)
        assert not TURNS.search(page.locator("body").inner_text())
        assert page.title() == "Flows – Rubin"
    watched.picture("strange-chip")
    page.keyboard.press("Control+k")
    page.keyboard.type("支付")
    expect(page.get_by_role("dialog")).to_contain_text("支付服务", timeout=60_000)
    is_kept_in(page, page.get_by_role("dialog"))
    watched.picture("strange-palette")
    page.keyboard.press("Escape")
    page = watched.open("/flows")
    page.keyboard.press("Control+f")
    page.keyboard.type("支付服务支付")
    expect(page.locator(".flow-row.found:not([hidden])").first).to_be_visible(timeout=60_000)


def test_a_csv_of_strange_names_has_its_columns_and_no_formula(hostile: Stage):
    with urlopen(f"{hostile.url}/api/v1/flows?format=csv&all=1", timeout=60) as answer:
        text = answer.read().decode()
    head, *rows = csv.reader(text.splitlines(keepends=True))
    assert rows
    assert {len(row) for row in rows} == {len(head)}
    assert not TURNS.search(text)
    assert not any(cell.startswith(("=", "+", "@", "\t")) for row in rows for cell in row)
