"""`hubble_tcp_flags_total`: FIN, SYN, SYN-ACK and RST of flows that were let through."""

import numpy as np

from rubin.metrics.alike import Amounts
from rubin.metrics.handlers.setup import Setup
from rubin.metrics.series import Counters
from rubin.metrics.shapes import family_word, passed
from rubin.model.batch import FlowBatch
from rubin.model.enums import Protocol, TCPFlags

_WORDS = ("FIN", "SYN", "SYN-ACK", "RST")
_FLAG = 2  # below it the family


def _told(flags: int) -> int:
    """The flags that are counted, as a set of indices into _WORDS."""
    syn = (4 if flags & TCPFlags.ACK else 2) if flags & TCPFlags.SYN else 0
    return (flags & TCPFlags.FIN) | syn | (8 if flags & TCPFlags.RST else 0)


_TOLD = np.array([_told(flags) for flags in range(512)], np.uint8)


class TCP:
    """Counts flags by family; a flow with two of them counts in both."""

    def __init__(self, setup: Setup) -> None:
        family = ("hubble_tcp_flags_total", "TCP flag occurrences")
        self._flags = Counters([family], ("flag", "family"), _values, setup.contexts, setup.room)
        self.series = (self._flags,)

    def observe(self, batch: FlowBatch, amounts: Amounts) -> None:
        """Count a batch."""
        versions = batch["ip_version"]
        told = _TOLD[batch["tcp_flags"] & 511] * ((batch["protocol"] == Protocol.TCP) & passed(batch) & (versions > 0))
        rows = np.flatnonzero(told)
        if not len(rows):
            return
        flows = amounts.flows[rows]
        keys = self._flags.contexts.keys(batch)[rows] | versions[rows] & np.uint8(3)
        for number in range(len(_WORDS)):
            having = np.flatnonzero(told[rows] >> np.uint8(number) & np.uint8(1))
            if len(having):
                self._flags.count(keys[having] | np.uint64(number << _FLAG), flows[having])


def _values(shape: int) -> tuple[str, ...]:
    return _WORDS[shape >> _FLAG], family_word(shape & 3)
