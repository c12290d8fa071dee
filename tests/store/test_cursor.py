"""A cursor hands out every row once and counts exactly what the writer overwrote before it came."""

import threading

import numpy as np

from rubin.model.batch import FlowBatch, Lost
from rubin.model.enums import LostSource
from rubin.model.tables import Tables
from rubin.store.cursor import Cursor
from rubin.store.ring import Ring
from rubin.store.segment import ROWS


def _numbered(start: int, count: int, tables: Tables) -> FlowBatch:
    numbers = np.arange(start, start + count)
    return FlowBatch({"time_ns": numbers + 1, "bytes": numbers}, tables)


def _lost(events: int) -> Lost:
    return Lost(LostSource.PERF_EVENT_RING_BUFFER, events, 1)


def _events(views: list[FlowBatch]) -> list[int]:
    return [lost.events for view in views for lost in view.lost]


def _numbers(views: list[FlowBatch]) -> list[int]:
    return [int(number) for view in views for number in view["bytes"]]


def test_rows_come_once_and_in_order_span_by_span():
    ring, tables = Ring(1_000_000), Tables()
    ring.append(_numbered(0, 100_000, tables))
    cursor, read = Cursor(ring, 10), list[int]()
    while views := cursor.read(most_rows=7_000):
        read += _numbers(views)
    assert read == list(range(10, 100_000))
    ring.append(_numbered(100_000, 5, tables))
    assert _numbers(cursor.read()) == [100_000, 100_001, 100_002, 100_003, 100_004]
    assert cursor.take_overtaken() == 0


def test_a_reader_that_was_overtaken_knows_by_how_much():
    ring, tables = Ring(ROWS), Tables()
    ring.append(_numbered(0, 10, tables))
    cursor = Cursor(ring, 0)
    ring.append(_numbered(10, 5 * ROWS, tables))
    read = list[int]()
    while views := cursor.read():
        read += _numbers(views)
    assert read == list(range(10 + 4 * ROWS, 10 + 5 * ROWS))
    assert cursor.take_overtaken() == 10 + 4 * ROWS
    assert cursor.take_overtaken() == 0


def test_a_loss_comes_once_whether_rows_follow_it_or_not():
    ring, tables = Ring(1_000), Tables()
    cursor = Cursor(ring, 0)
    ring.note_lost(_lost(1))
    assert _events(cursor.read()) == [1]
    assert cursor.read() == []
    ring.note_lost(_lost(2))
    ring.append(_numbered(0, 3, tables).with_lost((_lost(3),)))
    views = cursor.read()
    assert _events(views) == [2, 3]
    assert _numbers(views) == [0, 1, 2]
    assert cursor.read() == []


def test_read_and_overtaken_add_up_beside_a_writer():
    ring, tables, total = Ring(3 * ROWS), Tables(), 40 * ROWS
    cursor, read = Cursor(ring, 0), 0

    def write() -> None:
        for start in range(0, total, 4_096):
            ring.append(_numbered(start, 4_096, tables))

    writer = threading.Thread(target=write)
    writer.start()
    last = -1
    while cursor.row < total:
        for number in (int(view["bytes"][0]) for view in cursor.read() if len(view)):
            assert number > last
            last = number
        read = cursor.row - cursor.overtaken
    writer.join()
    assert read + cursor.take_overtaken() == total
