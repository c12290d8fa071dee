"""The map of many nodes: nobody moves, moving it is smooth, and what is not drawn is counted."""

import json
import re
import time
from bisect import bisect_left
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from rubin.query.places import Kind
from tests.browser.cluster import Cluster
from tests.browser.on_map import DRAWN, MAP, PLACES, at, node_of, opened
from tests.browser.shop import SECOND, Call, Service, Shop
from tests.browser.stage import Stage
from tests.waiting import wait_for

MORE = int(Kind.MORE)
CROWD = 499
TRACED = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """As much as is drawn, with room for one more: workloads in ten namespaces, 2,000 connections."""
    make = partial(Cluster, CROWD, 2_000)
    with Stage(tmp_path_factory.mktemp("crowd"), 1_000, 4, make).running() as running:
        yield running


def test_nobody_moves_unless_someone_moves_them(context: BrowserContext, crowd: Stage):
    """Not by 20 ticks, a filter on and off, a step in time, a namespace that opens, or somebody new."""
    page = opened(context.new_page(), crowd, "since=10m&v.open=*")
    wait_for(lambda: len(page.evaluate(PLACES)) == CROWD, "all to be placed", 60)
    before = page.evaluate(PLACES)

    def moved() -> list[str]:
        now = page.evaluate(PLACES)
        return [node for node in now if node in before and now[node] != before[node]]

    ticks = f"{MAP}.scene.value.tickMs"
    begun = page.evaluate(ticks)
    wait_for(lambda: page.evaluate(ticks) > begun + 10_000, "20 ticks", 60)
    assert moved() == []
    page.keyboard.press("/")
    page.keyboard.insert_text("namespace=team-1")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("namespace=team-1"))
    wait_for(lambda: len(page.evaluate(PLACES)) < CROWD, "the filter", 60)
    assert moved() == []
    page.get_by_role("button", name="remove namespace=team-1").click()
    wait_for(lambda: len(page.evaluate(PLACES)) == CROWD, "the filter to be gone", 60)
    assert moved() == []
    page.keyboard.press("[")
    expect(page).to_have_url(re.compile(r"at="))
    wait_for(lambda: page.evaluate(f"{MAP}.scene.value.nodes.length") > 0, "the time before", 60)
    assert moved() == []
    page.keyboard.press(".")
    expect(page).not_to_have_url(re.compile(r"at="))
    now = time.time_ns()
    late = Shop(5, (Service("late", "team-3"), Service("svc-3", "team-3")), (Call("late", "svc-3", 80),))
    crowd.ring.append(late.flows(now - SECOND, now, 50))
    named = f"name => {MAP}.scene.value.nodes.find(one => one.name === name)?.id"
    new = str(wait_for(lambda: page.evaluate(named, "late"), "somebody new", 60))
    wait_for(lambda: new in page.evaluate(PLACES), "a place for somebody new")
    assert moved() == []


def test_a_large_map_is_moved_without_a_hitch(chromium: Browser, context: BrowserContext, crowd: Stage):
    """Measured in the main thread's own time, since others use the machine, too."""
    page = opened(context.new_page(), crowd, "since=10m&v.open=*")
    wait_for(lambda: len(page.evaluate(PLACES)) >= CROWD, "all to be placed", 60)
    expect(page.locator(".minimap")).to_be_visible()
    chromium.start_tracing(page=page, categories=TRACED)
    x = page.evaluate(f"{MAP}.camera.x")
    page.mouse.move(30, 200)  # no node is there
    page.mouse.down()
    page.mouse.move(110, 280, steps=60)
    page.mouse.move(70, 200, steps=60)
    page.mouse.up()
    assert page.evaluate(f"{MAP}.camera.x") < x
    events = json.loads(chromium.stop_tracing())["traceEvents"]
    frames = [one for one in events if one["name"] == "FireAnimationFrame"]
    main = frames[0]["pid"], frames[0]["tid"]
    events = [one for one in events if (one["pid"], one["tid"]) == main]
    longest = max(one.get("tdur", 0) / 1000 for one in events if one["name"] == "RunTask")
    assert longest <= 50
    scripts: dict[int, float] = {}
    begins = sorted(one["ts"] for one in frames)
    for one in events:
        if one["name"] in ("FireAnimationFrame", "EventDispatch"):
            frame = bisect_left(begins, one["ts"])
            scripts[frame] = scripts.get(frame, 0) + one.get("tdur", 0) / 1000
    assert len(scripts) > 60
    assert float(np.percentile(list(scripts.values()), 95)) <= 4

    x = page.evaluate(f"{MAP}.camera.x")
    box = page.locator(".minimap").bounding_box()
    assert box
    page.mouse.click(box["x"] + 20, box["y"] + 60)
    assert page.evaluate(f"{MAP}.camera.x") < x
    assert page.locator(".minimap").get_attribute("aria-hidden") == "true"


def test_of_five_thousand_nodes_a_few_are_drawn_and_all_are_counted(context: BrowserContext, tmp_path: Path):
    with Stage(tmp_path, 4_000, 2, partial(Cluster, 5_000, 7_000)).running() as stage:
        stage.pause()
        page = opened(context.new_page(), stage, "since=10m")
        counted = f"""{MAP}.scene.value.nodes.map(one =>
            [one.kind === {MORE} || one.island ? one.members : 1, one.kind === {MORE}, one.name])"""
        wait_for(lambda: sum(one[0] for one in page.evaluate(counted)) == 5_000, "all", 60)
        islands = page.evaluate(counted)
        assert len(islands) == 10
        expect(page.locator(".summary")).to_contain_text("10 namespaces closed")
        expect(page.locator(".summary")).to_contain_text("5,000 services, 7,000 connections")
        folded = page.evaluate(f"{MAP}.scene.value.folded")
        expect(page.locator(".summary")).to_contain_text(f"{folded['nodes']} nodes and {folded['edges']} connections")

        page.mouse.dblclick(*at(page, node_of(page, "team-3")))
        expect(page).to_have_url(re.compile(r"v\.open=team-3"))
        wait_for(lambda: len(page.evaluate(counted)) > 10, "team-3 to open")
        assert sum(one[0] for one in page.evaluate(counted)) == 5_000
        page.get_by_role("button", name="open all").click()
        expect(page).to_have_url(re.compile(r"v\.open=\*"))
        wait_for(lambda: len(page.evaluate(counted)) > 400, "all to open")
        nodes = page.evaluate(counted)
        assert len(nodes) <= 500
        assert page.evaluate(f"{MAP}.scene.value.edges.length") <= 2_000
        more = [number for number, is_more, _name in nodes if is_more]
        assert len(nodes) - len(more) + sum(more) == 5_000
        assert sum(more) == folded["nodes"]

        group = f"{MAP}.scene.value.nodes.find(one => one.group === 'team-3' && one.kind === {MORE})"
        name, node = page.evaluate(f"[{group}.name, {group}.id]")
        assert re.fullmatch(r"\+\d+ more", name)
        page.wait_for_function(DRAWN)
        page.evaluate(f"{MAP}.centre(...{MAP}.places.get({node}))")
        wait_for(lambda: page.evaluate(f"{MAP}.rest === undefined"), "the map to rest")
        page.mouse.click(*at(page, node))
        expect(page).to_have_url(re.compile(r"namespace=team-3"))
        wait_for(lambda: page.evaluate(f"({group})?.members ?? 0") < more[0], "more of team-3 to be drawn", 60)
