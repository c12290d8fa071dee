"""JSON lines to columns: `hubble observe -o jsonpb`, exported files, and the bare flows of old clients.

A line that makes no sense is passed over and counted; what a newer Hubble says in fields that we do not
know is passed over and counted too.
"""

import json
import marshal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from rubin.model.batch import FlowBatch
from rubin.model.tables import Tables
from rubin.wire.decode import Decoder
from rubin.wire.pb import flow_pb2, observer_pb2

MAX_LINE_BYTES = 16 << 20
_KINDS = frozenset(field.name for field in observer_pb2.GetFlowsResponse.DESCRIPTOR.oneofs[0].fields)
_FLOW = frozenset(flow_pb2.Flow.DESCRIPTOR.fields_by_name)
_INTS = {
    FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT64,
}  # fmt: skip


_REPEATING = frozenset(
    f"flow.{name}" for name in ("Endpoint", "IP", "CiliumEventType", "Emitter", "Ethernet", "NetworkInterface")
)
_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class Parsed:
    """What some lines held. `first_bad` is the number of the first bad line, from 1, and what is wrong with it."""

    batch: FlowBatch
    bad_lines: int = 0
    unknown_fields: int = 0
    first_bad: tuple[int, str] = (0, "")


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, never more than `MAX_LINE_BYTES` in memory: of a longer one only the beginning."""
    while line := file.readline(MAX_LINE_BYTES):
        yield line
        while len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES)


class LineParser:
    """Parses some thousand lines after the other into the same tables: what repeats is read once."""

    def __init__(self, tables: Tables | None = None) -> None:
        self._decoder = Decoder(tables)
        self._parser = _Parser()

    def parse(self, lines: Iterable[bytes]) -> Parsed:
        """As `parse_lines`."""
        return _parse(lines, self._parser, self._decoder)


def parse_lines(lines: Iterable[bytes], tables: Tables | None = None) -> Parsed:
    """The flows and losses of these lines, in order. Never raises for what they hold."""
    return LineParser(tables).parse(lines)


def _parse(lines: Iterable[bytes], parser: "_Parser", decoder: Decoder) -> Parsed:
    before = parser.unknown_fields
    messages, bad, first = [], 0, (0, "")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            messages.append(parser.response(json.loads(line)))
        except (ValueError, TypeError, OverflowError, RecursionError, AttributeError) as error:
            bad += 1
            first = first if first[0] else (number, str(error))
    return Parsed(decoder.batch(messages), bad, parser.unknown_fields - before, first)


class _Parser:
    """protojson, as far as flows need it: JSON or proto names, enums by name or number, numbers as strings."""

    def __init__(self) -> None:
        self.unknown_fields = 0
        self._kept: dict[tuple[str, bytes], bytes] = {}
        self._fields: dict[str, dict[str, tuple[str, Any, Callable[[Any], Any] | None]]] = {}

    def response(self, value: Any) -> observer_pb2.GetFlowsResponse:
        """One line's message. Raises ValueError or TypeError."""
        response = observer_pb2.GetFlowsResponse()
        if not isinstance(value, dict):
            raise TypeError("the line is not an object")
        if _KINDS.isdisjoint(value) and not _FLOW.isdisjoint(value):
            self._fill(response.flow, value)
        else:
            self._fill(response, value)
        return response

    def _fill(self, message: Message, value: Any) -> None:
        if type(value) is not dict:
            raise TypeError(f"{message.DESCRIPTOR.name} is not an object")
        known = self._known(message.DESCRIPTOR)
        for key, one in value.items():
            found = known.get(key)
            if found is None:
                self.unknown_fields += 1
                continue
            if one is None:
                continue
            name, field, convert = found
            if field.is_repeated:
                self._extend(getattr(message, name), field, convert, one)
            elif convert is None:
                self._message(getattr(message, name), field, one)
            else:
                setattr(message, name, convert(one))

    def _extend(self, target: Any, field: Any, convert: Callable[[Any], Any] | None, values: Any) -> None:
        if type(values) is not list:
            raise TypeError(f"{field.name} is not a list")
        for value in values:
            if convert is None:
                self._message(target.add(), field, value)
            else:
                target.append(convert(value))

    def _message(self, target: Message, field: Any, value: Any) -> None:
        target.SetInParent()
        match field.message_type.full_name:
            case "google.protobuf.Timestamp":
                target.seconds, target.nanos = _time(value)  # type: ignore[attr-defined]
            case "google.protobuf.Any":
                self.unknown_fields += 1  # it says that something of a fork was there, and no more
            case name if name.startswith("google.protobuf."):
                self._fill(target, {"value": value})
            case name if name in _REPEATING:
                self._repeated(target, name, value)
            case _:
                self._fill(target, value)

    def _repeated(self, target: Message, name: str, value: Any) -> None:
        key = name, marshal.dumps(value, 2)
        kept = self._kept.get(key)
        if kept is not None:
            target.MergeFromString(kept)
            return
        before = self.unknown_fields
        self._fill(target, value)
        if self.unknown_fields == before:  # so that they are counted each time
            if len(self._kept) > _KEPT:
                self._kept.clear()
            self._kept[key] = target.SerializeToString()

    def _known(self, descriptor: Any) -> dict[str, tuple[str, Any, Callable[[Any], Any] | None]]:
        known = self._fields.get(descriptor.full_name)
        if known is None:
            known = self._fields[descriptor.full_name] = {}
            for field in descriptor.fields:
                known[field.name] = known[field.json_name] = field.name, field, _converter(field)
        return known


def _converter(field: Any) -> Callable[[Any], Any] | None:
    if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        return None
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        numbers = {value.name: value.number for value in field.enum_type.values}
        return lambda value: value if type(value) is int else _enum(numbers, value)
    if field.cpp_type in _INTS:
        return lambda value: value if type(value) is int else _integer(value)
    return lambda value: value


def _enum(numbers: dict[str, int], value: Any) -> int:
    if type(value) is not str:
        raise TypeError(f"{value!r} is no enum")
    return numbers.get(value, 0)  # a name of a newer Hubble is the enum's "unknown"


def _integer(value: Any) -> int:
    if type(value) is not str and not (type(value) is float and value.is_integer()):
        raise TypeError(f"{value!r} is no number")
    return int(value)


def _time(text: Any) -> tuple[int, int]:
    """(seconds, nanos) of an RFC 3339 time."""
    if type(text) is not str:
        raise TypeError("a time is not a string")
    second, fraction = text[:19], ""
    zone = text[19:]
    if zone.startswith("."):
        digits = len(zone) - len(zone[1:].lstrip("0123456789"))
        fraction, zone = zone[1:digits], zone[digits:]
    moment = datetime.fromisoformat(second + ("+00:00" if zone in ("Z", "z") else zone))
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return seconds, int(fraction[:9].ljust(9, "0"))
