"""Tabs that look at the same share its cost; a tab that takes nothing costs nothing."""

import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from bench.world import cpu_seconds
from rubin.ui.frames import Head, decode
from tests.browser.stage import Stage
from tests.browser.test_burst import resident_mb

VIEWS = ("map", "flows", "series", "stats")
SECONDS, TURNS = 2, 9
TABS = 5
MORE = 1.3
FLAT_MB = 10


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("busy"), 2_000, 5).running() as stage:
        yield stage


@contextmanager
def asking(stage: Stage) -> Iterator[ClientConnection]:
    """A tab that has asked for everything, and has not taken anything."""
    with connect(f"ws://{urlsplit(stage.url).netloc}/api/v1/live", origin=Origin(stage.url), max_size=None) as session:
        for number, view in enumerate(VIEWS, 1):
            session.send(json.dumps({"op": "sub", "id": number, "view": view, "query": ""}))
        yield session


def next_frame(session: ClientConnection, seconds: float) -> Head:
    return decode(session.recv(seconds, decode=False))[0]


class Tabs:
    """So many, each of which takes all that it is sent."""

    def __init__(self, stage: Stage, count: int) -> None:
        self.frames, self.skipped = 0, 0
        self._stage, self._ending = stage, threading.Event()
        self._threads = [threading.Thread(target=self._take) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _take(self) -> None:
        last: dict[int, int] = {}
        with asking(self._stage) as session:
            while not self._ending.is_set():
                try:
                    head = next_frame(session, 0.5)
                except TimeoutError:
                    continue
                self.frames += 1
                self.skipped += head["seq"] - last.get(head["sub"], 0) - 1
                last[head["sub"]] = head["seq"]
                session.send('{"op":"credit","n":1}')


def cost_us(stage: Stage, tabs: int) -> float:
    """Microseconds of the server's CPU a flow while so many tabs look on."""
    with Tabs(stage, tabs) as looking:
        while looking.frames < 8 * tabs:
            time.sleep(0.1)
        begun_s, before = cpu_seconds(stage.ui_pid), seen(stage)
        time.sleep(SECONDS)
        spent_s, flows = cpu_seconds(stage.ui_pid) - begun_s, seen(stage) - before
    assert looking.skipped == 0
    return 1e6 * spent_s / flows


def seen(stage: Stage) -> int:
    """How many flows the server has taken."""
    return int(stage.get("/api/v1/status")["feed"]["seen"])


def test_five_tabs_cost_little_more_than_one(busy: Stage):
    usual, busy.rate = busy.rate, 20_000  # what is shared is by far the most
    try:
        turns = [(cost_us(busy, 1), cost_us(busy, TABS)) for _ in range(TURNS)]  # a machine changes its pace
    finally:
        busy.rate = usual
    print(", ".join(f"{one:.1f} and {five:.1f}" for one, five in turns), "us of CPU a flow")
    assert statistics.median(five / one for one, five in turns) < MORE


def test_a_tab_that_takes_nothing_is_kept_nothing_for(busy: Stage):
    with asking(busy) as session:
        assert {next_frame(session, 20)["seq"] for _ in range(2)} <= {1, 2}
        before = resident_mb(busy.ui_pid)
        with pytest.raises(TimeoutError):
            next_frame(session, 8)
        assert resident_mb(busy.ui_pid) - before < FLAT_MB
        for _ in VIEWS:
            session.send('{"op":"credit","n":1}')
            head = next_frame(session, 20)
            assert time.time() - head["tick_ms"] / 1e3 < 4, "what comes then is of now"


def test_the_first_frame_tells_the_rate_there_is(busy: Stage):
    with asking(busy) as session:
        first: dict[int, Head] = {}
        while len(first) < len(VIEWS):
            head = next_frame(session, 20)
            first.setdefault(head["sub"], head)
            session.send('{"op":"credit","n":1}')
    for view in ("flows", "stats"):
        assert first[VIEWS.index(view) + 1]["per_second"] > busy.rate / 3
