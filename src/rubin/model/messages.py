"""What was said above layer 4: a row a message, or an exchange of two, in columns.

Most rows are different from all others, and there may be hundreds of thousands a second: so they are no Python
objects, as the rows of other tables are, but numbers, and codes of texts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from rubin.model.enums import LAYER_7
from rubin.model.table import Table
from rubin.model.texts import Texts
from rubin.model.whole import whole

Array = npt.NDArray[Any]
Codes = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]
Attributes = tuple[tuple[str, str], ...]
_Row = TypeVar("_Row")


class MessageType(IntEnum):
    """Hubble's `L7FlowType`, and our own exchange."""

    UNKNOWN = 0
    REQUEST = 1
    RESPONSE = 2
    SAMPLE = 3
    EXCHANGE = 4
    """Both: a response in a flow that goes against the opener of the connection, a request in any other."""


PROTOCOLS = ("", *LAYER_7)
"""By the number in the column `protocol`."""
NUMBERS = {name: number for number, name in enumerate(PROTOCOLS)}
HTTP = tuple(NUMBERS[name] for name in ("http", "grpc"))
"""Those that are HTTP to Hubble."""

ROW = np.dtype(
    [
        ("latency_ns", "<u8"),  # from the first byte asked to the first byte answered; 0: not known
        ("request_bytes", "<u4"),  # of the whole message; 0xffffffff: that many or more; 0: not known
        ("response_bytes", "<u4"),
        ("status", "<i4"),  # the protocol's own number, of gRPC HTTP's; 0: none
        ("protocol", "u1"),
        ("type", "u1"),  # MessageType
        ("failed", "u1"),  # 1: the answer is an error in the protocol's own sense
        ("secured", "u1"),  # 1: it was handed to TLS, or came out of it
        ("method", "<u4"),  # codes of `texts`, as those that follow
        ("authority", "<u4"),
        ("target", "<u4"),
        ("version", "<u4"),
        ("error", "<u4"),
        ("trace_id", "<u4"),
        ("attributes", "<u4"),  # code of `attributes`
        ("dns", "<u4"),  # code of `dns`
    ]
)
TEXTS = ("method", "authority", "target", "version", "error", "trace_id")
_NUMBERS = ("latency_ns", "request_bytes", "response_bytes", "status", "protocol", "type", "failed", "secured")
_OF_ANSWER = ("latency_ns", "response_bytes", "status", "failed", "error")
_TYPES = tuple(MessageType)
_MOST_BYTES = 0xFFFFFFFF
_CHUNK_BITS = 13
_CHUNK = 1 << _CHUNK_BITS
_OBJECT_BYTES = 1 << 10  # about what a row of `attributes` or `dns` takes, with its texts and its place in the table


@dataclass(frozen=True, slots=True)
class DNS:
    """One question or answer."""

    query: str = ""
    ips: tuple[str, ...] = ()
    ttl: int = 0
    cnames: tuple[str, ...] = ()
    observation_source: str = ""
    rcode: int = 0
    qtypes: tuple[str, ...] = ()
    rrtypes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One row. What each field means to a protocol stands at its dissector.

    `target` is what is asked for: a path, a query, a topic; with an `authority` (HTTP's host) the two make a URL.
    `attributes` are the protocol's own, of HTTP the headers. `dns` is there where the protocol is "dns". Of gRPC
    `status` is HTTP's and `error` the name of its own. `secured`: it was read where it is handed to TLS.
    """

    type: int = 0
    protocol: str = ""
    method: str = ""
    authority: str = ""
    target: str = ""
    version: str = ""
    status: int = 0
    failed: bool = False
    error: str = ""
    latency_ns: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    trace_id: str = ""
    attributes: Attributes = ()
    dns: DNS | None = None
    secured: bool = False

    @property
    def url(self) -> str:
        """As Hubble has it in `http.url`: whole where the host is known, else what was asked for."""
        return url(self.authority, self.target, self.secured)


class Messages:
    """The table of them; row 0 is "nothing". One thread adds, any thread reads the rows that it has been given.

    Two that say the same are two rows.
    """

    FULL_ROWS = 1_000_000
    FULL_BYTES = 64 << 20

    def __init__(self) -> None:
        self.texts = Texts()
        self.attributes: Table[Attributes] = Table(())
        self.dns: Table[DNS] = Table(DNS())
        self._chunks: list[Array] = [np.zeros(1, ROW)]
        self._count = 1

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, code: int) -> Message:
        """Raises IndexError."""
        if not 0 <= code < self._count:
            raise IndexError(f"no message {code}")
        return self.read(np.array([code]))[0]

    def read(self, codes: npt.NDArray[np.integer], is_reply: Array | None = None) -> list[Message]:
        """The rows as objects, for few, at the edge; as flows of these directions show them, where they are given."""
        rows = self.rows(codes)
        asked = np.zeros(len(rows), np.bool_)
        if is_reply is not None:
            asked = show(rows, is_reply)
        columns: list[list[Any]] = [self.texts.read(rows[name]) for name in TEXTS]
        columns += [rows[name].tolist() for name in (*_NUMBERS, "attributes", "dns")]
        return [self._message(*row) for row in zip(*columns, asked.tolist(), strict=True)]

    def _message(
        self, method: str, authority: str, target: str, version: str, error: str, trace_id: str, latency_ns: int,
        request_bytes: int, response_bytes: int, status: int, protocol: int, kind: int, failed: int, secured: int,
        attributes: int, dns: int, asked: bool,
    ) -> Message:  # fmt: skip
        name, told = PROTOCOLS[protocol], None
        if name == "dns":
            told = self.dns[dns] if dns else DNS(query=target)
            told = replace(told, ips=(), ttl=0, cnames=(), rcode=0, rrtypes=()) if asked else told
        return Message(
            _TYPES[kind], name, method, authority, target, version, status, bool(failed), error, latency_ns,
            request_bytes, response_bytes, trace_id, self.attributes[attributes], told, bool(secured),
        )  # fmt: skip

    def code(self, row: Message) -> int:
        """A new row; the code of row 0 for one that says nothing. Raises KeyError for a protocol that has no number."""
        return int(self.codes([row])[0])

    def codes(self, rows: Iterable[Message]) -> Codes:
        """(n,) as `code`, of each."""
        told = list(rows)
        new = [row for row in told if row != _NOTHING]
        columns: dict[str, Any] = {name: self.texts.codes_of(getattr(row, name) for row in new) for name in TEXTS}
        columns |= {
            name: [getattr(row, name) for row in new] for name in ("type", "failed", "secured", "latency_ns", "status")
        }
        for name in ("request_bytes", "response_bytes"):
            columns[name] = [min(getattr(row, name), _MOST_BYTES) for row in new]
        columns["protocol"] = [NUMBERS[row.protocol] for row in new]
        columns["attributes"] = [self.attributes.code(row.attributes) for row in new]
        columns["dns"] = [0 if row.dns is None else self.dns.code(row.dns) for row in new]
        codes = np.zeros(len(told), np.uint32)
        codes[[row != _NOTHING for row in told]] = self.extend(len(new), columns)
        return codes

    def extend(self, count: int, columns: Mapping[str, Any]) -> Codes:
        """(count,) the codes of new rows out of columns by the names in `ROW`; those left out are 0."""
        made = np.zeros(count, ROW)
        for name, column in columns.items():
            made[name] = column
        return self.append(made)

    def append(self, rows: Array) -> Codes:
        """(n,) the codes of new rows of dtype `ROW`."""
        codes = np.arange(self._count, self._count + len(rows), dtype=np.uint32)
        done = 0
        while done < len(rows):
            at = self._count & (_CHUNK - 1)
            if self._count == 1:
                self._chunks[0] = np.zeros(_CHUNK, ROW)  # most tables never have a message
            if not at:
                self._chunks.append(np.zeros(_CHUNK, ROW))
            part = rows[done : done + _CHUNK - at]
            whole(self._chunks[-1])[at : at + len(part)] = whole(part)
            self._count += len(part)
            done += len(part)
        return codes

    def rows(self, codes: npt.NDArray[np.integer]) -> Array:
        """(n,) of dtype `ROW`: the rows, copied."""
        chunk = codes >> _CHUNK_BITS
        first, last = (int(chunk.min()), int(chunk.max())) if len(chunk) else (0, 0)
        if first == last:
            one: Array = whole(self._chunks[first])[codes & (_CHUNK - 1)].view(ROW)
            return one
        found = np.zeros(len(codes), ROW)
        for number in range(first, last + 1):
            here = np.flatnonzero(chunk == number)
            whole(found)[here] = whole(self._chunks[number])[codes[here] & (_CHUNK - 1)]
        return found

    def column(self, name: str, codes: npt.NDArray[np.integer]) -> Array:
        """(n,) one column of the rows, copied: cheaper than all of them."""
        chunk = codes >> _CHUNK_BITS
        first, last = (int(chunk.min()), int(chunk.max())) if len(chunk) else (0, 0)
        found: Array = self._chunks[first][name][codes & (_CHUNK - 1)]
        for number in range(first + 1, last + 1):
            here = np.flatnonzero(chunk == number)
            found[here] = self._chunks[number][name][codes[here] & (_CHUNK - 1)]
        return found

    def moved(self, rows: Array, source: "Messages") -> Array:
        """Rows of another table, their codes now those of this one's texts, attributes and DNS."""
        moved = rows.copy()
        for name in TEXTS:
            codes, where = np.unique(rows[name], return_inverse=True)
            moved[name] = self.texts.codes_of(source.texts[code] for code in codes.tolist())[where]
        moved["attributes"] = _moved(rows["attributes"], source.attributes, self.attributes)
        moved["dns"] = _moved(rows["dns"], source.dns, self.dns)
        return moved

    @property
    def full(self) -> bool:
        """True when it is time to go on with a new table."""
        return self._count > self.FULL_ROWS or self.memory_bytes > self.FULL_BYTES

    @property
    def memory_bytes(self) -> int:
        """Of rows, texts, and, estimated, attributes and DNS."""
        rows = sum(chunk.nbytes for chunk in self._chunks)
        return rows + self.texts.memory_bytes + _OBJECT_BYTES * (len(self.attributes) + len(self.dns) - 2)


_NOTHING = Message()


def request(method: str, target: str) -> str:
    """`GET /pay`; a statement of SQL says its method itself."""
    return target if target.upper().startswith(f"{method} ") else f"{method} {target}".strip()


def url(authority: str, target: str, secured: bool = False) -> str:
    """What was asked for, with the host where it is known."""
    return f"http{'s' if secured else ''}://{authority}{target}" if authority else target


def _moved(codes: Codes, source: Table[_Row], target: Table[_Row]) -> Codes:
    found, where = np.unique(codes, return_inverse=True)
    return target.codes(source.read(found))[where]


def show(rows: Array, is_reply: Array) -> Mask:
    """Turn rows, in place, into what flows of these directions show: of an exchange the response, or the request as
    it was asked. (n,) bool: which are such requests; what their `dns` answers is still there.
    """
    asked = asks(rows, is_reply)
    rows["type"][rows["type"] == MessageType.EXCHANGE] = MessageType.RESPONSE
    if asked.any():
        rows["type"][asked] = MessageType.REQUEST
        for name in _OF_ANSWER:
            rows[name][asked] = 0
    return asked


def asks(rows: Array, is_reply: Array) -> Mask:
    """(n,) bool: which of these rows of messages, in flows of these directions, show an exchange's request."""
    found: Mask = (rows["type"] == MessageType.EXCHANGE) & (is_reply != 1)
    return found
