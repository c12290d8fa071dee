"""Packets as capture files frame them: where each lies in a block of bytes, when it was seen, by what interface."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Lost

I64 = npt.NDArray[np.int64]

MOST_BYTES = 16 << 20
"""No packet or block of a capture is larger; a greater length means that the file is damaged."""


@dataclass(frozen=True, slots=True)
class Interface:
    """What captured: the link type of its packets and its name, "" where the file has none."""

    link_type: int
    name: str = ""


@dataclass(slots=True)
class Records:
    """One row a packet; `interface` counts in the framing's `interfaces`, `time_ns` is 0 where the file has none."""

    starts: I64
    captured: I64
    lengths: I64
    time_ns: I64
    interface: I64
    lost: tuple[Lost, ...] = ()

    def __len__(self) -> int:
        return len(self.starts)


class Framing(Protocol):
    """Finds the packets in a stream of bytes, piece after piece."""

    interfaces: list[Interface]
    problem: str
    """Why nothing behind what was taken can be read; "" while all is well."""

    def take(self, data: bytes) -> tuple[Records, int]:
        """The packets that lie whole in `data`, and how many bytes were used."""


def words(data: bytes, dtype: str) -> npt.NDArray[np.generic]:
    """The numbers that begin at every byte."""
    size = np.dtype(dtype).itemsize
    return np.ndarray(max(len(data) - size + 1, 0), dtype, data, strides=(1,))


def gathered(data: bytes, dtype: str, at: I64) -> I64:
    """(n,) the numbers that begin at these places."""
    return words(data, dtype)[at].astype(np.int64)


def no_records(lost: tuple[Lost, ...] = ()) -> Records:
    """No packet."""
    none = np.zeros(0, np.int64)
    return Records(none, none, none, none, none, lost)
