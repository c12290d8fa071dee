"""What a batch of packets says: exchanges in columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rubin.dissect.segments import I64, Mask
from rubin.model.batch import Array


@dataclass(frozen=True, slots=True)
class Found:
    """(n,) exchanges, or requests that nobody has answered so far."""

    connection: I64  # its number
    time_ns: I64  # of the answer's first byte; without one of the request's
    answered: Mask
    message: npt.NDArray[np.uint32]  # code of the table `messages`


@dataclass(frozen=True, slots=True)
class Told:
    """The same with what the source wants to know of them: flows can be made of it."""

    facts: Array
    client_out: Mask  # whether the local side asked
    time_ns: I64
    answered: Mask
    message: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.time_ns)

    def with_more(self, more: "Told") -> "Told":
        """Both."""
        if not len(more) or not len(self):
            return self if len(self) else more
        names = Told.__slots__
        return Told(*(np.concatenate([getattr(self, name), getattr(more, name)]) for name in names))


def joined(parts: Sequence[Found]) -> Found:
    """All of them in order of their times."""
    if not parts:
        none = np.zeros(0, np.int64)
        return Found(none, none, none.astype(np.bool_), none.astype(np.uint32))
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in Found.__slots__]
    order = np.argsort(columns[1], kind="stable")
    return Found(*(column[order] for column in columns))
