"""What is known of each connection that is listened to, in columns."""

import numpy as np

from rubin.dissect.segments import I64, U64, Segments
from rubin.model.batch import Array
from rubin.model.codes import Codes

UNDECIDED, NOTHING, TALK, FIRST_TABLE = 0, 1, 2, 3
"""Of `kind`: what it is is not known yet; nothing that is read; a `Conversation`; and by columns, what has its own."""

STATE = np.dtype(
    [
        ("key", "<u8"),
        ("seen_ns", "<i8"),
        ("server_ns", "<i8"),  # when the server last said something
        ("kind", "u1"),
        ("client_out", "i1"),  # 1: the local side asks, 0: it answers, -1: not known
        ("pipelines", "?"),  # HTTP/1: it asks before it is answered
        ("doubtful", "?"),  # and packets were missing: what belongs together is not certain
        ("is_sure", "?"),  # HTTP/1: whether `sure` is
        ("sure", "<u4"),  # the number of the byte behind the last answer whose request is known
        ("secured", "?"),  # what is said there was handed to TLS
        ("looked", "u1"),  # packets that were looked at without a decision
        ("known", "?", (2,)),  # whether `end` is, by direction: remote's words, then the local side's
        ("end", "<u4", (2,)),  # the number of the byte behind the last message
    ]
)


class Connections:
    """Dense numbers for connections, and a row of `state` and of the source's `facts` for each.

    `MOST` of them: when there are more, those that were silent longest go.
    """

    MOST = 131_072

    def __init__(self) -> None:
        self._codes = Codes()
        self.state: Array = np.zeros(1024, STATE)
        self.facts: Array | None = None
        self.count = 0

    def numbers(self, segments: Segments) -> I64:
        """(n,) the number of each packet's connection; times and facts are brought up to date."""
        found = self._codes.find(segments.connection)
        if len(found) and found.min() < 0:
            self._add(np.unique(segments.connection[found < 0]))
            found = self._codes.find(segments.connection)
        if self.facts is None:
            self.facts = np.zeros(len(self.state), segments.facts.dtype)
        elif len(self.facts) < len(self.state):
            self.facts = _grown(self.facts, len(self.state))
        packets = np.arange(len(found))
        last = np.empty(self.count, np.int64)
        last[found] = packets
        latest = np.flatnonzero(last[found] == packets)  # of each connection one packet has the last word
        number = found[latest]
        for name, column in (("seen_ns", segments.time_ns), ("secured", segments.secured)):
            self.state[name][number] = column[latest]
        self.facts[number] = segments.facts[latest]
        return found

    def _add(self, keys: U64) -> None:
        first, count = self.count, len(keys)
        if first + count > len(self.state):
            self.state = _grown(self.state, 2 * (first + count))
        self._codes.add_all(keys, np.arange(first, first + count))
        new = np.zeros(count, STATE)
        new["key"], new["client_out"] = keys, -1
        self.state[first : first + count] = new
        self.count = first + count

    def forget(self, silent_since_ns: int) -> I64 | None:
        """Let connections go that have said nothing since then, when there are many.

        (count before,) the new numbers of those that stay, -1 of those that go. None: none went.
        """
        if self.count <= self.MOST // 2:
            return None
        state = self.state[: self.count]
        stay = state["seen_ns"] >= silent_since_ns
        if stay.sum() > self.MOST:
            latest = np.partition(state["seen_ns"], -self.MOST)[-self.MOST]
            stay = state["seen_ns"] >= latest
        if stay.all():
            return None
        moved = np.where(stay, np.cumsum(stay) - 1, -1)
        kept = state[stay]
        self.count = len(kept)
        self.state = _grown(kept, max(1024, 2 * self.count))
        if self.facts is not None:
            self.facts = _grown(self.facts[: len(stay)][stay], len(self.state))
        self._codes = Codes(4 * self.count)
        self._codes.add_all(kept["key"], np.arange(self.count))
        return moved


def _grown(array: Array, size: int) -> Array:
    larger = np.zeros(size, array.dtype)
    larger[: len(array)] = array
    return larger
