"""The ring is read in place: all that was written comes out, once, in order, whatever the position."""

import os
import struct
from collections.abc import Iterator

import numpy as np
import pytest

from rubin.errors import RubinError
from rubin.kernel import syscall
from rubin.kernel.libbpf import Object
from rubin.kernel.records import RECORD
from rubin.kernel.ring import Ring

PACKET = bytes(12) + b"\x08\x00" + bytes(50)
HOLDS = (1 << 16) // (RECORD.itemsize + 8)


class Writer:
    """The tiny object, its ring, and `write` that makes the kernel write records."""

    def __init__(self, image: bytes, discard_every: int = 0) -> None:
        self.object = Object(image, "tiny")
        self.object.skip("refused")
        self.object.skip("absent")
        rodata = self.object.rodata()
        assert rodata is not None
        struct.pack_into("=I", rodata, 0, discard_every)
        self.object.load()
        self.ring = Ring(self.object.map("flows"), RECORD)

    def write(self, count: int) -> None:
        syscall.run(self.object.program_fd("count_tc"), PACKET, repeat=count)

    def close(self) -> None:
        self.ring.close()
        self.object.close()


@pytest.fixture
def writer(tiny: bytes) -> Iterator[Writer]:
    item = Writer(tiny)
    yield item
    item.close()


def numbers(ring: Ring, most: int = 65_536) -> list[int]:
    out = ring.peek(most)["time_ns"].tolist()
    ring.advance()
    return list(out)


def test_an_empty_ring_gives_nothing(writer: Writer) -> None:
    assert numbers(writer.ring) == []
    assert writer.ring.fill == 0
    assert writer.ring.wait(0) == []


def test_records_come_in_order_however_often_the_ring_wraps(writer: Writer) -> None:
    seen: list[int] = []
    for _ in range(50):
        writer.write(100)
        seen += numbers(writer.ring)
    assert seen == list(range(5000))
    assert writer.ring.producer > 10 * writer.ring.bytes
    assert writer.ring.records_read == 5000


def test_a_batch_has_at_most_so_many(writer: Writer) -> None:
    writer.write(10)
    assert numbers(writer.ring, 4) == [0, 1, 2, 3]
    assert numbers(writer.ring) == [4, 5, 6, 7, 8, 9]


def test_a_batch_is_a_view_of_the_ring_itself(writer: Writer) -> None:
    writer.write(10)
    first, again = writer.ring.peek(), writer.ring.peek()
    assert first.ctypes.data == again.ctypes.data
    assert first.strides == (RECORD.itemsize + 8,)


def test_what_does_not_fit_is_counted_and_the_rest_is_whole(writer: Writer) -> None:
    writer.write(HOLDS + 1000)
    assert writer.ring.fill > 0.99
    seen = numbers(writer.ring)
    lost = int(writer.object.map("losses").counters()[0, :, 0].sum())
    assert seen == list(range(len(seen)))
    assert len(seen) + lost == HOLDS + 1000


def test_records_given_up_are_left_out(tiny: bytes) -> None:
    writer = Writer(tiny, discard_every=3)
    writer.write(10)
    assert numbers(writer.ring) == [1, 2, 4, 5, 7, 8]
    assert writer.ring.consumer == writer.ring.producer
    writer.close()


def test_a_record_being_written_ends_the_batch(writer: Writer) -> None:
    slots = np.zeros(5, writer.ring._slot)
    size = RECORD.itemsize
    headers = np.array([size, size | 1 << 30, size, size | 1 << 31, size], np.uint32)
    slots["record"]["time_ns"] = range(5)
    assert writer.ring._sift(slots, headers, 1)["time_ns"].tolist() == [0, 2]
    assert writer.ring._pending == 3


def test_a_record_of_another_size_is_an_error(tiny: bytes) -> None:
    item = Object(tiny, "tiny")
    item.skip("refused")
    item.skip("absent")
    item.load()
    ring = Ring(item.map("flows"), np.dtype([("a", "<u8", 10)]))
    syscall.run(item.program_fd("count_tc"), PACKET)
    with pytest.raises(RubinError, match=f"{RECORD.itemsize} bytes where all have 80"):
        ring.peek()
    ring.close()
    item.close()


def test_a_run_is_timed(writer: Writer) -> None:
    answer, mean_ns = syscall.run(writer.object.program_fd("count_tc"), PACKET, repeat=200)
    assert answer == 0xFFFFFFFF
    assert 1 < mean_ns < 1_000_000


def test_waiting_ends_by_a_watched_descriptor(writer: Writer) -> None:
    fd = os.eventfd(0)
    writer.ring.watch(fd)
    writer.write(5)
    assert writer.ring.wait(0.01) == []  # records alone do not wake
    os.eventfd_write(fd, 1)
    assert writer.ring.wait(5) == [fd]
    os.close(fd)
