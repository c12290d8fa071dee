"""Every screen, panel and overlay, for eyes, hands and settings of all kinds."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from tests.browser.conftest import SIZE, Watched
from tests.browser.stage import Stage
from tests.browser.walk import SCREENS, go, serious, small_targets, states
from tests.waiting import wait_for

THEMES: dict[str, dict[str, Any]] = {
    "dark": {"color_scheme": "dark"},
    "light": {"color_scheme": "light"},
    "contrast": {"color_scheme": "light", "contrast": "more"},
}
SMALL: ViewportSize = {"width": 800, "height": 600}
OVERFLOW = "document.documentElement.scrollWidth - innerWidth"
TIME_BAR = "document.querySelector('.time-bar').getBoundingClientRect().bottom - innerHeight"
"""By how much it is out of sight; less than 0 where there is none."""


@pytest.fixture
def opened(chromium: Browser, stage: Stage, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A page with the settings of the test's parameter."""
    context = chromium.new_context(**({"viewport": SIZE, "reduced_motion": "reduce"} | request.param))
    watched = Watched(context.new_page(), stage)
    watched.open("/map?debug=1")
    yield watched
    assert watched.wrong == []
    context.close()


@pytest.mark.parametrize("opened", [pytest.param(THEMES[name], id=name) for name in THEMES], indirect=True)
def test_nothing_that_can_be_seen_breaks_a_rule(opened: Watched, request: pytest.FixtureRequest):
    """Only colours differ by theme, so that the other rules are asked of one of them."""
    page, theme = opened.page, request.node.callspec.id
    broken, small, cut = {}, {}, {}
    for name, root in states(page):
        broken[name] = serious(page, root, () if theme == "dark" else ["color-contrast"])
        opened.picture(f"{name}-{theme}")
        if theme == "dark":
            small[name] = small_targets(page)
        if name in SCREENS and theme != "contrast":
            page.set_viewport_size(SMALL)
            cut[name] = (max(0, page.evaluate(OVERFLOW)), max(0, page.evaluate(TIME_BAR)))
            opened.picture(f"{name}-{theme}-800")
            page.set_viewport_size(SIZE)
    assert {name: found for name, found in broken.items() if found} == {}
    assert {name: found for name, found in small.items() if found} == {}
    assert {name: found for name, found in cut.items() if any(found)} == {}


CANVAS = """wanted => {
    const canvas = document.querySelector(".map-canvas canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return wanted.map(([r, g, b]) => {
        let found = 0;
        for (let i = 0; i < data.length; i += 4)
            if (data[i + 3] > 200 && data[i] === r && data[i + 1] === g && data[i + 2] === b) found += 1;
        return found;
    });
}"""
"""How many pixels of the map are of each of these colours."""
SYSTEM = """name => {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.forcedColorAdjust = "none";
    probe.style.color = name;
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
}"""


@pytest.mark.parametrize(
    "opened", [{"forced_colors": "active", "color_scheme": scheme} for scheme in ("dark", "light")], indirect=True,
    ids=["dark", "light"],
)  # fmt: skip
def test_the_systems_own_colours_are_enough(opened: Watched, request: pytest.FixtureRequest):
    page = opened.page
    expect(page.locator("section.map")).to_contain_text("connection")
    text, ground = (page.evaluate(SYSTEM, name) for name in ("CanvasText", "Canvas"))
    assert text != ground
    for name, wanted in (("--fg", text), ("--dropped", text), ("--bg", ground)):
        assert page.evaluate(SYSTEM, f"var({name})") == wanted, name
    inks = [[int(part) for part in re.findall(r"\d+", colour)] for colour in (text, ground)]
    wait_for(lambda: page.evaluate(CANVAS, inks)[0] > 300, "the map in the system's colours")
    drawn, filled = page.evaluate(CANVAS, inks)
    assert filled > drawn  # cards are of the ground's colour, what is on them is not
    opened.picture(f"map-forced-{request.node.callspec.id}")
    go(page, "flows")
    page.wait_for_selector(".flow-row.v-dropped.bad")
    assert "⊘ DROPPED" in page.locator(".flow-row.v-dropped.bad").first.inner_text()
    page.keyboard.press("Space")
    page.keyboard.press("k")
    page.wait_for_selector(".flow-row.chosen")
    assert page.evaluate("getComputedStyle(document.querySelector('.flow-row.chosen')).outlineStyle") == "solid"


DEFICIENCIES = ("protanopia", "deuteranopia", "tritanopia", "achromatopsia")


def test_who_sees_few_colours_has_glyphs_and_dashes(watched: Watched):
    """The pictures are for a person to look at; the numbers are in tests/ui/test_palette.py."""
    page = watched.open("/map")
    expect(page.locator("section.map")).to_contain_text("connection")
    page.keyboard.press("Space")
    for word in ("→ forwarded", "⊘ dropped", "! protocol error", "◇ audit", "? unknown"):
        expect(page.get_by_role("note", name="Legend")).to_contain_text(word)
    seen = {watched.picture("map-usual").read_bytes()}
    session = page.context.new_cdp_session(page)
    for kind in DEFICIENCIES:
        session.send("Emulation.setEmulatedVisionDeficiency", {"type": kind})
        seen.add(watched.picture(f"map-{kind}").read_bytes())
    assert len(seen) == 1 + len(DEFICIENCIES)


@pytest.mark.parametrize("opened", [{}], indirect=True, ids=["reduced"])
def test_nothing_moves_by_itself_where_that_is_asked_for(opened: Watched):
    page = opened.page
    for screen in SCREENS:
        go(page, screen)
        assert page.evaluate("document.getAnimations().filter(one => one.playState === 'running').length") == 0
        assert page.evaluate("getComputedStyle(document.querySelector('main')).scrollBehavior") == "auto"


UNREACHED = """() => [...document.querySelectorAll("button, a[href], select, input, canvas[tabindex]")]
    .filter(one => one.checkVisibility() && !one.disabled && !one.closest(".unseen") && !one.matches(".skip"))
    .slice(0, 60)
    .filter(one => {
        for (let up = one; up && !/auto|scroll/.test(getComputedStyle(up).overflowX); up = up.parentElement)
            if (one.getBoundingClientRect().right > up.getBoundingClientRect().right + 1) return true;
        one.scrollIntoView({ block: "center", inline: "center" });
        const box = one.getBoundingClientRect();
        const [x, y] = [box.x + box.width / 2, box.y + Math.min(box.height, innerHeight) / 2];
        const there = document.elementFromPoint(x, y);
        return !there || !(one.contains(there) || there.contains(one));
    })
    .map(one => one.outerHTML.slice(0, 120))"""
"""What can be operated, and does not come into sight wherever one scrolls."""


@pytest.mark.parametrize("opened", [{"viewport": {"width": 320, "height": 256}}], indirect=True, ids=["320x256"])
def test_enlarged_four_times_it_is_one_column(opened: Watched):
    """WCAG 1.4.10: 1280 pixels at 400 %. Tables and the map have two dimensions, and scroll in boxes of their own."""
    page = opened.page
    wide, hidden = {}, {}
    for name, _ in states(page):
        wide[name] = page.evaluate(OVERFLOW)
        hidden[name] = page.evaluate(UNREACHED) if name not in ("keys", "palette") else []
        page.evaluate("scrollTo(0, 0)")
        opened.picture(f"{name}-320")
    assert {name: found for name, found in wide.items() if found > 0} == {}
    assert {name: found for name, found in hidden.items() if found} == {}


SPACED = (
    "* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }"
    " p { margin-bottom: 2em !important; }"
)
CLIPPED = """() => [...document.querySelectorAll("body *")]
    .filter(one => one.checkVisibility() && !one.closest(".unseen, svg, [hidden]"))
    .filter(one => [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
    .filter(one => {
        const style = getComputedStyle(one);
        if (style.overflowX === "visible" || style.overflowX === "auto") return false;
        const across = style.textOverflow !== "ellipsis" && one.scrollWidth > one.clientWidth + 1;
        return across || one.scrollHeight > one.clientHeight + 3;
    })
    .map(one => [one.scrollWidth, one.clientWidth, one.scrollHeight, one.clientHeight, one.outerHTML.slice(0, 100)])"""


@pytest.mark.parametrize("opened", [{"bypass_csp": True}], indirect=True, ids=["spaced"])
def test_text_that_is_spaced_out_is_not_cut_off(opened: Watched):
    """WCAG 1.4.12, with what it allows to be asked for."""
    page = opened.page
    page.add_style_tag(content=SPACED)
    clipped, wide = {}, {}
    for name, _ in states(page):
        clipped[name], wide[name] = page.evaluate(CLIPPED), page.evaluate(OVERFLOW)
    assert {name: found for name, found in clipped.items() if found} == {}
    assert {name: found for name, found in wide.items() if found > 0} == {}
