"""Names as long and as strange as anybody gives them: every screen shows them as text, and keeps its shape."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import SIZE, Watched
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
}
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
