"""The merge: in the order of time, each flow once, nobody waits for ever."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rubin.api.promises import Lateness
from rubin.model.batch import FlowBatch, Lost, empty
from rubin.model.enums import LostSource
from rubin.model.tables import Tables
from rubin.relay.merge import OVER, Bounds, Merge, Merged

MS = 1_000_000
NOW = 1_700_000_000_000_000_000


def batch(times_ms: Iterable[int], node: int = 0) -> FlowBatch:
    """Flows at these milliseconds from `NOW` on; the UUID says of which node and the how-manyth each is."""
    times = np.array(list(times_ms), np.int64) * MS + NOW
    high = np.full(len(times), node + 1, np.uint64)
    return FlowBatch({"time_ns": times, "uuid_high": high, "uuid_low": times.astype(np.uint64)}, Tables())


def times_ms(merged: Merged) -> list[int]:
    """Those that came out in order."""
    return [int(at - NOW) // MS for flows in merged.flows for at in flows["time_ns"]]


def late_ms(merged: Merged) -> list[tuple[str, int]]:
    """Those that came out late."""
    return [(late.node, int(at - NOW) // MS) for late in merged.late for at in late.flows["time_ns"]]


def test_flows_wait_until_all_nodes_have_promised_nothing_older() -> None:
    merge = Merge(Bounds())
    a, b = merge.join("a", 0), merge.join("b", 0)
    merge.add(a, batch([1, 5, 9]), 0.0, NOW)
    merge.promise(a, NOW + 10 * MS, True, 0.0)
    assert times_ms(merge.take(0.01)) == []
    merge.add(b, batch([3, 4]), 0.02, NOW)
    merge.promise(b, NOW + 6 * MS, True, 0.02)
    assert times_ms(merge.take(0.03)) == [1, 3, 4, 5]
    merge.promise(b, NOW + 20 * MS, True, 0.04)
    assert times_ms(merge.take(0.05)) == [9]


def test_a_node_that_is_silent_holds_the_others_back_once_and_for_no_longer_than_the_delay() -> None:
    merge = Merge(Bounds(delay_s=1.0))
    a, b = merge.join("a", 0), merge.join("b", 0)
    for number in (a, b):
        merge.promise(number, NOW, True, 0.0)
    merge.take(0.0)
    merge.add(a, batch([10]), 0.1, NOW + 10 * MS)
    merge.promise(a, NOW + 11 * MS, True, 0.1)
    out = {at: times_ms(merge.take(at / 10)) for at in range(2, 12)}
    assert [at for at, found in out.items() if found] == [11]
    merge.add(a, batch([1_200]), 1.2, NOW + 1_200 * MS)
    merge.promise(a, NOW + 1_201 * MS, True, 1.2)
    assert times_ms(merge.take(1.2)) == [1_200], "b is not waited for any more"
    merge.add(b, batch([900, 1_300]), 1.3, NOW + 1_300 * MS)
    merge.promise(b, NOW + 1_301 * MS, True, 1.3)
    merged = merge.take(1.3)
    assert late_ms(merged) == [("b", 900)]
    assert times_ms(merged) == [], "b counts again, and now waits for a"
    merge.promise(a, NOW + 1_301 * MS, True, 1.31)
    assert times_ms(merge.take(1.31)) == [1_300]


def test_a_clock_that_is_an_hour_ahead_makes_nobody_else_late() -> None:
    merge = Merge(Bounds(delay_s=1.0))
    a, b = merge.join("a", 0), merge.join("b", 0)
    hour = 3_600_000
    merge.add(a, batch([hour]), 0.0, NOW)
    merge.promise(a, NOW + hour * MS, True, 0.0)
    merge.add(b, batch([1]), 0.0, NOW)
    merge.promise(b, NOW + 2 * MS, True, 0.0)
    merged = merge.take(0.0)
    assert late_ms(merged) == [("a", hour)]
    assert merged.late[0].by_ns == hour * MS
    assert times_ms(merged) == [1]


def test_a_clock_that_is_an_hour_behind_holds_nobody_back_for_long() -> None:
    merge = Merge(Bounds(delay_s=1.0))
    a, b = merge.join("a", 0), merge.join("b", 0)
    delayed = []
    for tick in range(100):
        now_s, now_ns = tick / 10, NOW + tick * 100 * MS
        merge.add(a, batch([tick * 100 - 3_600_000]), now_s, now_ns)
        merge.promise(a, now_ns - 3_600_000 * MS, True, now_s)
        merge.add(b, batch([tick * 100]), now_s, now_ns)
        merge.promise(b, now_ns, True, now_s)
        delayed.append(times_ms(merge.take(now_s)))
    out = [at for found in delayed for at in found if at >= 0]
    assert out == sorted(out)
    assert len(out) >= 98
    assert sum(not found for found in delayed) <= 12, "one second, once"


def test_who_still_sends_what_it_held_is_waited_for_longer() -> None:
    merge = Merge(Bounds(delay_s=1.0, patience_s=5.0))
    a, b = merge.join("a", 0), merge.join("b", 0)
    merge.add(a, batch([10]), 0.0, NOW)
    merge.leave(a)
    seen = {tick: times_ms(merge.take(tick / 10)) for tick in range(60)}
    assert [tick for tick, found in seen.items() if found] in ([50], [51])
    assert merge.take(6.0) == Merged([], [])
    merge.leave(b)


def test_a_pause_of_who_takes_is_not_the_nodes_fault() -> None:
    merge = Merge(Bounds(delay_s=1.0))
    a, b = merge.join("a", 0), merge.join("b", 0)
    for number in (a, b):
        merge.promise(number, NOW, True, 0.0)
    merge.take(0.0)
    merge.add(a, batch([10]), 0.1, NOW + 10 * MS)
    merge.promise(a, NOW + 11 * MS, True, 0.1)
    assert times_ms(merge.take(30.0)) == []
    merge.add(b, batch([5]), 30.1, NOW + 30_000 * MS)
    merge.promise(b, NOW + 12 * MS, True, 30.1)
    assert times_ms(merge.take(30.1)) == [5, 10]


def test_a_node_that_is_full_and_waited_for_gives_what_it_has() -> None:
    merge = Merge(Bounds(most_rows=100))
    a, b = merge.join("a", 0), merge.join("b", 0)
    merge.add(a, batch(range(10, 70)), 0.0, NOW)
    merge.promise(a, NOW, False, 0.0)
    merge.promise(b, NOW + 1_000 * MS, False, 0.0)
    assert merge.is_full(a)
    assert times_ms(merge.take(0.0)) == list(range(10, 70))
    assert not merge.is_full(a)


def test_losses_come_at_once_and_stay_with_no_flow() -> None:
    merge = Merge(Bounds())
    a = merge.join("a", 0)
    lost = Lost(LostSource.HUBBLE_RING_BUFFER, 7, NOW)
    merge.add(a, empty(lost=(lost,)), 0.0, NOW)
    merged = merge.take(0.0)
    assert [one for flows in merged.flows for one in flows.lost] == [lost]
    assert merge.take(0.0) == Merged([], [])


class Played:
    """What happened to a merge, and what came out of it."""

    def __init__(self, data: st.DataObject) -> None:
        self._draw: Any = data.draw
        self._merge = Merge(Bounds(delay_s=0.05, patience_s=0.1, most_rows=data.draw(st.integers(4, 200))))
        self._there = [self._merge.join(str(number), 0.0) for number in range(data.draw(st.integers(1, 4)))]
        self._now_ms = 0
        self.sent: list[tuple[int, int]] = []
        self.out: list[tuple[int, int]] = []
        self.ordered: list[int] = []

    def step(self) -> None:
        """Something happens, some time later."""
        self._now_ms += self._draw(st.integers(0, 60))
        what: Any = self._draw(st.sampled_from((self.send, self.send, self.promise, self.leave)))
        if self._there and self._draw(st.integers(0, 1)):
            what(self._draw(st.sampled_from(self._there)))
        else:
            self.take()

    def send(self, node: int) -> None:
        skew = self._now_ms + self._draw(st.integers(-80, 80))
        flows = batch((skew + at for at in self._draw(st.lists(st.integers(-30, 5), max_size=6))), node)
        self.sent += _ids(flows)
        self._merge.add(node, flows, self._now_ms / 1e3, NOW + self._now_ms * MS)

    def promise(self, node: int) -> None:
        promised = NOW + (self._now_ms + self._draw(st.integers(-90, 10))) * MS
        self._merge.promise(node, promised, self._draw(st.booleans()), self._now_ms / 1e3)

    def leave(self, node: int) -> None:
        self._there.remove(node)
        self._merge.leave(node)

    def take(self) -> None:
        merged = self._merge.take(self._now_ms / 1e3)
        for flows in merged.flows:
            self.ordered += flows["time_ns"].tolist()
        for flows in (*merged.flows, *(late.flows for late in merged.late)):
            self.out += _ids(flows)

    def end(self) -> None:
        """All nodes leave, and all is taken."""
        for node in list(self._there):
            self.leave(node)
        self.take()
        self.take()


def _ids(flows: FlowBatch) -> list[tuple[int, int]]:
    return list(zip(flows["uuid_high"].tolist(), flows["uuid_low"].tolist(), strict=True))


@given(st.data())
def test_each_flow_comes_out_once_and_those_in_order_are_in_order(data: st.DataObject) -> None:
    """Whatever nodes send, promise, break and whenever one takes."""
    played = Played(data)
    for _ in range(data.draw(st.integers(1, 30))):
        played.step()
    played.end()
    assert sorted(played.out) == sorted(played.sent)
    assert played.ordered == sorted(played.ordered)


def test_over_is_later_than_every_time() -> None:
    assert np.iinfo(np.int64).max == OVER


def test_what_a_node_promises_after_a_standstill_comes_before_it_is_not_waited_for_any_more() -> None:
    lateness = Lateness()
    lateness.note(5_000 * MS)
    assert lateness.ns() + 200 * MS < Bounds().delay_s * 1_000 * MS
