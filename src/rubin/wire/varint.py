"""Protobuf's varints: of one number, and of a whole column at a fixed width.

A varint may be padded (0x80 bytes before a last 0x00): decoders accept it, and a column of numbers
then has one width (measured with upb and with Go).
"""

from functools import cache

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]

VARINT, LEN = 0, 2
"""Wire types."""


_SHORT = [bytes([number]) for number in range(0x80)]


def varint(number: int) -> bytes:
    """A non-negative number in as few bytes as it takes."""
    if number < 0x80:
        return _SHORT[number]
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


@cache
def tag(field: int, wire_type: int) -> bytes:
    """What stands before a field's value."""
    return varint(field << 3 | wire_type)


def block(field: int, body: bytes) -> bytes:
    """A string, bytes or message field with its length."""
    return tag(field, LEN) + varint(len(body)) + body


def filler(unit: bytes, length: int) -> bytes:
    """`length` bytes that say "this number is 0", over and over; at least `len(unit) + 1` of them.

    `unit` is the tag of a varint field whose true value, if any, is written later: the last one counts.
    """
    longest = len(unit) + 10
    if length <= longest:
        return unit + bytes([0x80] * (length - len(unit) - 1) + [0])
    first = longest if length - longest > len(unit) else len(unit) + 1
    return filler(unit, first) + filler(unit, length - first)


def padded(values: U64, width: int) -> U64:
    """(n,) uint64: each value as a varint of `width` (at most 8) bytes, first byte lowest.

    Values must be below 2^(7 * width).
    """
    out: U64 = values & np.uint64(0x7F)
    for place in range(1, width):
        out |= (values << np.uint64(place)) & np.uint64(0x7F << 8 * place)
    return out | np.uint64(sum(0x80 << 8 * place for place in range(width - 1)))


def fields(message: bytes) -> list[tuple[int, int, int]]:
    """(number, start, end) of each field at the top of an encoded message. Raises ValueError."""
    found, at = [], 0
    while at < len(message):
        start = at
        key, at = _read(message, at)
        match key & 7:
            case 0:
                _, at = _read(message, at)
            case 1:
                at += 8
            case 2:
                length, at = _read(message, at)
                at += length
            case 5:
                at += 4
            case kind:
                raise ValueError(f"wire type {kind}")
        if at > len(message) or not key >> 3:
            raise ValueError("the message is cut")
        found.append((key >> 3, start, at))
    return found


def _read(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("the message is cut")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
