"""What tests of the map share: how it is opened, where its nodes are, when two pictures are the same."""

from base64 import b64encode
from datetime import UTC, datetime

from playwright.sync_api import Page

from tests.browser.stage import Stage
from tests.waiting import wait_for

MAP = "window.__rubin.map"
DRAWN = f"""() => window.__rubin && {MAP}.scene.value.nodes.length > 0 &&
    {MAP}.scene.value.nodes.every(node => {MAP}.places.has(node.id)) &&
    Boolean({MAP}.picture && !{MAP}.busy || document.querySelector('[role=treegrid]'))"""
PLACES = "window.__rubin.places()"


def past(stage: Stage) -> str:
    """A time of the stage that is over, as a query: what is seen of it stays the same."""
    newest_ms = int(stage.get("/api/v1/status")["feed"]["newest_ms"])
    return f"since={iso(newest_ms - 20_000)}&until={iso(newest_ms - 1_000)}"


def iso(ms: int) -> str:
    """As a URL has it."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"


def opened(page: Page, stage: Stage, query: str) -> Page:
    """The map, once it is drawn."""
    page.goto(f"{stage.url}/map?debug=1&{query}")
    page.wait_for_function(DRAWN, timeout=60_000)
    return page


def at(page: Page, node: int) -> tuple[float, float]:
    """Where on the page the middle of a node is."""
    box = page.locator("section.map canvas[role=application]").bounding_box()
    assert box
    x, y = page.evaluate(f"[{MAP}.places.get({node}), {MAP}.camera].flat()", None)[:2]
    camera = page.evaluate(f"{MAP}.camera")
    return box["x"] + (x + 77 - camera["x"]) * camera["k"], box["y"] + (y + 27 - camera["y"]) * camera["k"]


def node_of(page: Page, name: str) -> int:
    """The id of the node of this name."""
    found: int = page.evaluate(f"name => {MAP}.scene.value.nodes.find(one => one.name === name)?.id", name)
    assert found, name
    return found


def still(page: Page, *selectors: str) -> list[bytes]:
    """Pictures of these parts, once they change no more."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement?.blur()")
    before: list[bytes] = []

    def rests() -> bool:
        nonlocal before
        now = [page.locator(one).screenshot() for one in selectors]
        same, before = now == before, now
        return same

    wait_for(rests, "the page to stand still")
    return before


def is_same(page: Page, these: list[bytes], those: list[bytes]) -> bool:
    """Whether pictures are the same but for what rounding does to a border."""
    apart = """async ([a, b]) => { const pixels = async text => {
            const made = await createImageBitmap(new Blob([Uint8Array.from(atob(text), one => one.charCodeAt(0))]));
            const pen = new OffscreenCanvas(made.width, made.height).getContext("2d");
            pen.drawImage(made, 0, 0);
            return pen.getImageData(0, 0, made.width, made.height).data; };
        const [p, q] = [await pixels(a), await pixels(b)];
        return p.length === q.length ? p.reduce((most, one, i) => Math.max(most, Math.abs(one - q[i])), 0) : 255; }"""
    pairs = [[b64encode(one).decode() for one in pair] for pair in zip(these, those, strict=True)]
    return all(page.evaluate(apart, pair) <= 8 for pair in pairs)
