"""A message comes back as it was put in; an exchange is seen from two sides."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.model.batch import FlowBatch, adopt, concat
from rubin.model.enums import LAYER_7
from rubin.model.messages import DNS, PROTOCOLS, ROW, Message, Messages, MessageType
from rubin.model.tables import Tables
from rubin.model.values import PROTOCOL_NAMES
from tests.said import seen
from tests.wire.made import messages

ANSWER = Message(
    MessageType.EXCHANGE, "http", "GET", "shop", "/pay", "HTTP/1.1", 404, True, "gone", 5_000_000, 120, 4_210, "abc",
    (("a", "b"),),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(messages(), max_size=10))
def test_rows_read_as_they_were_written(rows):
    table = Messages()
    codes = table.codes(rows)
    assert table.read(codes) == rows
    assert [table[code] for code in codes.tolist()] == rows
    assert len(table) == 1 + sum(row != Message() for row in rows)


def test_nothing_is_row_0_and_every_other_row_is_new():
    table = Messages()
    assert table.codes([Message(), ANSWER, ANSWER, Message()]).tolist() == [0, 1, 2, 0]
    assert table[0] == Message()
    assert table.rows(np.zeros(3, np.uint32)).tobytes() == bytes(3 * ROW.itemsize)
    with pytest.raises(IndexError):
        table[3]


def test_rows_beyond_a_chunk_are_found():
    table = Messages()
    codes = [table.extend(count, {"status": np.arange(count), "protocol": 1}) for count in (5, 20_000, 1, 9_000)]
    for part in codes:
        assert table.rows(part)["status"].tolist() == list(range(len(part)))
    some = np.concatenate(codes)[::-7]
    assert table.column("status", some).tolist() == table.rows(some)["status"].tolist()
    assert table.column("status", some[:0]).tolist() == []
    assert table.rows(some)["status"].tolist() == np.concatenate(
        [np.arange(len(part)) for part in codes]
    )[::-7].tolist()  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(messages(), max_size=6), st.lists(messages(), max_size=6))
def test_rows_that_change_tables_say_the_same(first, second):
    batches = []
    for rows in (first, second):
        tables = Tables()
        batches.append(FlowBatch({"message": tables.messages.codes(rows)}, tables))
    assert concat(batches).rows("message") == first + second
    target = Tables()
    target.messages.code(ANSWER)
    assert adopt(batches[0], target).rows("message") == first
    assert len(target.messages) == 2 + len({row for row in batches[0]["message"].tolist() if row})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(messages(), st.integers(-1, 1)), max_size=10))
def test_an_exchange_reads_as_a_request_or_a_response(rows):
    table = Messages()
    codes = table.codes(row for row, _ in rows)
    ways = np.array([way for _, way in rows], np.int8)
    assert table.read(codes, ways) == [seen(row, way) for row, way in rows]


def test_a_request_has_nothing_of_the_answer():
    table = Messages()
    codes = table.codes([ANSWER, ANSWER, ANSWER])
    asked = Message(
        MessageType.REQUEST, "http", "GET", "shop", "/pay", "HTTP/1.1", request_bytes=120, trace_id="abc",
        attributes=(("a", "b"),),
    )  # fmt: skip
    answered = replace(ANSWER, type=MessageType.RESPONSE)
    assert table.read(codes, np.array([0, 1, -1])) == [asked, answered, asked]


def test_the_question_of_a_dns_exchange_has_no_answer_in_it():
    whole = DNS("x.", ("1.2.3.4",), 30, ("y.",), "proxy", 3, ("A",), ("A",))
    table = Messages()
    codes = table.codes(2 * [Message(MessageType.EXCHANGE, "dns", target="x.", dns=whole)])
    asked, answered = table.read(codes, np.array([0, 1]))
    assert asked.dns == DNS("x.", observation_source="proxy", qtypes=("A",))
    assert answered.dns == whole


def test_dns_without_more_than_a_name_is_dns():
    table = Messages()
    codes = table.extend(1, {"protocol": PROTOCOLS.index("dns"), "target": table.texts.code("x.")})
    assert table.read(codes)[0].dns == DNS("x.")


def test_a_url_is_whole_where_the_host_is_known():
    assert (ANSWER.url, replace(ANSWER, authority="").url) == ("http://shop/pay", "/pay")


def test_protocols_have_numbers_that_stay():
    assert PROTOCOLS[:6] == ("", "http", "dns", "grpc", "postgresql", "mysql")
    assert len(PROTOCOLS) <= 256
    assert set(LAYER_7) < set(PROTOCOL_NAMES)


def test_tables_are_full_by_the_messages_number_or_memory():
    few, large, many = Tables(), Tables(), Tables()
    few.messages.extend(200_000, {"protocol": 1})  # the other tables would be full
    large.messages.texts.codes_of(f"{'x' * 1_000}{number}" for number in range(70_000))
    many.messages.FULL_ROWS = 1_000
    many.messages.extend(1_001, {"protocol": 1})
    assert large.messages.memory_bytes > 64 << 20
    assert [tables.full for tables in (few, large, many)] == [False, True, True]
