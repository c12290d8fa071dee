"""Rows of the table of messages in a column frame, as they are: numbers and codes, and beside them what is named.

    u32 bytes of JSON, JSON: {"protocols": the names by their numbers, "texts", "attributes", "dns": rows from row 1 on}
    rows of dtype `model.messages.ROW`

There are hundreds of thousands a second: none becomes an object on its way.
"""

import json
import struct
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from rubin.model.messages import NUMBERS, PROTOCOLS, ROW, TEXTS, Messages, MessageType
from rubin.wire.tablerows import attributes, dns, text, to_list

Array = npt.NDArray[Any]
Codes = npt.NDArray[np.uint32]
T = TypeVar("T")

_U32 = struct.Struct("<I")
_DNS = NUMBERS["dns"]


def pack(messages: Messages, codes: npt.NDArray[np.integer]) -> bytes:
    """These rows, and what they name numbered anew."""
    rows = messages.rows(codes)
    head = {
        "protocols": PROTOCOLS,
        "texts": messages.texts.read(_renumber(rows, *TEXTS)),
        "attributes": messages.attributes.read(_renumber(rows, "attributes")),
        "dns": list(map(to_list, messages.dns.read(_renumber(rows, "dns")))),
    }
    written = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
    return _U32.pack(len(written)) + written + rows.tobytes()


def _renumber(rows: Array, *names: str) -> Codes:
    """The codes in use but 0, in order; in the rows they are replaced by their places there, from 1 on."""
    used = np.unique(np.concatenate([_NOTHING, *(rows[name] for name in names)]))
    for name in names:
        rows[name] = np.searchsorted(used, rows[name])
    return used[1:]


def unpack(messages: Messages, body: memoryview, count: int) -> Codes:
    """(count,) the codes of the rows, which are now in this table; 0 for those that say nothing. Raises ValueError,
    TypeError or LookupError where they make no sense.
    """
    begins = _U32.size + _U32.unpack_from(body)[0]
    head = json.loads(bytes(body[_U32.size : begins]))
    if len(body) - begins != count * ROW.itemsize:
        raise ValueError(f"table 'messages' has not its {count} rows")
    rows = np.frombuffer(body, ROW, count, begins).copy()
    if count and (rows["type"].max() >= len(MessageType) or max(rows["failed"].max(), rows["secured"].max()) > 1):
        raise ValueError("a message")
    known = [NUMBERS.get(text(name), 0) for name in _listed(head["protocols"])]  # a newer server knows more
    rows["protocol"] = np.array(known, np.uint8)[rows["protocol"]]
    texts = np.concatenate([_NOTHING, messages.texts.codes_of(_each(text, head["texts"]))])
    for name in TEXTS:
        rows[name] = texts[rows[name]]
    for name, codes in (
        ("attributes", messages.attributes.codes(_each(attributes, head["attributes"]))),
        ("dns", messages.dns.codes(_each(dns, head["dns"]))),
    ):
        rows[name] = np.concatenate([_NOTHING, codes])[rows[name]]
    if (rows["dns"][rows["protocol"] != _DNS] != 0).any():
        raise ValueError("an answer of the DNS in another protocol")
    says = np.frombuffer(rows.tobytes(), np.uint8).reshape(count, -1).any(axis=1)
    codes = np.zeros(count, np.uint32)
    codes[says] = messages.append(rows[says])
    return codes


def _each(read: Callable[[Any], T], values: Any) -> list[T]:
    return list(map(read, _listed(values)))


def _listed(values: Any) -> list[Any]:
    if type(values) is not list:
        raise TypeError("a list")
    return values


_NOTHING: Codes = np.zeros(1, np.uint32)
