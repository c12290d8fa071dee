"""Exemplars (OpenMetrics 1.0): of each class of a series the last message that has a trace.

They stand behind the sums, as columns of the same table: so they are found, moved and forgotten with them, and cost
no Python on the line. A trace is the code of a text; when another table of texts comes, what is held is read.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.metrics.cells import Cells, Sums
from rubin.metrics.labels import written
from rubin.metrics.said import Said
from rubin.model.texts import Texts

I64 = npt.NDArray[np.int64]

COLUMNS = 3
"""Of each class: the trace, the duration in ns, the time in ns."""
_LONGEST = 128 - len("traceID")  # characters that a set of labels may have (OpenMetrics 1.0, "Exemplars")


class Exemplars:
    """Those of all series of a metric, from column `first` on."""

    def __init__(self, sums: Sums, first: int, classes: int) -> None:
        self._sums, self._first, self._classes = sums, first, classes
        self._texts = Texts()
        self._read: list[str] = []

    def note(self, said: Said, durations_ns: I64, at: I64, classes: I64) -> None:
        """Keep the last of each class of each series: of these messages, and where they were counted."""
        traces = said.rows["trace_id"]
        rows = np.flatnonzero(traces)
        if not len(rows):
            return
        if said.messages.texts is not self._texts:
            self._settle()
            self._texts = said.messages.texts
        at, columns = at[rows], self._first + COLUMNS * classes[rows]
        for place, values in enumerate((traces.astype(np.int64), durations_ns, said["time_ns"])):
            self._sums.put(at, columns + place, values[rows])

    def _settle(self) -> None:
        """Read the texts of a table that will go."""
        traces = self.of(self._sums.copy())
        codes = traces.codes.copy()
        held = np.flatnonzero(codes)
        self._read = [traces.text(code) for code in codes.flat[held].tolist()]
        codes.flat[held] = -1 - np.arange(len(held))
        self._sums.put_all(slice(self._first, None, COLUMNS), codes)

    def of(self, cells: Cells) -> "Traces":
        """What is held in a copy of the sums."""
        held = cells.sums[:, self._first :]
        return Traces(held[:, ::COLUMNS], held[:, 1::COLUMNS], held[:, 2::COLUMNS], self._texts, self._read)


class Traces(NamedTuple):
    """(s, classes) exemplars at one moment; code 0: none; below 0: the place in `read`, counted from -1."""

    codes: I64
    durations_ns: I64
    times_ns: I64
    texts: Texts
    read: Sequence[str]

    def text(self, code: int) -> str:
        """The trace."""
        return self.texts[code] if code > 0 else self.read[-1 - code]

    def lines(self, lines: I64, whole: bool) -> dict[int, str]:
        """What to add to which line of the page; of several for one the newest.

        `lines` (s, classes) are the lines' numbers, -1: none. Of a counter (`whole`) an exemplar's value is 1.
        """
        lines = np.broadcast_to(lines, self.codes.shape)
        held = np.flatnonzero((self.codes != 0) & (lines >= 0))
        held = held[np.argsort(self.times_ns.flat[held], kind="stable")]
        newest = dict(zip(lines.flat[held].tolist(), held.tolist(), strict=True))
        return {line: self._written(at, whole) for line, at in newest.items()}

    def _written(self, at: int, whole: bool) -> str:
        trace = self.text(int(self.codes.flat[at]))
        if len(trace) > _LONGEST:
            return ""
        value = 1 if whole else int(self.durations_ns.flat[at]) / 1e9
        return f" # {{{written(['traceID'], [trace])}}} {value} {int(self.times_ns.flat[at]) / 1e9:.3f}"
