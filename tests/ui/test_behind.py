"""The feed where more comes than it can take: the newest are asked for, and only where nothing else helps."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rubin.api.target import ClientSettings
from rubin.ui import feed as module
from rubin.ui.feed import Feed
from tests.flows import generate

SECOND = 1_000_000_000
BEGAN = 1_800_000_000 * SECOND


class Taken:
    """A feed that is given a batch a second; `now_s` is the time of both clocks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.now_s = 1_000.0
        told = SimpleNamespace(monotonic=lambda: self.now_s, time_ns=self.time_ns, time=lambda: self.time_ns() / SECOND)
        monkeypatch.setattr(module, "time", told)
        self.feed = Feed(ClientSettings(server=f"unix://{folder}/none"))
        self.late(*[0.0] * 6)

    def time_ns(self) -> int:
        return BEGAN + int(self.now_s * SECOND)

    def late(self, *seconds: float, flows: int = 5_000) -> list[bool]:
        """Whether it falls behind, batch after batch, each so late."""
        found = []
        for late_s in seconds:
            self.now_s += 1
            times = self.time_ns() - int(late_s * SECOND) - np.arange(flows)[::-1]
            self.feed._take(generate(flows).with_columns(time_ns=times))
            found.append(self.feed._falls_behind())
            self.feed._allay()
        return found


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Taken:
    return Taken(monkeypatch, tmp_path)


def test_who_becomes_later_and_later_falls_behind_within_seconds(taken: Taken):
    assert taken.late(0.9, 1.8, 2.7, 3.6) == [False, False, False, True]


@pytest.mark.parametrize(
    ("why", "seconds", "flows"),
    [
        ("it catches up by itself", (9, 7.5, 6, 4.5, 3, 1.5, 0), 5_000),
        ("it is a little late", (1.9,) * 8, 5_000),
        ("few flows are late", (3, 4, 5, 6), 10),
    ],
)
def test_nothing_is_passed_over_where(taken: Taken, why: str, seconds: tuple[float, ...], flows: int):
    taken.late(*[0.0] * 6, flows=flows)
    assert not any(taken.late(*seconds, flows=flows)), why


def test_that_we_are_behind_is_told_until_it_is_over_for_a_while(taken: Taken):
    taken.feed._enter("behind", "too many", "wait")
    assert not any(taken.late(0, 0, 0))
    assert (taken.feed.state.phase, taken.feed.state.sentence) == ("behind", "too many")
    taken.late(0)
    assert (taken.feed.state.phase, taken.feed.state.sentence) == ("following", "")


def test_that_is_over_where_nothing_more_comes(taken: Taken):
    taken.late(3)
    taken.feed._enter("behind", "too many", "wait")
    phases = []
    for _ in range(6):
        taken.now_s += 1
        taken.feed._allay()
        phases.append(taken.feed.state.phase)
    assert phases == ["behind"] * 4 + ["following"] * 2, "what came last was late"
