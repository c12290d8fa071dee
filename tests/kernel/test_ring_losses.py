"""What does not fit is told by place with the flows, and adds up; what programs and maps cost is measured."""

import struct
from collections.abc import Iterator

import pytest

from rubin.kernel import stats, syscall
from rubin.kernel.losses import Loss, Losses, tallies
from rubin.kernel.objects import Objects
from rubin.kernel.records import RECORD
from rubin.model.enums import LostSource

PACKET = bytes(12) + b"\x08\x00" + bytes(50)
HOLDS = (1 << 16) // (RECORD.itemsize + 8)


@pytest.fixture
def objects(tiny: bytes) -> Iterator[Objects]:
    items = Objects(source=lambda _: tiny)
    items.load("tiny")
    yield items
    items.close()


def write(objects: Objects, count: int) -> None:
    syscall.run(objects.programs()["count_tc"], PACKET, repeat=count)


def test_losses_are_told_once_with_place_and_number(objects: Objects) -> None:
    losses = Losses(objects.map("losses"), "node", pause_s=0)
    assert losses.news() == ()
    write(objects, HOLDS + 20)
    (lost,) = losses.news()
    assert (lost.source, lost.events, lost.place, lost.node_name) == (
        LostSource.PERF_EVENT_RING_BUFFER,
        20,
        "kernel ring, sockets",
        "node",
    )
    assert 0 < lost.first_ns <= lost.last_ns == lost.time_ns
    assert losses.news() == ()
    assert losses.totals() == {"kernel ring, sockets": Loss(20, 20, 2000)}


def test_a_place_is_told_at_most_once_in_its_pause_and_nothing_is_forgotten(objects: Objects) -> None:
    losses = Losses(objects.map("losses"), pause_s=3600)
    write(objects, HOLDS + 20)
    assert losses.news() == ()
    write(objects, 5)
    assert [lost.events for lost in losses.news(all_now=True)] == [25]


def test_the_cpu_is_told_where_it_was_one(objects: Objects) -> None:
    losses = Losses(objects.map("losses"), pause_s=0)
    counters = objects.map("losses")
    cpus = counters.element_bytes // 24
    counters.update(struct.pack("=I", 3), struct.pack("=QQQ", 7, 7, 7) + bytes(24 * (cpus - 1)))
    assert [(lost.cpu, lost.events, lost.place) for lost in losses.news()] == [(0, 7, "unreadable headers, sockets")]
    if cpus > 1:
        counters.update(struct.pack("=I", 3), struct.pack("=QQQ", 9, 9, 9) * cpus)
        assert [lost.cpu for lost in losses.news()] == [-1]


def test_losses_of_before_are_not_ours(objects: Objects) -> None:
    write(objects, HOLDS + 20)
    assert Losses(objects.map("losses"), pause_s=0).news() == ()


def test_tallies_have_names(objects: Objects) -> None:
    made = objects.map("made")
    made.update(bytes(4), struct.pack("=Q", 12))
    assert tallies(made) == {"records": 12}


def test_runs_are_timed_in_windows_only(objects: Objects) -> None:
    costs = stats.Costs(objects, ["count_tc"])
    write(objects, 100)
    assert costs.ns_per_packet == 0
    assert costs.begin()
    assert costs.begin()
    write(objects, 100)
    costs.end()
    write(objects, 100)
    costs.end()
    assert costs.measured["count_tc"].runs == 100
    costs.measured["a_sweep"] = stats.RunCost(1, 1_000_000_000)  # no packet's cost
    assert 1 < costs.ns_per_packet == costs.measured["count_tc"].ns_per_run < 1_000_000


def test_the_memory_of_maps_is_told_by_name(objects: Objects) -> None:
    sizes = stats.map_bytes(objects.maps)
    assert sizes.keys() == {"flows", "losses", "made", "words"}
    assert sizes["flows"] >= 1 << 16
