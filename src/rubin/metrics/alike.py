"""Flows that counters of flows see alike, put together until somebody reads what was counted.

Most flows are packets of TCP and UDP that went their way, and those of two workloads repeat in all that such a counter
reads. So a flow costs one look-up for all counters, and what counters do is done once for many.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.metrics.shapes import told
from rubin.model.batch import Array, FlowBatch, concat
from rubin.model.codes import Codes, mix
from rubin.model.enums import EventType, Protocol, Verdict
from rubin.model.tables import Tables

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

COLUMNS = (
    *("source_endpoint", "destination_endpoint", "destination_port", "tcp_flags", "event_sub_type", "protocol"),
    *("traffic_direction", "is_reply", "ip_version", "event_type", "verdict", "drop_reason", "icmp_type", "icmp_code"),
    *("sctp_chunk_type", "policy_match_type", "message"),
)
"""All that a counter of flows may read."""

# Of a flow like many: two words. The version of IP stands above the flags, the port is 0 in replies: none is counted.
_ROW = np.dtype(
    [
        *(("source_endpoint", "<u4"), ("destination_endpoint", "<u4"), ("destination_port", "<u2"), ("flags", "<u2")),
        *(("event_sub_type", "u1"), ("protocol", "u1"), ("traffic_direction", "u1"), ("is_reply", "i1")),
    ]
)
_COPIED = ("source_endpoint", "destination_endpoint", "event_sub_type", "protocol", "traffic_direction", "is_reply")
_VERSION = 12
_FLAGS = np.uint16((1 << _VERSION) - 1)
_MOST, _MOST_OTHERS = 131_072, 32_768
_MOST_NEW = 4096  # rows of a batch that are learned: in a flood of ever-new ones most are counted as they are
_NONE = np.uint64(1)  # the key of what is not put together; its code is 0


class Amounts(NamedTuple):
    """Of (n,) rows: how many flows each stands for, and what they moved, each packet at one observation point only."""

    flows: I64
    packets: I64
    bytes: I64

    def take(self, rows: I64 | slice) -> "Amounts":
        """Those of chosen rows."""
        return Amounts(*(amount[rows] for amount in self))


class Alike:
    """`add` batches; `take` what they were, with amounts."""

    def __init__(self) -> None:
        self._tables = Tables()
        self._renew()

    def _renew(self) -> None:
        """Nothing waits, and no row is known."""
        self._codes = Codes()
        self._codes.add(int(_NONE), 0)
        self._rows = np.zeros(1, _ROW)
        self._sums = _zeros(1)
        self._others: list[FlowBatch] = []
        self._of_others: list[Amounts] = []
        self._waiting = 0

    def suits(self, batch: FlowBatch) -> bool:
        """Whether there is room for the batch, beside what waits."""
        same = self._tables is batch.tables or not self._waiting
        return same and sum(map(len, self._others)) < _MOST_OTHERS

    def add(self, batch: FlowBatch, amounts: Amounts) -> None:
        """Count what is told of a batch that suits."""
        if self._tables is not batch.tables:
            self._renew()
            self._tables = batch.tables
        self._waiting += len(batch)
        plain, other = _kinds(batch)
        if plain.any():
            other |= self._count(batch, plain, amounts)
        at = np.flatnonzero(other)
        if len(at):
            chosen = at if len(at) < len(batch) else slice(None)
            columns = {name: batch[name][chosen] for name in COLUMNS if name in batch}
            self._others.append(FlowBatch(columns, batch.tables))
            self._of_others.append(amounts.take(chosen))

    def _count(self, batch: FlowBatch, plain: Mask, amounts: Amounts) -> Mask:
        """Count the plain rows; (n,) bool: of which of them that was not possible."""
        rows = _rows(batch)
        words = rows.view(np.uint64).reshape(-1, 2)
        keys = mix(words[:, 0], words[:, 1])
        keys[~plain] = _NONE
        codes = self._codes.find(keys)
        if codes.min() < 0:
            self._learn(keys, rows, np.flatnonzero(codes < 0)[:_MOST_NEW])
            codes = self._codes.find(keys)
        unknown: Mask = codes < 0
        codes[unknown] = 0
        for total, amount in zip(self._sums, amounts, strict=True):
            np.add.at(total, codes, amount)
        return unknown

    def _learn(self, keys: U64, rows: Array, new: I64) -> None:
        """Know these rows from now on, where there is room."""
        distinct, first = np.unique(keys[new], return_index=True)
        first = first[: max(_MOST - len(self._rows), 0)]
        self._codes.add_all(distinct[: len(first)], np.arange(len(self._rows), len(self._rows) + len(first)))
        self._rows = np.concatenate([self._rows, rows[new[first]]])
        self._sums = Amounts(*(np.concatenate(both) for both in zip(self._sums, _zeros(len(first)), strict=True)))

    def take(self) -> Iterator[tuple[FlowBatch, Amounts]]:
        """All that waits; then nothing does."""
        self._sums.flows[0] = 0
        seen = np.flatnonzero(self._sums.flows)
        rows, amounts, tables = self._rows[seen], self._sums.take(seen), self._tables
        others, of_others = self._others, self._of_others
        self._others, self._of_others, self._waiting = [], [], 0
        for total in self._sums:
            total[:] = 0
        if len(self._rows) >= _MOST:
            self._renew()
        if len(seen):
            yield _flows(rows, tables), amounts
        if others:
            yield concat(others), Amounts(*(np.concatenate(parts) for parts in zip(*of_others, strict=True)))


def _zeros(count: int) -> Amounts:
    return Amounts(*(np.zeros(count, np.int64) for _ in Amounts._fields))


def _kinds(batch: FlowBatch) -> tuple[Mask, Mask]:
    """(n,) bool each: which rows may be put together, and which count by themselves."""
    protocols = batch["protocol"]
    plain = (batch["event_type"] == EventType.TRACE) & (batch["verdict"] == Verdict.FORWARDED)
    plain &= (protocols == Protocol.TCP) | (protocols == Protocol.UDP)
    if "message" in batch:
        plain &= batch["message"] == 0
    packets = told(batch)
    return plain & packets, packets & ~plain


def _rows(batch: FlowBatch) -> Array:
    rows = np.empty(len(batch), _ROW)
    for name in _COPIED:
        rows[name] = batch[name]
    rows["destination_port"] = batch["destination_port"] * (batch["is_reply"] != 1)
    version = np.minimum(batch["ip_version"], 15).astype(np.uint16)
    rows["flags"] = batch["tcp_flags"] & _FLAGS | version << np.uint16(_VERSION)
    return rows


def _flows(rows: Array, tables: Tables) -> FlowBatch:
    """The same as flows."""
    columns = {name: rows[name].copy() for name in (*_COPIED, "destination_port")}
    columns["tcp_flags"] = rows["flags"] & _FLAGS
    columns["ip_version"] = (rows["flags"] >> np.uint16(_VERSION)).astype(np.uint8)
    columns["event_type"] = np.full(len(rows), EventType.TRACE, np.uint8)
    columns["verdict"] = np.full(len(rows), Verdict.FORWARDED, np.uint8)
    return FlowBatch(columns, tables)
