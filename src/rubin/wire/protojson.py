"""Messages as JSON, as Hubble's CLI prints them: protojson with proto names, then Go's HTML escapes.

Keys in the order of declaration, no spaces, 64-bit numbers as strings, enums by name, times in RFC 3339
with 0, 3, 6 or 9 digits of a second, wrapped numbers bare. What repeats is made once.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GO = re.compile("[<>&\u2028\u2029]")
_LONG = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}
_REAL = {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}
_REPEATING = {
    f"flow.{name}"
    for name in ("Endpoint", "IP", "Layer4", "CiliumEventType", "Emitter", "Ethernet", "NetworkInterface", "Service")
}
_KEPT = 50_000

_Writer = Callable[[Any], str]


def text(message: Message) -> str:
    """A message as one line of JSON."""
    return _writer(message.DESCRIPTOR)(message)


def quoted(value: str) -> str:
    """A JSON string as Go writes it."""
    return _GO.sub(lambda found: f"\\u{ord(found[0]):04x}", encode_basestring(value))


_writers: dict[str, _Writer] = {}


def _writer(descriptor: Any) -> _Writer:
    made = _writers.get(descriptor.full_name)
    if made is None:
        made = _SPECIAL.get(descriptor.full_name) or _MessageWriter(descriptor)
        _writers[descriptor.full_name] = made
    return made


class _MessageWriter:
    def __init__(self, descriptor: Any) -> None:
        self._fields: dict[int, tuple[int, str, _Writer]] = {}
        self._repeats = descriptor.full_name in _REPEATING
        self._kept: dict[bytes, str] = {}
        self._empty = [""] * len(descriptor.fields)

    def __call__(self, message: Message) -> str:
        if not self._repeats:
            return self._text(message)
        key = message.SerializeToString()
        made = self._kept.get(key)
        if made is None:
            if len(self._kept) > _KEPT:
                self._kept.clear()
            made = self._kept[key] = self._text(message)
        return made

    def _text(self, message: Message) -> str:
        places = self._empty.copy()
        for field, value in message.ListFields():
            found = self._fields.get(field.number)
            if found is None:
                found = self._fields[field.number] = field.index, f'"{field.name}":', _field_writer(field)
            index, name, write = found
            places[index] = name + write(value)
        return "{" + ",".join(filter(None, places)) + "}"


def _field_writer(field: FieldDescriptor) -> _Writer:
    one = _value_writer(field)
    return (lambda values: f"[{','.join(map(one, values))}]") if field.is_repeated else one


def _value_writer(field: Any) -> _Writer:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        return _writer(field.message_type)
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        names = {number: f'"{value.name}"' for number, value in field.enum_type.values_by_number.items()}
        return lambda value: names.get(value) or str(value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: f'"{b64encode(value).decode()}"'
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return quoted
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return lambda value: "true" if value else "false"
    if kind in _REAL:
        return _real
    return (lambda value: f'"{value}"') if kind in _LONG else str


def _real(value: float) -> str:
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e21 else repr(value)


def _time(value: Any) -> str:
    """RFC 3339; a time outside of the years 1 to 9999 is not one, and null."""
    return _rfc3339(value.seconds, value.nanos)


@lru_cache(64)  # a response says its flow's again
def _rfc3339(seconds: int, nanos: int) -> str:
    digits = f"{nanos:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    second = _second(seconds)
    return f'"{second}{"." if digits else ""}{digits}Z"' if second else "null"


@lru_cache(4096)
def _second(seconds: int) -> str:
    try:
        return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]
    except OverflowError:
        return ""


def _wrapped(value: Any) -> str:
    return _value_writer(value.DESCRIPTOR.fields_by_name["value"])(value.value)


def _any(value: Any) -> str:
    """What is inside is not known here: its type and its bytes."""
    return f'{{"@type":{quoted(value.type_url)},"value":"{b64encode(value.value).decode()}"}}'


_SPECIAL: dict[str, _Writer] = {
    "google.protobuf.Timestamp": _time,
    "google.protobuf.Any": _any,
    **{f"google.protobuf.{kind}Value": _wrapped for kind in ("Bool", "Int32", "UInt32", "Int64", "UInt64")},
}
