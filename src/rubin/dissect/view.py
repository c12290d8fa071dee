"""Numbers out of many places of one block of bytes at once, never from beyond a packet's end."""

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Array
from rubin.model.columns import DTYPES

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

HEADER_COLUMNS = (
    *("ip_version", "source_high", "source_low", "destination_high", "destination_low", "protocol", "source_port"),
    *("destination_port", "tcp_flags", "icmp_type", "icmp_code", "sctp_chunk_type", "bytes"),
)


def empty_columns(n: int) -> dict[str, Array]:
    """The columns that headers fill, all missing."""
    return {name: np.zeros(n, DTYPES[name]) for name in HEADER_COLUMNS}


class View:
    """`n` packets from `start` to `end` in `data`, which goes on for at least 8 bytes behind the last.

    `u1` to `u8` read one big-endian number a packet at absolute places; one that begins behind a packet's end is
    read at its end, so what is behind `end` has to be asked of `end`.
    """

    def __init__(self, data: npt.NDArray[np.uint8], start: I64, end: I64) -> None:
        self.data = data
        self.start = start
        self.end = end

    def rows(self, rows: I64) -> "View":
        """Some of the packets."""
        return View(self.data, self.start[rows], self.end[rows])

    def limit(self, rows: I64, end: I64) -> None:
        """An earlier end of some of the packets, where a header says so."""
        self.end[rows] = np.minimum(self.end[rows], end)

    def u1(self, at: I64) -> I64:
        """(n,) one byte each."""
        return self._read(at, "u1")

    def u2(self, at: I64) -> I64:
        """(n,) two bytes each."""
        return self._read(at, ">u2")

    def u4(self, at: I64) -> I64:
        """(n,) four bytes each."""
        return self._read(at, ">u4")

    def u8(self, at: I64) -> npt.NDArray[np.uint64]:
        """(n,) eight bytes each."""
        return self._places(">u8")[np.minimum(at, self.end)].astype(np.uint64)

    def mac(self, at: I64) -> I64:
        """(n,) six bytes each, 0 where they are cut."""
        return np.where(at + 6 <= self.end, (self.u8(at) >> np.uint64(16)).astype(np.int64), 0)

    def _read(self, at: I64, dtype: str) -> I64:
        return self._places(dtype)[np.minimum(at, self.end)].astype(np.int64)

    def _places(self, dtype: str) -> Array:
        """The numbers that begin at every byte."""
        size = np.dtype(dtype).itemsize
        return np.ndarray(len(self.data) - size + 1, dtype, self.data, strides=(1,))
