"""Our own column frames: a batch as one run of bytes, for the CLI, the relay and the UI.

All numbers little-endian. A frame is

    "RUBINCOL"  u32 version  u32 rows  u32 columns  u32 tables  u32 losses  u32 bytes of the frame
    per column  u8 length of name, name, u8 length of dtype, dtype as numpy writes it, u32 offset of its values
    per table   u8 length of name, name, u32 rows, u32 bytes, and in these the rows from row 1 on: u32 bytes of each,
                then each as JSON; of messages see `messagerows`
    per loss    u32 bytes of JSON, JSON: a list of the fields of `Lost`
    values      each column at its offset, a multiple of 8, rows * width bytes

Only the table rows that a flow points to travel, numbered anew. Columns that hold only their missing
value are left out. A reader passes over columns that it does not know, and reads the missing value in
those that are not there; it refuses another version.
"""

import json
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from rubin.errors import RubinError
from rubin.model.batch import FlowBatch, Lost
from rubin.model.columns import COLUMNS, DTYPES
from rubin.model.enums import LostSource
from rubin.model.tables import Tables
from rubin.wire import messagerows
from rubin.wire.tablerows import from_lists, to_list

MAGIC = b"RUBINCOL"
VERSION = 5
MAX_ROWS = 1 << 20
_HEAD = struct.Struct("<8s6I")
_U32 = struct.Struct("<I")
_SENSELESS = (ValueError, TypeError, LookupError, OverflowError, RecursionError, struct.error, DecodeError)
_NOTHING = np.zeros(1, np.uint32)
_MOST_MADE = 100_000
_TABLES = ("strings", "endpoints", "processes", "links", "contents", "messages")
_made: dict[str, dict[bytes, Any]] = {name: {} for name in _TABLES}
"""Rows by how they are written: streams send the same ones again and again."""
_codes: WeakKeyDictionary[Tables, dict[str, dict[bytes, int]]] = WeakKeyDictionary()
"""The codes that they have in tables which many frames are read into."""


def encode(batch: FlowBatch) -> bytes:
    """The frame of a batch of at most `MAX_ROWS` rows, losses included."""
    columns = {name: batch[name] for name in batch.names() if (batch[name] != COLUMNS[name].missing).any()}
    tables: list[bytes] = []
    for table in _TABLES:
        names = [name for name in columns if COLUMNS[name].table == table]
        if names:
            rows = _renumber(columns, names)
            body = _table(batch.tables, table, rows)
            tables.append(_short(table) + _U32.pack(len(rows)) + _U32.pack(len(body)) + body)
    losses = b"".join(_U32.pack(len(body)) + body for body in map(_json, map(_lost_list, batch.lost)))
    return _assemble(len(batch), columns, tables, losses, len(batch.lost))


def _renumber(columns: dict[str, npt.NDArray[Any]], names: list[str]) -> npt.NDArray[np.int64]:
    """The codes in use but 0, in order; in `columns` they are replaced by their places there, from 1 on."""
    highest = max(int(columns[name].max()) for name in names)
    used = np.zeros(highest + 1, bool)
    for name in names:
        used[columns[name]] = True
    used[0] = False
    rows = np.flatnonzero(used)
    place = np.zeros(highest + 1, np.uint32)
    place[rows] = np.arange(1, len(rows) + 1)
    for name in names:
        columns[name] = place[columns[name]]
    return rows


# Rows of tables never change, and streams send the same ones again and again.
_kept: WeakKeyDictionary[Tables, dict[str, dict[int, bytes]]] = WeakKeyDictionary()


def _table(tables: Tables, table: str, codes: npt.NDArray[np.int64]) -> bytes:
    if table == "messages":
        return messagerows.pack(tables.messages, codes)
    kept, rows = _kept.setdefault(tables, {}).setdefault(table, {}), tables[table]
    for code in codes.tolist():
        if code not in kept:
            kept[code] = _json(to_list(rows[code]))
    pieces = [kept[code] for code in codes.tolist()]
    return b"".join((np.fromiter(map(len, pieces), "<u4").tobytes(), *pieces))


def _assemble(rows: int, columns: dict[str, npt.NDArray[Any]], tables: list[bytes], losses: bytes, lost: int) -> bytes:
    names = [_short(name) + _short(DTYPES[name].str) for name in columns]
    text = b"".join(tables) + losses
    at = _HEAD.size + sum(len(name) + 4 for name in names) + len(text)
    directory, values = b"", []
    for name, array in zip(names, columns.values(), strict=True):
        pad = -at % 8
        raw = np.ascontiguousarray(array).tobytes()
        values += [b"\0" * pad, raw]
        directory += name + _U32.pack(at + pad)
        at += pad + len(raw)
    head = _HEAD.pack(MAGIC, VERSION, rows, len(columns), len(tables), lost, at)
    return b"".join([head, directory, text, *values])


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def _lost_list(lost: Lost) -> list[Any]:
    numbers = [int(lost.source), lost.events, lost.time_ns, lost.first_ns, lost.last_ns, lost.cpu]
    return [*numbers, lost.node_name, lost.place]


def decode(frame: bytes, tables: Tables | None = None) -> FlowBatch:
    """The batch of a frame, pointing into `tables`, which get what they lack, or into new ones; columns of numbers are
    read-only views of the frame.

    Raises RubinError for whatever is not a whole and sound frame of this version. Takes memory in
    proportion to the bytes that are really there.
    """
    try:
        return _Reader(frame, tables).batch()
    except _SENSELESS as error:
        way_on = "the same version of rubin on both sides"
        raise RubinError(f"a column frame makes no sense: {error}", way_on) from error


def _rows(table: str, pieces: list[bytes]) -> list[Any]:
    """What is written there."""
    lists = json.loads(b"[%b]" % b",".join(pieces))
    if len(lists) != len(pieces):
        raise ValueError(f"table {table!r} has not its {len(pieces)} rows")
    return list(from_lists(table, lists))


def _rows_of(table: str, pieces: list[bytes]) -> list[Any]:
    """The same; rows that come again are made once."""
    known = _made[table]
    new = list({piece: None for piece in pieces if piece not in known})
    made = dict(zip(new, _rows(table, new), strict=True))
    found = [made[piece] if piece in made else known[piece] for piece in pieces]
    if len(known) + len(new) > _MOST_MADE:
        known.clear()
    known.update(made)
    return found


def _codes_of(tables: Tables, table: str, pieces: list[bytes]) -> npt.NDArray[np.uint32]:
    """The codes of the rows in tables that have rows already."""
    known = _codes.setdefault(tables, {}).setdefault(table, {})
    new = list({piece: None for piece in pieces if piece not in known})
    of: Any = tables[table]  # of the kind of row that `from_lists` gives
    known.update(zip(new, of.codes(_rows(table, new)).tolist(), strict=True))
    return np.fromiter(map(known.__getitem__, pieces), np.uint32, len(pieces))


class _Reader:
    def __init__(self, frame: bytes, tables: Tables | None) -> None:
        self._tables, self._is_shared = tables or Tables(), tables is not None
        self._frame = memoryview(frame).cast("B")
        magic, version, self._rows, *self._counts, length = _HEAD.unpack_from(self._frame)
        if magic != MAGIC:
            raise ValueError("it does not begin like one")
        if version != VERSION:
            raise ValueError(f"version {version} is not {VERSION}")
        if length != len(self._frame):
            raise ValueError(f"{len(self._frame)} of {length} bytes are there")
        if self._rows > MAX_ROWS:
            raise ValueError(f"{self._rows} rows are too many")
        self._at = _HEAD.size

    def batch(self) -> FlowBatch:
        column_count, table_count, lost_count = self._counts
        directory = [(self._text(), self._text(), self._number()) for _ in self._times(column_count, 6)]
        rows = dict[str, npt.NDArray[np.uint32]]()
        for _ in self._times(table_count, 9):
            name = self._text()
            if name not in _TABLES or name in rows:
                raise ValueError(f"table {name!r} is not known, or there twice")
            rows[name] = self._table(name)
        lost = tuple(self._lost() for _ in self._times(lost_count, 4))
        columns = {name: self._values(*entry) for entry in directory if (name := entry[0]) in COLUMNS}
        for name in columns:
            if (table := COLUMNS[name].table) in _TABLES:
                columns[name] = rows.get(table, _NOTHING)[columns[name]]  # IndexError: beyond its table
        if self._rows and not columns:
            columns["verdict"] = np.zeros(self._rows, np.uint8)  # a row of which nothing is known is still a row
        return FlowBatch(columns, self._tables, lost)

    def _times(self, count: int, least: int) -> Iterator[int]:
        """`range(count)`, refused where not even the shortest entries would fit."""
        if count * least > len(self._frame) - self._at:
            raise ValueError("it is cut")
        return iter(range(count))

    def _take(self, length: int) -> memoryview:
        piece = self._frame[self._at : self._at + length]
        if len(piece) < length:
            raise ValueError("it is cut")
        self._at += length
        return piece

    def _number(self) -> int:
        return int.from_bytes(self._take(4), "little")

    def _text(self) -> str:
        return str(self._take(self._take(1)[0]), "utf-8")

    def _table(self, name: str) -> npt.NDArray[np.uint32]:
        count = self._number()
        body = self._take(self._number())
        if name == "messages":
            return np.concatenate([_NOTHING, messagerows.unpack(self._tables.messages, body, count)])
        if 4 * count > len(body):
            raise ValueError("it is cut")
        ends = 4 * count + np.cumsum(np.frombuffer(body, "<u4", count), dtype=np.int64)
        if count and ends[-1] != len(body):
            raise ValueError(f"table {name!r} has not its {count} rows")
        text, marks = bytes(body), [4 * count, *ends.tolist()]
        pieces = [text[start:end] for start, end in pairwise(marks)]
        if self._is_shared:
            return np.concatenate([_NOTHING, _codes_of(self._tables, name, pieces)])
        of: Any = self._tables[name]
        of.begin(_rows_of(name, pieces))
        return np.arange(count + 1, dtype=np.uint32)

    def _lost(self) -> Lost:
        source, events, time_ns, first_ns, last_ns, cpu, node, place = json.loads(bytes(self._take(self._number())))
        numbers = (events, time_ns, first_ns, last_ns, cpu)
        if not all(type(number) is int for number in numbers) or type(node) is not str or type(place) is not str:
            raise ValueError("a loss")
        return Lost(LostSource(source), events, time_ns, first_ns, last_ns, cpu, node, place)

    def _values(self, name: str, dtype: str, offset: int) -> npt.NDArray[Any]:
        if dtype != DTYPES[name].str:
            raise ValueError(f"{name} is {dtype}, not {DTYPES[name].str}")
        if offset % 8 or offset < self._at or offset + self._rows * DTYPES[name].itemsize > len(self._frame):
            raise ValueError(f"{name} lies outside of it")
        return np.frombuffer(self._frame, DTYPES[name], self._rows, offset)
