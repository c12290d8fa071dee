"""What is written to Kafka: the first record of a batch.

https://kafka.apache.org/documentation/#recordbatch, version 2; what is compressed or older is not read.
"""

from struct import unpack_from

from rubin.dissect.redaction import is_credential
from rubin.model.messages import Attributes

_MAGIC_AT, _ATTRIBUTES_AT, _RECORDS_AT = 16, 21, 61
_COMPRESSION = 7
_CHARACTERS = 256


class _End(Exception):
    """The bytes that are there have been read, or make no sense."""


def first_record(batch: bytes) -> Attributes:
    """Its key and value as far as they are there, as text; () where none can be read, or one could be a credential."""
    if len(batch) <= _RECORDS_AT or batch[_MAGIC_AT] != 2:
        return ()
    if unpack_from(">H", batch, _ATTRIBUTES_AT)[0] & _COMPRESSION:
        return ()
    found: list[tuple[str, str]] = []
    try:
        at = _number(batch, _RECORDS_AT)[1] + 1  # its length and attributes
        for _ in ("timestamp", "offset"):
            at = _number(batch, at)[1]
        for name in ("key", "value"):
            size, at = _number(batch, at)
            text = batch[at : at + max(size, 0)].decode("utf-8", "replace")
            found.append((name, text[:_CHARACTERS]))
            if is_credential(text):
                return ()
            at += max(size, 0)
    except _End:
        pass
    return tuple((name, text) for name, text in found if text)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A varint, zigzag-coded, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value >> 1 ^ -(value & 1), at
    raise _End
