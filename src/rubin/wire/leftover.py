"""What columns cannot say of a message: the fields that come out otherwise than they were."""

from dataclasses import replace
from typing import Any

from rubin.model.tables import Contents
from rubin.wire.pb import flow_pb2
from rubin.wire.varint import LEN, VARINT, fields, tag

_EMITTER = 41  # always kept by `reading`


def leftover(made: flow_pb2.Flow, flow: flow_pb2.Flow) -> bytes:
    """An encoded Flow of the fields of `flow` that `made` has in another way, unknown ones included.

    A number or a text that `flow` lacks and `made` has is there with its default.
    """
    ours, theirs = _by_number(made), _by_number(flow)
    out = b""
    for number in sorted(ours.keys() | theirs.keys()):
        if number != _EMITTER and ours.get(number) != theirs.get(number):
            out += theirs.get(number) or _empty(number)
    return out


def _by_number(flow: flow_pb2.Flow) -> dict[int, bytes]:
    encoded = flow.SerializeToString(deterministic=True)
    found: dict[int, bytes] = {}
    for number, start, end in fields(encoded):
        found[number] = found.get(number, b"") + encoded[start:end]
    return found


def _empty(number: int) -> bytes:
    field: Any = flow_pb2.Flow.DESCRIPTOR.fields_by_number[number]
    return tag(number, LEN if field.type in (field.TYPE_STRING, field.TYPE_MESSAGE) else VARINT) + b"\0"


def with_rest(contents: Contents, more: bytes) -> Contents:
    """The same contents with `more` in place of what its rest says of the same fields."""
    there = {number for number, _, _ in fields(more)}
    old = b"".join(contents.rest[start:end] for number, start, end in fields(contents.rest) if number not in there)
    return replace(contents, rest=old + more)
