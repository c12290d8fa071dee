"""Namespaces are kept for an hour after they were last seen; the rate is that of the last minute."""

import time

import numpy as np
import pytest

from rubin.api.namespaces import Namespaces, Rate
from rubin.model.batch import FlowBatch
from rubin.model.enums import FlowType
from rubin.model.tables import Tables
from rubin.store.ring import Ring
from tests.flows import flows, generate


class Clock:
    """`time.monotonic` that a test winds on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def test_a_namespace_is_forgotten_after_an_hour(monkeypatch: pytest.MonkeyPatch):
    clock, ring = Clock(monkeypatch), Ring(100)
    namespaces = Namespaces(ring)
    for moment, sides in ((0, "old/a  both/b"), (2_000, "both/b  new/c")):
        clock.now = 1_000.0 + moment
        ring.append(flows(f"src dst from to\n10.0.0.1:1 10.0.0.2:2 {sides}"))  # each batch with tables of its own
        while namespaces.update():
            pass
    assert namespaces.held() == [("", "both"), ("", "new"), ("", "old")]
    clock.now = 1_000.0 + 3_601
    assert namespaces.held() == [("", "both"), ("", "new")]
    clock.now = 1_000.0 + 5_601
    assert namespaces.held() == []


def test_endpoints_that_come_later_to_the_same_tables_are_learned():
    ring, tables = Ring(100), Tables()
    namespaces = Namespaces(ring)
    for name in ("a", "b", "c"):
        ring.append(flows(f"src dst from to\n10.0.0.1:1 10.0.0.2:2 {name}/x -", tables))
        while namespaces.update():
            pass
    assert [name for _, name in namespaces.held()] == ["a", "b", "c"]


def test_who_is_named_late_is_found_by_packets_and_what_is_said_as_it_came():
    named = flows("src dst from to\n10.0.0.1:1 10.0.0.2:2 late/x -")
    again = []

    def name(view: FlowBatch) -> FlowBatch:
        again.append(len(view))
        return named if len(view) else view

    ring = Ring(100, again=name)
    said = flows("src dst from to\n10.0.0.1:1 10.0.0.2:2 said/x -\n10.0.0.1:1 10.0.0.2:2 - said/y", named.tables)
    ring.append(said.with_columns(flow_type=np.full(2, FlowType.L7, np.uint8)))
    ring.append(flows("src dst from to\n10.0.0.1:1 10.0.0.2:2 - -", named.tables))
    namespaces = Namespaces(ring)
    assert namespaces.update()
    assert not namespaces.update()
    assert namespaces.held() == [("", "late"), ("", "said")]
    assert sum(again) == 1


@pytest.mark.parametrize(
    ("appended", "expected"),
    [
        ([(1, 100)], 100.0),  # one second after the start
        ([(10, 100), (20, 100)], 10.0),
        ([(second, 10) for second in range(1, 301)], 10.0),
        ([(1, 6_000), *((second, 0) for second in range(2, 121))], 0.0),  # what came before the last minute
        ([], 0.0),
    ],
)
def test_the_rate_is_over_the_last_minute(
    monkeypatch: pytest.MonkeyPatch, appended: list[tuple[int, int]], expected: float
):
    clock, ring, tables = Clock(monkeypatch), Ring(10_000), Tables()
    rate = Rate(ring)
    for second, count in appended:
        clock.now = 1_000.0 + second
        if count:
            ring.append(generate(count, tables=tables))
        rate.sample()
    assert rate.per_second() == pytest.approx(expected, rel=0.02)
