"""Numbers as protobuf writes them, also where they are padded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.wire.pb import flow_pb2
from rubin.wire.varint import VARINT, block, fields, filler, padded, tag, varint


@given(st.integers(0, 2**64 - 1))
def test_a_number_is_read_as_it_was(number: int) -> None:
    assert flow_pb2.Flow.FromString(tag(32, VARINT) + varint(number)).socket_cookie == number


@given(st.integers(2, 8), st.data())
def test_a_padded_number_is_read_as_it_was(width: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, 2 ** (7 * width) - 1))
    encoded = int(padded(np.array([number], np.uint64), width)[0]).to_bytes(8, "little")
    assert encoded[width:] == bytes(8 - width)
    assert flow_pb2.Flow.FromString(tag(32, VARINT) + encoded[:width]).socket_cookie == number


@pytest.mark.parametrize("length", range(3, 80))
def test_a_filler_of_any_length_says_nothing(length: int) -> None:
    made = filler(tag(16, VARINT), length)
    assert len(made) == length
    assert flow_pb2.Flow.FromString(made) == flow_pb2.Flow()


def test_fields_are_found_with_their_places() -> None:
    message = block(34, b"ab") + tag(2, VARINT) + b"\x02" + b"\x0d1234" + b"\x0912345678"
    assert fields(message) == [(34, 0, 5), (2, 5, 7), (1, 7, 12), (1, 12, 21)]


@given(st.binary(max_size=40))
def test_what_is_no_message_is_a_value_error(noise: bytes) -> None:
    try:
        found = fields(noise)
    except ValueError:
        return
    assert [start for _, start, _ in found] == [0, *(end for _, _, end in found)][: len(found)]
