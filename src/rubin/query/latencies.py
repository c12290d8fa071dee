"""Latencies counted in buckets, each 2 % wider than the one before: what several nodes count adds up, and percentiles
of the sums are within 1 % of the exact ones.
"""

import math
from base64 import b64decode, b64encode
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]

QUANTILES = (("p50_ns", 0.5), ("p95_ns", 0.95), ("p99_ns", 0.99), ("max_ns", 1.0))
_GROWTH = 1.02
_BUCKET_BITS = 12  # 2^64 ns are in bucket 2,241
_TYPES = ("<u4", "<u2", "<u4")


class Counts(NamedTuple):
    """How many latencies are in each bucket of each group: (n,) each, in the order of groups, then of buckets."""

    groups: I64
    buckets: I64
    counts: I64

    @classmethod
    def of(cls, groups: I64, latency_ns: npt.NDArray[np.integer]) -> Self:
        """(n,) the group of each latency, and the latency, from 1 ns on. Bucket i ends at 1.02^i ns."""
        buckets = np.ceil(np.log(latency_ns) / math.log(_GROWTH)).astype(np.int64)
        keys, counts = np.unique(groups << _BUCKET_BITS | buckets, return_counts=True)
        return cls(keys >> _BUCKET_BITS, keys & (1 << _BUCKET_BITS) - 1, counts)

    def text(self) -> list[str]:
        """For JSON."""
        columns = (column.astype(kind).tobytes() for column, kind in zip(self, _TYPES, strict=True))
        return [b64encode(column).decode() for column in columns]

    @classmethod
    def read(cls, text: list[str]) -> Self:
        """What `text` wrote."""
        columns = (np.frombuffer(b64decode(one), kind) for one, kind in zip(text, _TYPES, strict=True))
        return cls(*(column.astype(np.int64) for column in columns))

    @classmethod
    def added(cls, parts: list["Counts"]) -> Self:
        """The sums of several, of the same groups by the same numbers."""
        keys = np.concatenate([one.groups << _BUCKET_BITS | one.buckets for one in parts])
        distinct, where = np.unique(keys, return_inverse=True)
        counts = np.zeros(len(distinct), np.int64)
        np.add.at(counts, where, np.concatenate([one.counts for one in parts]))
        return cls(distinct >> _BUCKET_BITS, distinct & (1 << _BUCKET_BITS) - 1, counts)

    def percentiles_ns(self, size: int, share: float) -> I64:
        """(size,) of n latencies of each group in order that at place ⌈share·n⌉, by its bucket; 0: there are none."""
        found = np.zeros(size, np.int64)
        if not len(self.counts):
            return found
        until = np.cumsum(self.counts)
        ends = np.searchsorted(self.groups, np.arange(size), "right")
        total = np.concatenate([np.zeros(1, np.int64), until])
        before = total[np.searchsorted(self.groups, np.arange(size))]
        sizes = total[ends] - before
        there = np.flatnonzero(sizes)
        places = before[there] + np.maximum(np.ceil(share * sizes[there]).astype(np.int64), 1)
        ended = self.buckets[np.searchsorted(until, places)]
        # As far from either end of the bucket, by ratio.
        found[there] = np.round(2 * _GROWTH**ended / (_GROWTH + 1)).astype(np.int64)
        return found
