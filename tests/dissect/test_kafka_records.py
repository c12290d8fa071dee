from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.dissect.protocols.kafka_records import first_record


def varint(number: int) -> bytes:
    number, found = number << 1 ^ number >> 63, b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def bytes_of(word: bytes | None) -> bytes:
    return varint(-1) if word is None else varint(len(word)) + word


def record(key: bytes | None, value: bytes | None) -> bytes:
    body = b"\0" + varint(0) + varint(0) + bytes_of(key) + bytes_of(value) + varint(0)
    return varint(len(body)) + body


def batch(*records: bytes, magic: int = 2, attributes: int = 0) -> bytes:
    body = pack(">hiqqqhii", attributes, 0, 0, 0, -1, -1, -1, len(records)) + b"".join(records)
    return pack(">qiibI", 0, len(body) + 9, 0, magic, 0) + body


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (batch(record(b"k", b"v"), record(b"l", b"w")), (("key", "k"), ("value", "v"))),
        (batch(record(None, b"x" * 900)), (("value", "x" * 256),)),
        (batch(record(b"k", None)), (("key", "k"),)),
        (batch(record(b"k", b"v"), attributes=1), ()),  # compressed
        (batch(record(b"k", b"v"), attributes=8), (("key", "k"), ("value", "v"))),
        (batch(record(b"k", b"v"), magic=1), ()),
        (batch(), ()),
        (batch(record(b"k", b"value"))[:-4], (("key", "k"), ("value", "va"))),  # cut
        (batch(record(b"k", b"value"))[:-7], (("key", "k"),)),
        (batch(record(b"k", b'{"password": "hunter2"}')), ()),
        (batch(record(b"session:1", b"hunter2")), ()),
    ],
)
def test_the_first_record_is_shown(said, shown):
    assert first_record(said) == shown


@given(st.binary(max_size=40), st.binary(max_size=40), st.data())
def test_no_bytes_do_harm_wherever_they_are_cut(one, other, data):
    said = batch(record(one, other)) + other
    said = said[: data.draw(st.integers(0, len(said)))]
    at = data.draw(st.integers(0, len(said)))
    first_record(said[:at] + one + said[at:])
    first_record(one)
