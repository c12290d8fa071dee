"""What the browser is sent: binary frames of columns, made once for all tabs that look at the same.

Little endian: a header of 32 bytes ("RU01", u8 type, u8 flags, u16 subscription, u32 sequence, u32 bytes of the head,
f64 time in ms, 8 bytes reserved), the head as JSON, zeros up to a multiple of 8, then the columns, each from a multiple
of 8 on, in the order of the head. Texts are numbers of a dictionary that all tabs share; each is told what it lacks.
"""

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.words.text import clean

Array = npt.NDArray[Any]
U32 = npt.NDArray[np.uint32]
Head = dict[str, Any]

_HEADER = struct.Struct("<4sBBHIIdII")
_MAGIC = b"RU01"
_SNAPSHOT = 1
_MOST_TEXTS = 100_000
_MOST_LETTERS = 1_000  # of one text; nothing that is longer is read on a screen
_DTYPES = {"u1": "<u1", "u2": "<u2", "u4": "<u4", "i4": "<i4", "f4": "<f4", "f8": "<f8"}


class Type(IntEnum):
    """Of a frame."""

    MAP = 1
    FLOWS = 2
    SERIES = 3
    STATS = 4
    GAP = 5
    BYE = 6
    ERROR = 7


class Texts:
    """Some texts and their numbers, which are used for nothing else ever after. Any thread may ask for one."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {"": 0}
        self._adding = Lock()

    def number(self, text: str) -> int:
        """Of a text, without what could disturb a terminal or a line; "" is 0."""
        number = self._numbers.get(text)
        return self._add(text) if number is None else number

    def _add(self, text: str) -> int:
        shown = text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"
        with self._adding:
            number = self._numbers.get(text)
            if number is None:
                number = self.first + len(self.texts)
                self.texts.append(clean(shown.encode(errors="replace").decode()))
                self._numbers[text] = number
        return number


class Dictionary:
    """The texts of a server: when they become too many others begin, with numbers of their own."""

    def __init__(self) -> None:
        self._now = Texts(1)

    def texts(self) -> Texts:
        """To be used for one frame."""
        if len(self._now.texts) > _MOST_TEXTS:
            self._now = Texts(self._now.first + len(self._now.texts))
        return self._now


class Known:
    """Which texts a tab has been told."""

    def __init__(self) -> None:
        self._of: Texts | None = None
        self._told = np.zeros(0, np.bool_)

    def lacking(self, body: "Body") -> list[tuple[int, str]]:
        """Those of a frame that it lacks; from now on it has them."""
        texts = body.texts
        if texts is not self._of:
            self._of, self._told = texts, np.zeros(1024, np.bool_)
        if len(texts.texts) > len(self._told):
            self._told = np.pad(self._told, (0, 2 * len(texts.texts) - len(self._told)))
        at = body.used - texts.first
        new = at[~self._told[at]]
        self._told[new] = True
        return [(texts.first + number, texts.texts[number]) for number in new.tolist()]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of one length: name to (kind as in the head, values)."""

    columns: Mapping[str, tuple[str, Array]]

    def __len__(self) -> int:
        return next((len(values) for _, values in self.columns.values()), 0)


@dataclass(slots=True)
class Body:
    """A frame but for what differs from tab to tab. `used`: the numbers of its texts, each once. `first`: of its rows
    those that a slow tab is not to miss, (0,) where no frame is joined with the next.
    """

    type: Type
    time_ms: float
    texts: Texts = field(default_factory=lambda: Texts(1))
    head: Head = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    is_snapshot: bool = False
    used: Array = field(default_factory=lambda: np.empty(0, np.int64))
    first: Array = field(default_factory=lambda: np.empty(0, np.bool_))
    _payload: bytes | None = None

    def payload(self) -> bytes:
        """The columns."""
        if self._payload is None:
            pieces = []
            for table in self.tables.values():
                for kind, values in table.columns.values():
                    raw = np.ascontiguousarray(values, _DTYPES[kind]).tobytes()
                    pieces += [raw, bytes(-len(raw) % 8)]
            self._payload = b"".join(pieces)
        return self._payload

    def columns(self) -> Head:
        """The tables as the head tells them."""
        return {
            name: {"n": len(table), "columns": [[column, kind] for column, (kind, _) in table.columns.items()]}
            for name, table in self.tables.items()
        }


def texts_used(columns: Iterable[Array]) -> Array:
    """The numbers in columns of texts, each once, without 0."""
    parts = [np.asarray(column, np.int64) for column in columns]
    found = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)
    return found[found > 0]


def frame(body: Body, sub: int, sequence: int, known: Known, more: Head | None = None) -> bytes:
    """The bytes for one tab; `more` of the head is for this one alone."""
    head: Head = dict(body.head)
    if body.tables:
        head["tables"] = body.columns()
    if strings := known.lacking(body):
        head["strings"] = strings
    head |= more or {}
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(errors="replace")
    flags = _SNAPSHOT if body.is_snapshot else 0
    header = _HEADER.pack(_MAGIC, body.type, flags, sub, sequence & 0xFFFFFFFF, len(text), body.time_ms, 0, 0)
    return b"".join((header, text, bytes(-len(text) % 8), body.payload()))


def decode(data: bytes) -> tuple[Head, dict[str, dict[str, Array]]]:
    """A frame as the browser reads it: its head, with "type", "snapshot", "sub", "seq" and "tick_ms", and the tables.

    Raises ValueError for what is no frame.
    """
    magic, kind, flags, sub, sequence, length, time_ms, _, _ = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise ValueError("no frame")
    at = _HEADER.size
    head: Head = json.loads(data[at : at + length])
    at += length + (-length % 8)
    tables: dict[str, dict[str, Array]] = {}
    for name, told in head.get("tables", {}).items():
        columns = tables[name] = {}
        for column, of in told["columns"]:
            values = np.frombuffer(data, _DTYPES[of], told["n"], at)
            columns[column] = values
            at += values.nbytes + (-values.nbytes % 8)
    about = {"type": kind, "snapshot": bool(flags & _SNAPSHOT), "sub": sub, "seq": sequence, "tick_ms": time_ms}
    return head | about, tables
