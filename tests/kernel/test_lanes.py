"""What is said is read in place, whatever lane it is in: all of it, once, in the order of its times."""

import mmap
import time
from collections.abc import Iterator

import numpy as np
import pytest

from rubin.kernel.lanes import LEAST_SLOTS, Lanes, shape
from rubin.kernel.payloads import PAYLOAD, SLOT_BYTES
from rubin.kernel.ring import Mapping
from tests.kernel.programs import TICKS, programs

LANES = 4
_SETTINGS = {
    "listens": 1,
    "second_ticks": TICKS,
    "most_payloads": 1000,
    "lane_mask": LANES - 1,
    "lane_slots": LEAST_SLOTS,
}


class Writer:
    """The maps of the real programs, written as these do (bpf/slots.h), and the reader."""

    def __init__(self) -> None:
        self._loaded = programs("sockets", **_SETTINGS)
        map_of = self._loaded.__enter__().objects.map
        slots, lanes = map_of("payloads"), map_of("lanes")
        protection = mmap.PROT_READ | mmap.PROT_WRITE
        self._pages = [
            Mapping(slots.fd, 0, slots.max_entries * SLOT_BYTES, protection),
            Mapping(lanes.fd, 0, mmap.PAGESIZE, protection),
        ]
        self._slots = self._pages[0].array(np.dtype([("turn", "<i8"), ("record", PAYLOAD)]), slots.max_entries)
        self._given = self._pages[1].array(np.dtype("<i8"), 16 * LANES)[::16]
        self.lanes = Lanes(slots, lanes, map_of("payloads_signal"), PAYLOAD, LANES)
        self.now_ns = time.monotonic_ns()

    def reserve(self, lane: int) -> tuple[int, int]:
        """(slot, turn) of the next in a lane."""
        turn = int(self._given[lane]) + 1
        self._given[lane] = turn
        return lane * LEAST_SLOTS + (turn - 1) % LEAST_SLOTS, turn

    def submit(self, slot: int, turn: int, number: int, time_ns: int | None = None, tag: int = 1) -> None:
        said = self._slots["record"][slot : slot + 1]
        said["time_ns"], said["sequence"], said["tag"] = number if time_ns is None else time_ns, number, tag
        self._slots["turn"][slot] = turn

    def write(self, lane: int, number: int, time_ns: int | None = None, tag: int = 1) -> None:
        self.submit(*self.reserve(lane), number, time_ns, tag)

    def read(self, most: int = 1 << 30, until_ns: int = 1 << 62) -> list[int]:
        """The numbers of what is there by now."""
        slots = self.lanes.peek(most, until_ns)
        found = slots.records["sequence"][slots.rows].tolist()
        self.lanes.advance()
        return list(found)

    def close(self) -> None:
        self.lanes.close()
        for page in self._pages:
            page.close()
        self._loaded.__exit__(None, None, None)


@pytest.fixture
def writer() -> Iterator[Writer]:
    item = Writer()
    yield item
    item.close()


def test_nothing_is_nothing(writer: Writer) -> None:
    assert writer.read() == []
    assert writer.lanes.pending == 0
    assert writer.lanes.fill == 0


def test_a_lane_is_read_however_often_it_wraps(writer: Writer) -> None:
    seen: list[int] = []
    for first in range(0, 5000, 100):
        for number in range(first, first + 100):
            writer.write(2, number)
        seen += writer.read()
    assert seen == list(range(5000))
    assert writer.lanes.pending == 0


def test_several_are_read_in_the_order_of_times(writer: Writer) -> None:
    for number in range(200):
        writer.write(number * 7 % LANES, number)
    assert writer.lanes.pending == 200
    assert writer.read() == list(range(200))


def test_a_slot_that_is_being_written_ends_its_lane_only(writer: Writer) -> None:
    writer.write(0, 1)
    slot = writer.reserve(0)
    writer.write(0, 4)
    writer.write(1, 3)
    assert writer.read() == [1, 3]
    writer.submit(*slot, 2)
    assert writer.read() == [2, 4]


def test_what_came_later_is_left_for_the_next_time(writer: Writer) -> None:
    for number in range(20):
        writer.write(number % LANES, number)
    assert writer.read(until_ns=12) == list(range(13))
    assert writer.read(until_ns=12) == []
    assert writer.read() == list(range(13, 20))


def test_a_batch_has_about_so_many_and_those_are_the_oldest(writer: Writer) -> None:
    for number in range(100):
        writer.write(number % 3, number)
    assert writer.read(40) == list(range(40))
    assert writer.read(40) == list(range(40, 80))
    assert writer.read(40) == list(range(80, 100))


def test_of_what_is_later_than_the_look_nothing_is_seen_in_any_lane(writer: Writer) -> None:
    later_ns = time.monotonic_ns() + 300_000_000
    writer.write(0, 1, 1)
    writer.write(0, 3, later_ns)
    writer.write(1, 2, later_ns)
    assert writer.read() == [1]
    while time.monotonic_ns() <= later_ns:
        assert writer.read() in ([], [3, 2])
    assert writer.lanes.pending == 0 or writer.read() == [3, 2]


def test_slots_given_up_are_left_out(writer: Writer) -> None:
    for number in range(9):
        writer.write(number % 2, number, tag=number % 3)
    assert writer.read() == [1, 2, 4, 5, 7, 8]
    assert writer.lanes.pending == 0


def test_each_processor_has_a_lane_as_long_as_it_has_room() -> None:
    lanes, slots = shape(16_384)
    assert lanes * slots == 16_384
    assert lanes & (lanes - 1) == 0
    assert shape(LEAST_SLOTS) == (1, LEAST_SLOTS)
