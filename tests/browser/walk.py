"""Through all that a page can show, in one load of it; and what of it breaks a rule."""

from collections.abc import Iterator, Sequence
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.waiting import wait_for

SCREENS = {
    "map": ("m", "section.map", "connection"),
    "flows": ("f", "section.flows", "FORWARDED"),
    "drops": ("d", "section.list", "NETFILTER_DROP"),
    "services": ("s", "section.list", "shop/catalog"),
    "dns": ("n", "section.list", "mial.shop.svc.cluster.local"),
    "health": ("h", "section.health", "following"),
}
"""The key that goes there, where it is, and what it says in the shop."""

LEAST_TARGET_PX = 24
_LONG_MS = 30_000  # what is awaited is not how fast it is
_SMALL = """least => [...document.querySelectorAll("button, a[href], select, input, summary, [role=option]")]
    .filter(one => one.checkVisibility() && !one.closest(".unseen") && !one.matches(".skip, label input"))
    .map(one => [one.getBoundingClientRect(), one.outerHTML.slice(0, 120)])
    .filter(([box]) => box.width < least || box.height < least)
    .map(([box, html]) => `${box.width}x${box.height} ${html}`)"""


def go(page: Page, screen: str) -> None:
    """By the keyboard, until the screen has something."""
    key, selector, text = SCREENS[screen]

    def is_there() -> bool:
        page.keyboard.press("g")
        page.keyboard.press(key)  # goes there within 1.2 s of the first; a machine may stand still for longer
        return bool(page.evaluate("location.pathname") == f"/{screen}")

    wait_for(is_there, screen)
    expect(page.locator(selector)).to_contain_text(text, timeout=_LONG_MS)


def states(page: Page) -> Iterator[tuple[str, str]]:
    """Each screen, each kind of panel and each overlay: its name, and the part of the page that is new."""
    panel = page.locator("aside")
    for screen in SCREENS:
        go(page, screen)
        yield screen, "body"
        match screen:
            case "map":
                page.keyboard.press("t")
                page.locator(".tree [aria-level='2']").first.click()
                expect(panel).to_contain_text("only this", timeout=_LONG_MS)
                yield "tree-and-node", "body"
                page.locator(".tree [aria-level='3']", has_text="dropped").first.click()
                expect(panel).to_contain_text("What to try", timeout=_LONG_MS)
                yield "edge", "aside"
                page.keyboard.press("t")
            case "flows":
                page.keyboard.press("k")
                page.keyboard.press("Enter")
                expect(panel).to_contain_text("Source", timeout=_LONG_MS)
                yield "flow", "aside"
            case "drops":
                page.get_by_role("button", name="explain").first.click()
                expect(panel).to_contain_text("What to try", timeout=_LONG_MS)
                yield "why", "aside"
            case "services":
                page.get_by_role("button", name="one of them").first.click()
                expect(panel).to_contain_text("What was said", timeout=_LONG_MS)
                yield "exchange", "aside"
        page.keyboard.press("Escape")
        expect(panel).to_have_count(0, timeout=_LONG_MS)
    page.keyboard.press("?")
    yield "keys", "dialog"
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0, timeout=_LONG_MS)
    page.keyboard.press(":")
    page.keyboard.type("cat")
    expect(page.get_by_role("option", name="catalog").first).to_be_visible(timeout=_LONG_MS)
    yield "palette", "dialog"
    page.keyboard.press("Escape")


def serious(page: Page, root: str = "body", only: Sequence[str] = ()) -> list[tuple[str, str, list[str]]]:
    """What axe finds in this part: serious or critical; `only` these rules."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    options: dict[str, Any] = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
    if only:
        options = {"resultTypes": ["violations"], "runOnly": list(only)}
    found = page.evaluate("([root, options]) => axe.run(root, options)", [root, options])
    return [
        (one["id"], one["help"], [node["html"][:120] for node in one["nodes"][:3]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def small_targets(page: Page) -> list[str]:
    """What can be clicked and is smaller than WCAG 2.5.8 asks for."""
    found: list[str] = page.evaluate(_SMALL, LEAST_TARGET_PX)
    return found
