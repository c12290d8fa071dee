"""`rubin_kernel_drops_total`: packets that the kernel freed, by its own reason and the socket's owner."""

import numpy as np

from rubin.metrics.handlers.setup import Setup
from rubin.metrics.series import Counters
from rubin.model.batch import FlowBatch
from rubin.model.enums import Verdict
from rubin.model.lookup import Lookup
from rubin.model.tables import Process

_BITS = 12  # of a word's number; the reason's stands above the process's
_OTHER = "other"  # what words beyond 2^12 - 1 of a kind read as, for as long as the agent lives


class Words:
    """Numbers for words, up to a limit; the last one stands for all further ones."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, word: str) -> int:
        """The word's number."""
        number = self._numbers.get(word)
        if number is not None:
            return number
        if len(self.words) == (1 << _BITS) - 1:
            word = _OTHER
        if len(self.words) == 1 << _BITS:
            return len(self.words) - 1
        self.words.append(word)
        return self._numbers.setdefault(word, len(self.words) - 1)


class KernelDrops:
    """Sums packets by the kernel's name of the reason and the command of the process, "" where there is none."""

    def __init__(self, setup: Setup) -> None:
        self._reasons, self._commands = Words(), Words()
        self._reason: Lookup[str] = Lookup("strings", self._reasons.number)
        self._command: Lookup[Process] = Lookup("processes", lambda process: self._commands.number(process.command))
        family = ("rubin_kernel_drops_total", "Packets that the kernel dropped, by its own reason")
        self._drops = Counters([family], ("reason", "process"), self._values, setup.contexts, setup.room)
        self.series = (self._drops,)

    def observe(self, batch: FlowBatch) -> None:
        """Count a batch."""
        rows = np.flatnonzero((batch["kernel_drop_reason"] > 0) & (batch["verdict"] == Verdict.DROPPED))
        if len(rows):
            reasons = self._reason(batch.tables)[batch["kernel_drop_reason"][rows]] << np.uint64(_BITS)
            keys = self._drops.contexts.keys(batch)[rows] | reasons
            keys |= self._command(batch.tables)[batch["process"][rows]]
            self._drops.add(keys, np.maximum(batch["packets"][rows], 1).astype(np.int64))

    def _values(self, shape: int) -> tuple[str, ...]:
        return self._reasons.words[shape >> _BITS], self._commands.words[shape & (1 << _BITS) - 1]
