"""Header fields of HTTP/1 requests (RFC 9112, section 5) as others may see them, of many heads at once.

Clients say the same again and again: a head is read once and known from then on. Where every head is another one, only
so many of a second are read, and of the rest no headers are told.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import repeat

import numpy as np

from rubin.dissect.protocols.headers import kept
from rubin.dissect.redaction import REDACTION, Redaction
from rubin.dissect.segments import I64, U8
from rubin.model.messages import Codes, Messages

MOST_NEW = 500
"""Heads that are read in a second."""
MOST_KNOWN = 16_384
MOST_BYTES = 4096
"""Of a head."""

_SECOND_NS = 1_000_000_000
_BLANKS = b" \t"
_NAME = re.compile(rb"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*")  # RFC 9110, 5.6.2: token


class Headers:
    """What is known of heads, for one thread. `unread` counts those whose headers are not told.

    Heads are known by Python's hash of their bytes, 64 bits keyed anew at each start: the bytes hold secrets.
    """

    def __init__(self, redaction: Redaction = REDACTION) -> None:
        self.unread = 0
        self._redaction = redaction
        self._codes: dict[int, int] = {}
        self._messages: Messages | None = None
        self._second, self._left = -1, 0

    def codes(self, data: U8, start: I64, size: I64, time_ns: I64, messages: Messages) -> Codes:
        """(n,) codes of `messages.attributes`; 0: there are no headers, or they are not told.

        A head's fields begin where its first line ends, with what ends the line, at `start` in `data`; `size` bytes go
        up to the end of the head, or as far as they are there.
        """
        if self._messages is not messages:
            self._messages, self._codes = messages, {}
        found = np.zeros(len(start), np.uint32)
        if not len(start):
            return found
        end = start + np.clip(size, 0, MOST_BYTES)
        first, last = (int(time) // _SECOND_NS for time in (time_ns.min(), time_ns.max()))
        if first == last:
            return self._in_second(first, data, start, end, messages)
        seconds = time_ns // _SECOND_NS
        for second in np.unique(seconds).tolist():
            rows = np.flatnonzero(seconds == second)
            found[rows] = self._in_second(second, data, start[rows], end[rows], messages)
        return found

    def _in_second(self, second: int, data: U8, start: I64, end: I64, messages: Messages) -> Codes:
        if second != self._second:
            self._second, self._left = second, MOST_NEW
        if not self._left:
            self.unread += len(start)
            return np.zeros(len(start), np.uint32)
        view, known = data.data, self._codes
        keys = [hash(view[a:b].tobytes()) for a, b in zip(start.tolist(), end.tolist(), strict=True)]
        found = np.fromiter(map(known.get, keys, repeat(-1)), np.int64, len(keys))
        for row in np.flatnonzero(found < 0).tolist():
            code = known.get(keys[row])  # the same may have come before in this batch
            if code is None and self._left:
                code = self._read(keys[row], view[start[row] : end[row]].tobytes(), messages)
            self.unread += code is None
            found[row] = code or 0
        return found.astype(np.uint32)

    def _read(self, key: int, block: bytes, messages: Messages) -> int:
        """The code of a head that is not known, one of those that may be read in this second."""
        self._left -= 1
        if len(self._codes) >= MOST_KNOWN:
            self._codes.clear()
        code = self._codes[key] = messages.attributes.code(kept(fields(block), self._redaction))
        return code


def fields(block: bytes) -> Iterator[tuple[str, str]]:
    """Names and values of the fields behind a first line, up to a blank line, or the last line that is whole.

    A line that begins with a blank goes on with the one before it (obs-fold, section 5.2); what is no field is passed
    over.
    """
    name, value = "", b""
    for line in block.split(b"\n")[1:-1]:
        line = line.removesuffix(b"\r")
        if not line:
            break
        if line[0] in _BLANKS:
            value += b" " + line.strip(_BLANKS)
            continue
        if name:
            yield name, value.decode(errors="replace")
        before, colon, value = line.partition(b":")
        name, value = _name(before) if colon else "", value.strip(_BLANKS)
    if name:
        yield name, value.decode(errors="replace")


@lru_cache(1024)
def _name(text: bytes) -> str:
    """The name of a field, with the blanks that may stand around it; "": it is none."""
    found = _NAME.fullmatch(text)
    return found[1].decode() if found else ""
