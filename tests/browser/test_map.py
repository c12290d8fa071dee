"""The map: it is what the server says, can be moved and asked, and a link shows the same."""

import csv
import json
import re
import xml.etree.ElementTree as ElementTree
from base64 import b64encode
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Download, Page, expect
from websockets.sync.client import connect
from websockets.typing import Origin

from rubin.ui.frames import Type
from tests.browser.conftest import SIZE, Watched
from tests.browser.on_map import DRAWN, MAP, PLACES, at, is_same, node_of, opened, past, still
from tests.browser.shop import HOSTILE
from tests.browser.stage import Stage
from tests.ui.tabs import Page as Tab
from tests.waiting import wait_for

NUMBER = re.compile(r"([\d.]+) ?(k|M|KiB|MiB|B|ns|µs|ms|s|min|%)?(/s|/min)?$")
FACTORS = {"k": 1e3, "M": 1e6, "KiB": 1024, "MiB": 1024**2, "ns": 1e-6, "µs": 1e-3, "s": 1e3, "min": 6e4, "%": 0.01}


def value(text: str) -> float | None:
    """The number that a cell says, in ms, per second or as a share; None where it says none."""
    found = NUMBER.search(text.strip())
    if not found:
        return None
    number, unit, per = found.groups()
    return float(number) * FACTORS.get(unit or "", 1.0) / (60 if per == "/min" else 1)


def rows_of(page: Page) -> list[list[str]]:
    """Level and cells of each row of the map's table."""
    script = """rows => rows.map(row => [row.getAttribute('aria-level'),
        ...[...row.cells].map(cell => cell.innerText.replace(/^[▸▾]/, '').trim())])"""
    found: list[list[str]] = page.locator("[role=treegrid] tbody tr").evaluate_all(script)
    return found


def said_by_server(stage: Stage, query: str) -> tuple[dict[str, Any], dict[str, Any], list[str], list[str]]:
    """Nodes and edges of the server's own map of this time, and the names of either."""
    since, until = (part.partition("=")[2] for part in query.split("&")[:2])
    time = {"mode": "range", "since_ms": ms_of(since), "until_ms": ms_of(until)}
    with connect(f"ws://{stage.address}/api/v1/live", origin=Origin(stage.url), max_size=None, proxy=None) as session:
        tab = Tab(session)
        tab.sub(1, "map", query="", scope="workload", time=time)
        _head, tables = tab.until(Type.MAP)
        nodes, edges = tables["nodes"], tables["edges"]
        return nodes, edges, tab.words(nodes["name"]), tab.words(edges["ports"])


def ms_of(text: str) -> int:
    """The moment that `iso` wrote."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def close(said: float | None, true: float, share: float = 0.01) -> bool:
    """Whether a cell says this number, as far as three digits can; a number that is not known is not said."""
    if true != true:  # NaN
        return said is None
    return said is not None and abs(said - true) <= max(share * abs(true), 0.002)


def test_the_table_of_the_map_is_what_the_server_says(watched: Watched, stage: Stage):
    query = past(stage)
    page = opened(watched.page, stage, f"{query}&v.table=1")
    nodes, edges, names, ports = said_by_server(stage, query)
    rows = rows_of(page)
    shown = {row[1]: row for row in rows if row[0] == "2"}
    assert set(shown) == set(names)
    for name, inward, outward, drops in zip(names, nodes["rate_in"], nodes["rate_out"], nodes["drops"], strict=True):
        assert close(value(shown[name][3]), float(inward + outward)), shown[name]
        assert close(value(shown[name][8]), float(drops)), shown[name]
    lines = [row for row in rows if row[0] == "3"]
    assert len(lines) == len(edges["id"]) > 5
    ids = dict(zip(nodes["id"].tolist(), names, strict=True))
    numbers = {
        (ids[a], ids[b]): number
        for number, (a, b) in enumerate(zip(edges["source"].tolist(), edges["destination"].tolist(), strict=True))
    }
    columns = ("flows", "bytes", "p50_ms", "p99_ms", "errors", "drops", "rtt_ms", "retransmits")
    above = ""
    for row in rows:
        above = row[1] if row[0] == "2" else above
        if row[0] != "3":
            continue
        name = re.sub(r"^[^\w<]+ | (dropped|protocol error|audit)$", "", row[1])
        number = numbers.pop((above, name))
        assert row[2].startswith(ports[number])
        for column, cell in zip(columns, row[3:], strict=True):
            true = float(edges[column][number])
            if column == "errors" and not edges["requests"][number]:
                true = float("nan")
            assert close(value(cell), true), (above, name, column, cell, true)
    assert numbers == {}


def test_what_is_sent_is_what_a_link_shows(chromium: Browser, watched: Watched, stage: Stage):
    """Scope, selection, panel, metric, pins, camera, the time: the picture is the same. So are columns and sorting."""
    stage.pause()
    try:
        page = opened(watched.page, stage, past(stage))
        page.get_by_label("scope").select_option("pod")
        page.wait_for_function(f"() => {MAP}.scene.value.nodes.some(one => one.name.startsWith('payments-'))")
        page.get_by_label("width").select_option("p99")
        node = int(wait_for(lambda: list(page.evaluate(PLACES)), "places")[0])
        x, y = at(page, node)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 30, y + 40, steps=3)
        page.mouse.up()
        expect(page).to_have_url(re.compile(r"v\.pin="))
        page.mouse.click(*at(page, node))
        expect(page.locator("aside h2")).to_be_visible()
        page.mouse.wheel(0, -200)
        expect(page).to_have_url(re.compile(r"v\.cam="))
        parts = ("main", "aside", ".filter-bar")
        before, link = still(page, *parts), page.url
        for part in ("v.scope=pod", "v.metric=p99", f"v.sel=node:{node}", "since=", "until="):
            assert part in link
        context = chromium.new_context(viewport=SIZE, color_scheme="dark", reduced_motion="reduce")
        other = context.new_page()
        other.goto(link)
        other.wait_for_function(DRAWN)
        wait_for(lambda: is_same(other, before, still(other, *parts)), "the link to show the same")
        assert other.url == link

        page.goto(f"{stage.url}/map?{past(stage)}&v.table=1")
        page.get_by_role("columnheader", name="bytes").get_by_role("button").click()
        expect(page).to_have_url(re.compile(r"v\.tsort=-bytes"))
        other.goto(page.url)
        expect(other.get_by_role("columnheader", name="bytes")).to_have_attribute("aria-sort", "descending")
        wait_for(lambda: rows_of(other) == rows_of(page) != [], "the table to be sorted the same")
        other.goto(f"{stage.url}/flows?{past(stage)}&v.cols=destination,time")
        expect(other.locator(".flow-head > div")).to_have_text(["Destination", "Time"])
        context.close()
    finally:
        stage.resume()


def test_a_link_of_another_version_opens_and_says_what_it_does_not_know(watched: Watched):
    page = watched.open(
        "/policies?v.scope=galaxy&v.cols=time,wings&v.hops=99&v.cam=1e99,0,0&v.pin=x&at=never&v.wings=on"
    )
    said = page.locator(".banner[role=status]")
    expect(said).to_contain_text("the screen “policies”")
    for words in ("at=never", "v.hops=99", "v.cam=1e99,0,0", "1 of v.pin", "the scope “galaxy”", "the column “wings”"):
        expect(said).to_contain_text(words)
    expect(said).not_to_contain_text("v.wings")
    expect(page.locator("section.map")).to_contain_text("connection")
    expect(page.get_by_label("scope")).to_have_value("workload")
    assert "v.wings=on" in page.url
    said.get_by_role("button", name="hide").click()
    expect(said).to_have_count(0)
    page.goto(f"{page.url.partition('/map')[0]}/map?namespace=%zz&window=99999999d&until=%2B275760-09-13T00:00:00Z")
    for words in ("a broken % in the link", "window=99999999d", "until=+275760-09-13T00:00:00Z"):
        expect(page.locator(".banner")).to_contain_text(words)


def test_a_node_and_an_edge_have_a_menu_by_keyboard(watched: Watched, stage: Stage):
    page = opened(watched.page, stage, past(stage))
    page.goto(f"{page.url}&v.sel=node:{node_of(page, 'cart')}")
    page.wait_for_function(DRAWN)
    page.locator("section.map canvas").focus()
    menu = page.get_by_role("menu", name="cart")
    item = page.get_by_role("menuitem")
    page.keyboard.press("Shift+F10")
    expect(menu).to_be_visible()
    expect(item.first).to_be_focused()
    titles = [text.split("\n")[0] for text in item.all_inner_texts()]
    assert titles == [
        *("open", "close shop", "focus", "include in the filter", "exclude", "only this", "show the flows", "pin"),
        *("copy the name", "copy a link to it"),
    ]
    page.keyboard.press("ArrowUp")
    expect(item.last).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("p")
    expect(page.get_by_role("menuitem", name="pin")).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    expect(page.locator("section.map canvas")).to_be_focused()
    page.keyboard.press("ContextMenu")
    page.keyboard.press("e")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"not\.namespace=shop&not\.workload=Deployment/cart"))
    page.go_back()
    expect(page).not_to_have_url(re.compile(r"not\."))
    edge = wait_for(lambda: page.evaluate(f"{MAP}.scene.value.edges.find(one => one.verdict === 2)?.id"), "drops")
    page.goto(f"{page.url.partition('&v.')[0]}&v.sel=edge:{edge}")
    page.wait_for_function(DRAWN)
    page.locator("section.map canvas").focus()
    page.keyboard.press("Shift+F10")
    expect(page.get_by_role("menu", name="cart → payments")).to_be_visible()
    expect(page.get_by_role("menuitem", name="explain")).to_be_visible()
    page.keyboard.press("s")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/flows\?from-namespace=shop&to-namespace=shop&from-workload=Deployment/cart"))
    expect(page.locator("section.flows")).to_contain_text("DROPPED")


RESIZED = f"{MAP}.size.w === document.querySelector('.map-canvas').clientWidth"


def test_what_the_panel_would_hide_is_moved_with_it_and_nothing_later(watched: Watched, stage: Stage):
    """So that nothing slips away under a hand that aims at the next one."""
    page = opened(watched.page, stage, past(stage))
    cart = node_of(page, "cart")
    right = SIZE["width"] - 400
    page.evaluate(f"dx => {MAP}.pan(dx, 0)", right - 20 - at(page, cart)[0])
    page.mouse.click(*at(page, cart))
    wait_for(lambda: page.evaluate(f"{RESIZED} && {MAP}.wish.selected === {cart}"), "the panel")
    end = f"({MAP}.places.get({cart})[0] + 150 - {MAP}.camera.x) * {MAP}.camera.k <= {MAP}.size.w - 39"
    assert page.evaluate(end)
    page.keyboard.press("Escape")
    wait_for(lambda: page.evaluate(RESIZED), "the map to be wide again")
    page.mouse.dblclick(*at(page, cart))
    expect(page).to_have_url(re.compile(r"/flows\?namespace=shop&workload=Deployment/cart"))


def test_what_was_put_together_is_opened_and_not_explained(watched: Watched, stage: Stage):
    """An edge of a namespace that is one card; and a name outside, which two terms ask for."""
    page = opened(watched.page, stage, f"{past(stage)}&v.shut=shop")
    merged = f"{MAP}.scene.value.edges.find(one => one.merged?.edges > 1)?.id"
    edge = wait_for(lambda: page.evaluate(merged), "an edge of the card")
    page.goto(f"{page.url}&v.sel=edge:{edge}&v.why=1")
    page.wait_for_function(DRAWN)
    panel = page.locator("aside")
    expect(panel).to_contain_text(re.compile(r"\d edges, .*drawn as one"))
    expect(panel.get_by_role("button", name="its flows")).to_be_visible()
    expect(panel).not_to_contain_text("Nobody in the ring")
    expect(panel.get_by_role("button", name="explain")).to_have_count(0)
    page.locator("section.map canvas").focus()
    page.keyboard.press("Shift+F10")
    expect(page.get_by_role("menuitem", name="open shop")).to_be_visible()
    expect(page.get_by_role("menuitem", name="explain")).to_have_count(0)
    page.keyboard.press("Escape")
    panel.get_by_role("button", name="open shop").click()
    expect(page).to_have_url(re.compile(r"v\.open=shop"))
    expect(panel).to_have_count(0)
    page.goto(f"{page.url}&v.sel=node:{node_of(page, 'stripe.example')}")
    panel.get_by_role("button", name="only this").click()
    expect(page).to_have_url(re.compile(r"[?&]fqdn=stripe\.example(,|&fqdn=)\*\.stripe\.example"))
    panel.get_by_role("button", name="without it").click()
    expect(page).to_have_url(re.compile(r"not\.fqdn=stripe\.example(,|&not\.fqdn=)\*\.stripe\.example"))


def test_hands_move_pin_exclude_and_look_closer(watched: Watched, stage: Stage):
    page = opened(watched.page, stage, past(stage))
    before = page.evaluate(PLACES)
    cart, web = str(node_of(page, "cart")), str(node_of(page, "web"))
    page.mouse.click(*at(page, int(cart)))
    expect(page).to_have_url(re.compile(f"v\\.sel=node:{cart}"))
    wait_for(lambda: page.evaluate(RESIZED), "the map beside the panel")
    page.keyboard.press("p")
    expect(page).to_have_url(re.compile(r"v\.pin=[0-9a-z]+:-?\d+:-?\d+(&|$)"))
    x, y = at(page, int(web))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y + 90, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile(rf"v\.pin=[^&]+,{np.base_repr(int(web), 36).lower()}:"))
    wait_for(lambda: page.evaluate(PLACES)[web] != before[web], "the node to be where it was put")
    dragged = page.evaluate(PLACES)
    assert {node for node in before if before[node] != dragged[node]} == {web}
    assert dragged[web][0] < before[web][0]
    page.reload()
    page.wait_for_function(DRAWN)
    wait_for(lambda: page.evaluate(PLACES) == dragged, "the pins to be where they were")
    page.keyboard.press("p")
    expect(page).not_to_have_url(re.compile(r"v\.pin=[^&]+,"))
    page.keyboard.press("L")
    expect(page).not_to_have_url(re.compile(r"v\.pin="))
    wait_for(lambda: page.evaluate(PLACES) == before, "the layout of before")

    scale = page.evaluate(f"{MAP}.camera.k")
    x, y = at(page, int(cart))
    page.keyboard.down("Shift")
    page.mouse.move(x - 100, y - 60)
    page.mouse.down()
    page.mouse.move(x + 100, y + 50, steps=4)
    expect(page.locator(".zoom-box")).to_be_visible()
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(page.locator(".zoom-box")).to_be_hidden()
    expect(page).to_have_url(re.compile(r"v\.cam="))
    assert page.evaluate(f"{MAP}.camera.k") > 1.5 * scale
    page.keyboard.press("z")
    wait_for(lambda: page.evaluate(f"{MAP}.camera.k") == pytest.approx(scale, rel=0.01), "all of the map to be seen")

    page.mouse.click(*at(page, int(cart)), button="right")
    expect(page.get_by_role("menu", name="cart")).to_be_visible()
    page.keyboard.press("Escape")
    page.mouse.click(*at(page, int(cart)), button="right")
    page.get_by_role("menuitem", name="focus").click()
    page.keyboard.press("2")
    expect(page).to_have_url(re.compile(f"v\\.focus={cart}&v\\.hops=2"))
    page.keyboard.press("f")
    page.keyboard.press("!")
    expect(page).to_have_url(re.compile(r"v\.abnormal=1"))
    page.keyboard.press("Control+f")
    page.keyboard.insert_text("CO")
    expect(page.locator(".tools")).to_contain_text("1 found")
    page.locator("section.map canvas").focus()
    page.keyboard.press("n")
    expect(page.locator("aside h2")).to_have_text("coredns")
    page.keyboard.press("x")
    expect(page).to_have_url(re.compile(r"not\.namespace=kube-system&not\.workload=Deployment/coredns"))
    page.wait_for_function(f"() => !{MAP}.scene.value.nodes.some(one => one.name === 'coredns')")


def test_the_path_under_the_pointer_is_lit(watched: Watched, stage: Stage):
    page = opened(watched.page, stage, past(stage))
    calm = still(page, "section.map canvas")
    page.mouse.move(*at(page, node_of(page, "postgres")))
    wait_for(lambda: page.locator("section.map canvas").screenshot() != calm[0], "the rest to be dimmed")
    lit = page.evaluate(f"{MAP}.litNow()")
    names = page.evaluate(f"{MAP}.scene.value.nodes.map(one => one.name)")
    on = {name for place, name in enumerate(names) if lit["nodes"][place]}
    assert on == {"203.0.113.0/24", "ingress", "web", "catalog", "postgres"}
    assert is_same(page, still(page, "section.map canvas"), calm)
    picture = "document.querySelector('section.map canvas').toDataURL()"
    before = page.evaluate(picture)
    page.emulate_media(forced_colors="active")
    wait_for(lambda: page.evaluate(picture) != before, "the map in the system's colours")
    before = page.evaluate(picture)
    page.emulate_media(forced_colors="none", contrast="more")
    wait_for(lambda: page.evaluate(picture) != before, "the map with more contrast")


def test_the_map_is_saved_as_a_picture_and_the_flows_as_lines(watched: Watched, stage: Stage, tmp_path: Path):
    page = opened(watched.page, stage, f"namespace=shop&{past(stage)}")

    def saved(title: str) -> Path:
        page.get_by_role("button", name="export").click()
        with page.expect_download() as got:
            page.get_by_role("menuitem", name=title).click()
        download: Download = got.value
        path = tmp_path / download.suggested_filename
        download.save_as(path)
        return path

    png = saved("map as PNG").read_bytes()
    size = page.evaluate(
        """async text => { const bytes = Uint8Array.from(atob(text), one => one.charCodeAt(0));
        const made = await createImageBitmap(new Blob([bytes], {type: "image/png"}));
        return [made.width, made.height]; }""",
        b64encode(png).decode(),
    )
    assert size[0] >= 900
    assert size[1] >= 300
    svg = saved("map as SVG")
    root = ElementTree.fromstring(svg.read_bytes())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    words = [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "filter: rubin observe --namespace shop" in words
    assert any(text.startswith("time: ") and " to " in text for text in words)
    for text in ("payments", "→ forwarded", "⊘ dropped", "flows < 1/s"):
        assert text in words
    assert any("<img" in text for text in words)
    assert HOSTILE.encode() not in svg.read_bytes()
    page.goto(f"{stage.url}/flows?{page.url.partition('?')[2]}")
    table = saved("flows as CSV").read_text()
    lines = saved("flows as JSON lines").read_text().splitlines()
    asked = page.url.partition("?")[2].replace("&debug=1", "")
    assert len(list(csv.reader(StringIO(table)))) == 1 + len(lines)
    assert [json.loads(line) for line in lines] == stage.lines(f"/api/v1/flows?{asked}") != []
