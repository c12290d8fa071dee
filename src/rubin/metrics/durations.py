"""Classes of durations: the buckets of histograms."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

BOUNDS_S = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Those of our own metrics."""
PROMETHEUS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Prometheus' defaults, which Hubble's metrics have."""


_ENDLESS = (1 << 63) - 1
# A float's exponent and the first two bits behind it number quarters of a doubling: in each is one bound at most.
_QUARTERS = 50
_LEAST = (np.arange(1023 + 63 << 52 - _QUARTERS, dtype=np.int64) << _QUARTERS).view(np.float64)


class Classes:
    """Durations up to each of some bounds, and beyond; counted in units of which a second has `per_second`.

    From one bound to the next they double at least.
    """

    def __init__(self, bounds_s: Sequence[float], per_second: int) -> None:
        self._edges = np.array([*(round(bound * per_second) for bound in bounds_s), _ENDLESS], np.int64)
        self._least = np.searchsorted(self._edges, _LEAST)
        self._ends = [*(f'le="{float(bound)}"' for bound in bounds_s), 'le="+Inf"']
        self._per_second = per_second

    def __len__(self) -> int:
        return len(self._ends)

    def of(self, durations: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
        """(n,) the class of each."""
        least = self._least[durations.astype(np.float64).view(np.int64) >> _QUARTERS]
        classes: npt.NDArray[np.int64] = least + (durations > self._edges[least])
        return classes

    def lines(self, name: str, label: str, counts: Sequence[int], total: int) -> Iterator[str]:
        """A histogram's lines: a bucket a class, then the sum of all durations, then how many they are."""
        reached = list(accumulate(counts))
        comma = "," if label else ""
        for end, count in zip(self._ends, reached, strict=True):
            yield f"{name}_bucket{{{label}{comma}{end}}} {count}"
        labelled = f"{{{label}}}" if label else ""
        yield f"{name}_sum{labelled} {total / self._per_second}"
        yield f"{name}_count{labelled} {reached[-1]}"


OF_CONNECTIONS = Classes(BOUNDS_S, 1_000_000)
"""In microseconds."""
OF_REQUESTS, OF_HUBBLE = Classes(BOUNDS_S, 1_000_000_000), Classes(PROMETHEUS_S, 1_000_000_000)
"""In nanoseconds."""
