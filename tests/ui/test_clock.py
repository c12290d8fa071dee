"""The feed where clocks are set, and where flows come faster than they can be taken."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rubin.api.target import ClientSettings
from rubin.errors import RubinError
from rubin.model.batch import FlowBatch
from rubin.ui import feed as module
from rubin.ui.feed import Feed
from tests.flows import generate

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
BEGAN = 1_800_000_000 * SECOND


class Clock:
    """Ours; `passes` moves it, `set_by` is what somebody did to the wall's."""

    def __init__(self) -> None:
        self.now_s, self.set_ns = 1_000.0, 0

    def fake(self) -> SimpleNamespace:
        return SimpleNamespace(monotonic=lambda: self.now_s, time_ns=self.time_ns, time=lambda: self.time_ns() / SECOND)

    def time_ns(self) -> int:
        return BEGAN + int(self.now_s * SECOND) + self.set_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made.fake())
    return made


def at(time_ns: int) -> FlowBatch:
    return generate(3).with_columns(time_ns=np.array([time_ns - 2, time_ns - 1, time_ns]))


def takes(feed: Feed, clock: Clock, seconds: int, ahead_ns: int = 0) -> None:
    """A batch a second, of a server whose clock is so much ahead of what the time is."""
    for _ in range(seconds):
        clock.now_s += 1
        feed._take(at(BEGAN + int(clock.now_s * SECOND) + ahead_ns))


@pytest.fixture
def feed(clock: Clock, tmp_path: Path) -> Feed:
    made = Feed(ClientSettings(server=f"unix://{tmp_path}/none"))
    takes(made, clock, 5)
    return made


def test_a_clock_that_is_kept_right_changes_nothing(feed: Feed, clock: Clock):
    takes(feed, clock, 10, ahead_ns=-SECOND)
    assert feed.now_ns() == clock.time_ns()


@pytest.mark.parametrize("by_ns", [HOUR, -HOUR])
def test_our_clock_is_set_and_the_server_s_is_not(feed: Feed, clock: Clock, by_ns: int):
    clock.set_ns = by_ns
    try:
        takes(feed, clock, 10)
    except RubinError:
        feed._lead_ns, feed._late_since_s = None, np.inf  # as a connection begins
        takes(feed, clock, 2)
    assert abs(feed.now_ns() - (clock.time_ns() - by_ns)) <= SECOND, "the server's time"


def test_the_server_s_clock_is_set_back(feed: Feed, clock: Clock):
    with pytest.raises(RubinError, match="faster"):
        takes(feed, clock, 10, ahead_ns=-HOUR)
    assert feed.newest_ns < clock.time_ns() - HOUR + SECOND, "what comes next is not asked for from the future on"


def test_who_is_late_for_long_begins_anew_with_the_newest(feed: Feed, clock: Clock):
    takes(feed, clock, 3, ahead_ns=-20 * SECOND)
    takes(feed, clock, 1)
    takes(feed, clock, 3, ahead_ns=-20 * SECOND)
    with pytest.raises(RubinError, match="faster"):
        takes(feed, clock, 5, ahead_ns=-20 * SECOND)
