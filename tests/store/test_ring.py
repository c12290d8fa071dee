"""The ring gives back what was put in, in order, up to its capacity, and says what was lost."""

import threading

import numpy as np
import pytest

from rubin.model.batch import FlowBatch, Lost
from rubin.model.columns import ROW_BYTES
from rubin.model.enums import LostSource
from rubin.model.exchanges import expanded
from rubin.model.messages import Message, MessageType
from rubin.model.tables import Tables
from rubin.store import segment
from rubin.store.cursor import Cursor
from rubin.store.ring import Ring
from tests.flows import flows, generate


def _numbered(start: int, count: int, tables: Tables) -> FlowBatch:
    numbers = np.arange(start, start + count)
    return FlowBatch({"time_ns": numbers + 1, "bytes": numbers}, tables)


def _read(ring: Ring, **selection: object) -> list[int]:
    return [int(number) for batch in ring.scan(**selection) for number in batch["bytes"]]  # type: ignore[arg-type]


def _lost(events: int) -> Lost:
    return Lost(LostSource.PERF_EVENT_RING_BUFFER, events, 1)


def test_rows_come_back_in_order_across_segments():
    ring, tables = Ring(1_000_000), Tables()
    for start in range(0, 100_000, 7_000):
        ring.append(_numbered(start, min(7_000, 100_000 - start), tables))
    assert _read(ring) == list(range(100_000))
    assert (ring.first_row, ring.next_row, ring.held_flows) == (0, 100_000, 100_000)


@pytest.mark.parametrize("capacity", [1, 10, segment.ROWS, segment.ROWS + 1, 3 * segment.ROWS - 5])
def test_only_the_newest_are_held(capacity: int):
    ring, tables, total = Ring(capacity), Tables(), 4 * segment.ROWS + 123
    for start in range(0, total, 10_000):
        ring.append(_numbered(start, min(10_000, total - start), tables))
    assert _read(ring) == list(range(total - capacity, total))
    assert ring.held_flows == capacity


def test_a_batch_larger_than_a_segment_is_split():
    ring = Ring(1_000_000)
    ring.append(_numbered(0, 3 * segment.ROWS + 1, Tables()))
    assert _read(ring) == list(range(3 * segment.ROWS + 1))


def test_a_scan_can_be_bounded_and_go_backwards():
    ring, tables = Ring(1_000_000), Tables()
    ring.append(_numbered(0, 2 * segment.ROWS, tables))
    middle = segment.ROWS
    assert _read(ring, first_row=middle - 2, end_row=middle + 2) == [middle - 2, middle - 1, middle, middle + 1]
    backwards = [int(batch["bytes"][0]) for batch in ring.scan(newest_first=True)]
    assert backwards == [segment.ROWS, 0]


def test_segments_outside_the_time_are_left_out():
    ring, tables = Ring(1_000_000), Tables()
    ring.append(_numbered(0, 2 * segment.ROWS, tables))
    assert _read(ring, since_ns=segment.ROWS + 1) == list(range(segment.ROWS, 2 * segment.ROWS))
    assert _read(ring, until_ns=segment.ROWS) == list(range(segment.ROWS))


def test_what_a_batch_does_not_know_reads_as_missing():
    ring = Ring()
    ring.append(FlowBatch({"time_ns": np.array([1])}, Tables()))
    (batch,) = ring.scan()
    assert batch["is_reply"].tolist() == [-1]
    assert batch["verdict"].tolist() == [0]


def test_other_tables_begin_another_segment():
    ring = Ring()
    ring.append(flows("src dst from to\n10.0.0.1:1 10.0.0.2:2 a/x b/y"))
    ring.append(flows("src dst from to\n10.0.0.1:1 10.0.0.2:2 c/z b/y"))
    assert [batch.rows("source_endpoint")[0].pod_name for batch in ring.scan()] == ["x", "z"]


def test_losses_stand_where_they_happened():
    ring, tables = Ring(), Tables()
    ring.append(_numbered(0, 2, tables))
    ring.note_lost(_lost(5))
    ring.append(_numbered(2, 2, tables))
    ring.note_lost(_lost(7))
    seen = [(len(batch), [lost.events for lost in batch.lost]) for batch in ring.scan()]
    assert seen == [(4, [5]), (0, [7])]
    assert [batch.lost for batch in ring.scan(first_row=0, end_row=2)] == [()]
    follower = [[lost.events for lost in batch.lost] for batch in ring.scan(first_row=2, end_row=4)]
    assert follower == [[5]]


def test_subscribers_are_woken_until_they_leave():
    ring, tables, calls = Ring(), Tables(), []
    leave = ring.subscribe(lambda: calls.append(ring.next_row))
    ring.append(_numbered(0, 3, tables))
    ring.note_lost(_lost(1))
    leave()
    ring.append(_numbered(3, 3, tables))
    assert calls == [3, 3]


def test_readers_beside_the_writer_see_whole_rows_in_order():
    ring, tables, wrong = Ring(50_000), Tables(), []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            for batch in ring.scan():
                numbers = batch["bytes"]
                if len(numbers) and (np.diff(numbers.astype(np.int64)) != 1).any():
                    wrong.append(numbers)

    reader = threading.Thread(target=read)
    reader.start()
    for start in range(0, 1_000_000, 5_000):
        ring.append(_numbered(start, 5_000, tables))
    done.set()
    reader.join()
    assert not wrong


def test_a_flow_takes_at_most_160_bytes():
    batch = generate(10)
    assert sum(batch[name].itemsize for name in batch.names()) <= ROW_BYTES <= 155


def test_what_readers_missed_is_heard():
    heard: list[Lost] = []
    ring = Ring(10, heard.append)
    ring.note_missed(_lost(3))
    assert [lost.events for lost in heard] == [3]
    assert not list(ring.scan())


def test_memory_is_used_again_once_nobody_sees_into_it():
    blocks = segment.Blocks()
    block = blocks.take()
    block[:4] = 7
    part = block[2:4].view(np.uint16)
    del block
    other = blocks.take()
    assert not other[:4].any(), "somebody still sees into the first"
    del part
    assert (blocks.take()[:4] == 7).all()


def test_a_view_that_is_out_stays_as_it_was():
    ring, tables = Ring(segment.ROWS), Tables()
    ring.append(_numbered(0, segment.ROWS, tables))
    (held,) = ring.scan()
    for start in range(1, 5):
        ring.append(_numbered(start * segment.ROWS, segment.ROWS, tables))
    assert held["bytes"].tolist() == list(range(segment.ROWS))


def test_used_memory_does_not_show_through_where_a_batch_says_nothing():
    ring = Ring(segment.ROWS)
    for _ in range(3):
        ring.append(generate(segment.ROWS))
    ring.append(FlowBatch({"time_ns": np.arange(segment.ROWS)}, Tables()))
    (batch,) = ring.scan()
    assert not batch["tcp_flags"].any()
    assert (batch["is_reply"] == -1).all()


def test_an_exchange_takes_at_most_320_bytes():
    tables, count = Tables(), 100_000
    paths = tables.messages.texts.codes_of(f"/api/v1/items/{number:026}" for number in range(20_000))
    numbers = {"protocol": 1, "type": 4, "status": 200, "latency_ns": 5, "target": np.resize(paths, count)}
    tables.messages.extend(count, numbers)
    assert tables.messages.memory_bytes / count + ROW_BYTES <= 320
    assert not tables.full


def test_what_is_read_may_be_more_than_what_is_stored():
    tables = Tables()
    code = tables.messages.code(Message(MessageType.EXCHANGE, "redis", "GET"))
    ring = Ring(again=expanded)
    ring.append(_numbered(0, 3, tables).with_columns(message=np.array([0, code, 0]), is_reply=np.ones(3)))
    assert _read(ring) == [0, 1, 1, 2]
    assert _read(ring, as_stored=True) == [0, 1, 2]
    cursor = Cursor(ring, 0)
    assert [len(view) for view in cursor.read()] == [4]
    assert (cursor.row, cursor.take_overtaken(), cursor.read()) == (3, 0, [])
