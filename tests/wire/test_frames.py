"""Column frames: the same batch on the other side, or one clear error."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.errors import RubinError
from rubin.model.batch import FlowBatch, Lost, empty
from rubin.model.columns import COLUMNS
from rubin.model.enums import LostSource
from rubin.model.exchanges import expanded
from rubin.model.messages import DNS, NUMBERS, ROW, Message, Messages
from rubin.model.tables import Contents, Tables
from rubin.wire import frames, messagerows
from tests.flows import generate
from tests.wire.made import batches, words

_i63 = st.integers(0, 2**63 - 1)
losses = st.lists(
    st.builds(Lost, st.sampled_from(LostSource), _i63, _i63, _i63, _i63, st.integers(-1, 512), words, words), max_size=3
).map(tuple)


def same(left: FlowBatch, right: FlowBatch) -> None:
    assert len(left) == len(right)
    assert left.lost == right.lost
    for name, column in COLUMNS.items():
        if column.table:
            assert left.rows(name) == right.rows(name), name
        else:
            assert (left[name] == right[name]).all(), name


@given(batches(), losses)
@settings(max_examples=100, deadline=None)
def test_any_batch_arrives_as_it_was(batch: FlowBatch, lost: tuple[Lost, ...]) -> None:
    same(frames.decode(frames.encode(batch.with_lost(lost))), batch.with_lost(lost))


def test_a_busy_batch_arrives_with_the_rows_it_uses() -> None:
    batch = generate(5_000)
    some = batch.take(slice(100, 110))
    again = frames.decode(frames.encode(some))
    same(again, some)
    assert len(again.tables.endpoints) <= 21
    assert not again["time_ns"].flags.writeable


@given(st.lists(batches(), min_size=2, max_size=4))
@settings(max_examples=50, deadline=None)
def test_many_frames_may_be_read_into_the_same_tables(some: list[FlowBatch]) -> None:
    tables = Tables()
    for batch in some:
        again = frames.decode(frames.encode(batch), tables)
        assert again.tables is tables
        same(again, batch)


def test_what_comes_again_is_found_in_tables_of_a_frame() -> None:
    tables = frames.decode(frames.encode(generate(1_000))).tables
    rows = len(tables.endpoints)
    codes = [tables.endpoints.code(row) for row in list(tables.endpoints.rows)]
    assert codes == list(range(rows))
    assert len(tables.endpoints) == rows


def test_rest_and_losses_without_flows_arrive() -> None:
    tables = Tables()
    code = tables.contents.code(Contents(rest=b"\x10\x02", summary="x"))
    same(
        frames.decode(frames.encode(FlowBatch({"contents": np.array([code])}, tables))),
        FlowBatch({"contents": np.array([1])}, tables),
    )
    lost = (Lost(LostSource.HUBBLE_RING_BUFFER, 1, 2),)
    assert frames.decode(frames.encode(empty(lost=lost))).lost == lost


def _spoken() -> FlowBatch:
    batch = generate(20, endpoints=5, pairs=4)
    said = [Message(4, "http", "GET", "h", "/"), Message(2, "dns", target="x.", dns=DNS("x.", ("1.2.3.4",)))]
    return batch.with_columns(message=np.resize([0, *batch.tables.messages.codes(said)], 20))


FRAME = frames.encode(_spoken().with_lost((Lost(LostSource.HUBBLE_RING_BUFFER, 1, 2, node_name="n"),)))


def test_a_message_that_many_rows_name_travels_once() -> None:
    again = frames.decode(frames.encode(expanded(_spoken().with_columns(is_reply=np.ones(20)))))
    assert len(again) == 27
    assert len(again.tables.messages) == 3


def test_a_protocol_of_a_newer_server_is_not_known() -> None:
    told = Messages()
    codes = told.codes([Message(2, "http", "GET")])
    body = messagerows.pack(told, codes).replace(b'"http"', b'"gone"')
    (code,) = messagerows.unpack(again := Messages(), memoryview(body), 1)
    assert again[int(code)] == Message(2, method="GET")


SENSELESS: dict[str, Callable[[bytes], bytes]] = {
    "a row too few": lambda body: body[:-1],
    "a type that is none": lambda body: body[: -ROW.itemsize] + _changed("type", 9),
    "neither failed nor not": lambda body: body[: -ROW.itemsize] + _changed("failed", 2),
    "a text beyond the texts": lambda body: body[: -ROW.itemsize] + _changed("method", 9),
    "a protocol beyond the protocols": lambda body: body[: -ROW.itemsize] + _changed("protocol", 200),
    "texts that are numbers": lambda body: body.replace(b'"GET"', b"12345"),
}


def _changed(name: str, value: int) -> bytes:
    row = np.zeros(1, ROW)
    row[name] = value
    return row.tobytes()


@pytest.mark.parametrize("change", SENSELESS.values(), ids=SENSELESS)
def test_messages_that_make_no_sense_are_refused(change: Callable[[bytes], bytes]) -> None:
    told = Messages()
    body = messagerows.pack(told, told.codes([Message(2, "http", "GET")]))
    assert len(messagerows.unpack(Messages(), memoryview(body), 1)) == 1
    with pytest.raises((ValueError, TypeError, LookupError)):
        messagerows.unpack(Messages(), memoryview(change(body)), 1)


def test_an_answer_of_the_dns_in_another_protocol_is_refused() -> None:
    told = Messages()
    body = messagerows.pack(told, told.codes([Message(2, "dns", dns=DNS("x."))]))
    number = NUMBERS["dns"].to_bytes(1, "little")
    changed = body[: -ROW.itemsize] + body[-ROW.itemsize :].replace(number, NUMBERS["http"].to_bytes(1, "little"), 1)
    with pytest.raises(ValueError, match="DNS"):
        messagerows.unpack(Messages(), memoryview(changed), 1)


def decode_or_refuse(frame: bytes) -> None:
    try:
        batch = frames.decode(frame)
    except RubinError:
        with pytest.raises(RubinError):
            frames.decode(frame, Tables())
        return
    assert len(batch) <= frames.MAX_ROWS
    for name, column in COLUMNS.items():
        if column.table:
            batch.rows(name)


def test_a_frame_cut_anywhere_is_refused() -> None:
    for end in range(len(FRAME)):
        with pytest.raises(RubinError, match="column frame"):
            frames.decode(FRAME[:end])
    with pytest.raises(RubinError, match="column frame"):
        frames.decode(FRAME + b"\0")


@given(st.lists(st.tuples(st.integers(0, len(FRAME) - 1), st.integers(0, 255)), min_size=1, max_size=8))
@settings(max_examples=500, deadline=None)
def test_a_frame_with_other_bytes_is_read_or_refused(changes: list[tuple[int, int]]) -> None:
    frame = bytearray(FRAME)
    for place, byte in changes:
        frame[place] = byte
    decode_or_refuse(bytes(frame))


def test_each_byte_of_a_frame_may_be_anything() -> None:
    for place in range(FRAME.index(b"[") + 400):
        for byte in (0, 1, 0x7F, 0xFF):
            decode_or_refuse(FRAME[:place] + bytes([byte]) + FRAME[place + 1 :])


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_bytes_at_all_do_harm(noise: bytes) -> None:
    decode_or_refuse(noise)
    decode_or_refuse(FRAME[:32] + noise)


def test_another_version_is_refused_by_name() -> None:
    with pytest.raises(RubinError, match="version 6 is not 5"):
        frames.decode(FRAME[:8] + b"\6" + FRAME[9:])


def test_counts_that_cannot_be_true_take_no_memory() -> None:
    for place in (16, 20, 24):  # columns, tables, losses
        with pytest.raises(RubinError):
            frames.decode(FRAME[:place] + b"\xff\xff\xff\xff" + FRAME[place + 4 :])
