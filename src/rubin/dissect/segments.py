"""What is said on connections, packet by packet, wherever it comes from: a kernel or a capture file."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Array

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

UNKNOWN, LOCAL, REMOTE = 0, 1, 2
"""Who opened a connection."""


@dataclass(frozen=True, slots=True)
class Segments:
    """(n,) packets of which the first bytes are here, in the order in which they were seen.

    `data` has at least sixteen bytes behind the last one. `facts` is one row of whatever the source wants to know again
    with a connection's exchanges: who the two ends are. Neither is kept: both may lie in the kernel's ring.
    """

    data: U8
    start: I64  # where in `data` a packet's first byte lies
    captured: I64  # how many bytes of it are there
    length: I64  # how many it has
    time_ns: I64
    connection: U64  # the same for both directions, another one for another connection; not 0
    out: Mask  # the local side says it
    opener: U8  # UNKNOWN, LOCAL or REMOTE
    from_start: Mask  # the connection was seen from its start
    secured: Mask  # it was handed to TLS, or came out of it
    tcp: Mask
    sequence: U32  # TCP: the number of the first byte
    acknowledged: U32  # TCP: what the speaker has heard
    facts: Array

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: I64) -> "Segments":
        """These rows, in this order; the data stay where they are."""
        if len(rows) == len(self) and len(rows) and rows[0] == 0 and (np.diff(rows) == 1).all():
            return self
        return Segments(
            self.data,
            *(getattr(self, name)[rows] for name in self.__slots__ if name != "data"),
        )

    def without_facts(self) -> "Segments":
        """The same, lighter: who needs them has taken them over."""
        return replace(self, facts=np.zeros(len(self), "V0"))

    def bytes(self, row: int) -> bytes:
        """What is there of one packet, copied."""
        start = int(self.start[row])
        return self.data[start : start + int(self.captured[row])].tobytes()


def words(data: U8) -> U64:
    """(len - 7,) uint64, little-endian: the eight bytes from each place on. It is no copy."""
    found: Any = np.ndarray((max(len(data) - 7, 0),), np.dtype("<u8"), data, strides=(1,))
    return found  # type: ignore[no-any-return]
