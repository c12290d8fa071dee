"""Where a request is in the ring: by the UUID of one of its flows, or by its distributed trace."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.errors import UsageError
from rubin.model.batch import FlowBatch
from rubin.model.exchanges import added, expanded
from rubin.store.ring import Ring

Mask = npt.NDArray[np.bool_]

_DIGITS = re.compile(r"[0-9a-f]{8,32}")
_HALF = 16  # digits of a column
_ID = ("time_ns", "uuid_high", "uuid_low", "is_reply", "message")


class Found(NamedTuple):
    """Rows as stored, each a batch of one, and how many flows are meant that are no request or answer."""

    rows: list[FlowBatch]
    packets: int = 0


class Digits:
    """Digits that a UUID begins or ends with, dashes or not. Raises UsageError where they are none, or too few.

    The UUIDs of an agent's flows begin alike and end in a number that counts up: few digits of the end say more.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip().lower().replace("-", "")
        if not _DIGITS.fullmatch(self.text):
            raise UsageError(f"'{text}' is no UUID", "the uuid that observe -o json shows, or at least 8 digits of it")

    def mask(self, batch: FlowBatch) -> Mask:
        """(n,) bool: whose UUID they are."""
        high, low, text = batch["uuid_high"], batch["uuid_low"], self.text
        if len(text) == 2 * _HALF:  # nearly always, and told by one look at most rows
            whole: Mask = (low == np.uint64(int(text[_HALF:], 16))) & (int(text, 16) > 0)
            whole &= high == np.uint64(int(text[:_HALF], 16))
            return whole
        first, last = text[:_HALF], text[-_HALF:]
        begins = high >> np.uint64(4 * (_HALF - len(first))) == np.uint64(int(first, 16))
        ends = low & np.uint64((1 << 4 * len(last)) - 1) == np.uint64(int(last, 16))
        if more := len(text) - _HALF if len(text) > _HALF else 0:
            begins &= low >> np.uint64(4 * (_HALF - more)) == np.uint64(int(text[_HALF:], 16))
            ends &= high & np.uint64((1 << 4 * more) - 1) == np.uint64(int(text[:-_HALF], 16))
        found: Mask = (begins | ends) & ((high != 0) | (low != 0))
        return found


def by_uuid(ring: Ring, text: str) -> Found:
    """The one request or answer that is meant. Raises UsageError, also where there are several."""
    digits, found, several, packets = Digits(text), [], 0, 0
    for view in ring.scan(as_stored=True):
        packets += int((digits.mask(view) & (view["message"] == 0)).sum())
        flows = expanded(FlowBatch({name: view[name][view["message"] != 0] for name in _ID}, view.tables))
        codes = np.unique(flows["message"][digits.mask(flows)])  # a row's own: no two have the same
        several += len(codes)
        found += list(_rows(view, codes[:1]))
    if several > 1:
        raise UsageError(f"{several:,} requests have a UUID that begins or ends with '{text}'", "more of its digits")
    return Found(found, packets)


def by_trace(ring: Ring, trace_id: str, most: int) -> Found:
    """The first requests and answers of the trace, at most so many."""
    found: list[FlowBatch] = []
    for view in ring.scan(as_stored=True):
        codes = view["message"][view["message"] != 0]
        messages = view.tables.messages
        traces = messages.rows(codes)["trace_id"]
        distinct = np.unique(traces)
        names = messages.texts.read(distinct)
        meant = [code for code, name in zip(distinct.tolist(), names, strict=True) if name == trace_id]
        found += list(_rows(view, codes[np.isin(traces, meant)])) if meant else []
    found.sort(key=lambda row: int(row["time_ns"][0]))
    return Found(found[:most])


def _rows(view: FlowBatch, codes: npt.NDArray[np.uint32]) -> Iterator[FlowBatch]:
    """The rows of these messages, one by one, copied."""
    mine = np.isin(view["message"], codes) & ~added(view)  # a follower's ring has both flows of an exchange
    for row in np.flatnonzero(mine).tolist() if len(codes) else ():
        yield view.take(np.array([row])).without_lost()
