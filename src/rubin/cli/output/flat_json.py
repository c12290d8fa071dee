"""`-o columns`: a JSON object a flow, its columns by their own names.

Made from `model.columns.COLUMNS` as it is at the time, so that a new column appears by itself. Its name says what it
is: `x_high` and `x_low` are the one value `x`; a meaning that begins with `enums.X` or has it in brackets is that
enumeration's; a `table` is where its rows are. ASCII alone: no name in it can play with a terminal.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from enum import IntEnum, IntFlag
from json import dumps
from typing import Any
from uuid import UUID

from rubin.cli.output.flows import in_order
from rubin.model import addresses, enums
from rubin.model.batch import FlowBatch, Lost
from rubin.model.columns import COLUMNS, Column
from rubin.words.distinct import message_texts, texts

_ENUMERATION = re.compile(r"(?:^|\()enums\.(\w+)")


class Columns:
    """A line a flow. What is not known is left out; so is what is as good as that: the column's missing value."""

    def text(self, batch: FlowBatch) -> str:
        """Lines."""
        return "".join(f"{line}\n" for line in in_order(batch, _objects(batch), _lost))

    def end(self) -> str:
        """Nothing."""
        return ""


def _objects(batch: FlowBatch) -> Iterator[str]:
    columns = [members for name in COLUMNS for members in _members(batch, name)]
    return ("{" + ",".join(filter(None, row)) + "}" for row in zip(*columns, strict=True))


def _lost(lost: Lost) -> str:
    return _json({"lost": plain(lost)})


def _members(batch: FlowBatch, name: str) -> Iterator[list[str]]:
    """`"name":value` for each row, "" where it is missing; nothing for the second half of a pair."""
    stem, _, half = name.rpartition("_")
    if half == "high" and f"{stem}_low" in COLUMNS:
        yield _pair(batch, stem)
    elif not (half == "low" and f"{stem}_high" in COLUMNS):
        column = COLUMNS[name]
        if column.table == "messages":
            yield message_texts(batch, lambda message: _member(name, plain(message)))
            return
        value = _value(batch, column)
        yield texts(batch[name], lambda number: "" if number == column.missing else _member(name, value(number)))


def _value(batch: FlowBatch, column: Column) -> Callable[[int], Any]:
    """What makes the column's numbers into what JSON has."""
    if column.table:
        table = batch.tables[column.table]
        return lambda code: plain(table[code])
    found = _ENUMERATION.search(column.meaning)
    if found is None:
        return lambda number: number
    kind: type[IntEnum | IntFlag] = getattr(enums, found[1])
    return flags(kind) if issubclass(kind, IntFlag) else lambda number: _name(kind, number)


def _name(kind: type[IntEnum | IntFlag], number: int) -> str | int:
    """The name; the number itself where a newer server knows more than we do."""
    return str(kind(number).name) if number in kind._value2member_map_ else number


def flags(kind: type[IntFlag]) -> Callable[[int], list[str | int]]:
    """What makes a number into the names of its bits, the bits without a name as a number at the end."""
    known = [(str(flag.name), int(flag)) for flag in kind]

    def names(number: int) -> list[str | int]:
        rest = number & ~sum(bit for _, bit in known)
        return [name for name, bit in known if number & bit] + ([rest] if rest else [])

    return names


def _pair(batch: FlowBatch, stem: str) -> list[str]:
    """The UUID, or an address where there is an IP header."""
    pairs = zip(batch[f"{stem}_high"].tolist(), batch[f"{stem}_low"].tolist(), strict=True)
    if stem == "uuid":
        return [_member(stem, str(UUID(int=high << 64 | low))) if high or low else "" for high, low in pairs]
    there = batch["ip_version"].tolist()
    return [_member(stem, addresses.text(*pair)) if known else "" for pair, known in zip(pairs, there, strict=True)]


def plain(value: Any) -> Any:
    """A row of a table as JSON has it: its fields by name without those that have their default, bytes as base64."""
    if isinstance(value, IntEnum):
        return value.name
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    if not is_dataclass(value):
        return value
    members = ((each.name, getattr(value, each.name), each.default) for each in fields(value))
    return {name: plain(member) for name, member, default in members if default is MISSING or member != default}


def _member(name: str, value: Any) -> str:
    return f"{_json(name)}:{_json(value)}"


def _json(value: Any) -> str:
    return dumps(value, separators=(",", ":"))
