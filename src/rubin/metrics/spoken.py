"""Counters and histograms of messages, their labels out of a vocabulary."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.metrics.cells import Cells
from rubin.metrics.contexts import SHAPE_MASK, Contexts
from rubin.metrics.durations import Classes
from rubin.metrics.exemplars import COLUMNS, Exemplars, Traces
from rubin.metrics.labels import Labels, Meaning, alike
from rubin.metrics.said import Said
from rubin.metrics.series import Family, Labelled, Room, counter_lines
from rubin.metrics.vocabulary import Vocabulary
from rubin.model.messages import Mask

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

# What a foreign flow says is believed up to 13 days, so that sums stay in 63 bits.
_LONGEST_NS = np.uint64(1 << 50)


class Counted(NamedTuple):
    """A counter: name and help, which of the vocabulary's labels it has, and the one that has to say something."""

    name: str
    help: str
    labels: Sequence[str] | None = None
    only: str = ""


class Spoken(Labelled):
    """Counters of messages, out of the same sums. Of each key these are some classes, then one that is no counter."""

    def __init__(
        self,
        counters: Sequence[Counted],
        vocabulary: Vocabulary,
        contexts: Contexts,
        room: Room,
        own_last: bool = True,
        exemplars: bool = False,
        classes: int = 1,
    ) -> None:
        more = COLUMNS * classes if exemplars else 0
        super().__init__(classes + 1 + more, vocabulary.labels, vocabulary, contexts, room, own_last)
        self.name = counters[0].name
        self._counters = [(one, Labels(vocabulary.labels, contexts.names, own_last, one.labels)) for one in counters]
        self._vocabulary, self._classes = vocabulary, classes
        self._exemplars = Exemplars(self.sums, classes + 1, classes) if exemplars else None

    def hear(self, said: Said, salt: int | I64 = 0) -> Said:
        """Count the messages that the vocabulary has words for; they are returned."""
        if not len(said):
            return said
        shapes = self._vocabulary.shapes(said, salt)
        worded = said.take(shapes > 0)
        if not len(worded):
            return worded
        keys = self.contexts.keys(said)
        keys = keys | shapes if worded is said else (keys | shapes)[shapes > 0]
        at, placed = self._places(keys)
        kept = worded if isinstance(placed, slice) else worded.take(placed)
        classes, durations_ns = self._count(kept, at)
        if self._exemplars:
            self._exemplars.note(kept, durations_ns, at, classes)
        return worded

    def _count(self, said: Said, at: I64) -> tuple[I64, I64]:
        """Add to the sums at these places; the class of each message and how long it took."""
        self.sums.add(at, 0, 1)
        return np.zeros(len(said), np.int64), np.zeros(len(said), np.int64)

    def read(self) -> Callable[[], Iterator[Family]]:
        """Copy what is counted; the families are written out when the copy is called, on any thread."""
        cells, meaning = self.sums.copy(), self._meaning()
        traces = self._exemplars.of(cells) if self._exemplars else None
        return lambda: self._families(cells, meaning, traces)

    def _families(self, cells: Cells, meaning: Meaning, traces: Traces | None) -> Iterator[Family]:
        for counter, labels in self._counters:
            keys, sums = cells.keys, cells.sums[:, : self._classes].sum(axis=1, keepdims=True)
            if counter.only:
                said = self._says(counter.only, keys, meaning)
                keys, sums, traces = keys[said], sums[said], None
            read = alike(labels.texts(keys.tolist(), meaning), sums)
            lines = counter_lines(counter.name, read.texts, read.sums[:, 0].tolist())
            yield Family(counter.name, "counter", counter.help, lines, _of_lines(traces, read.where[:, None], True))

    def _says(self, label: str, keys: U64, meaning: Meaning) -> Mask:
        """(s,) bool: which keys have that label."""
        place = self._vocabulary.labels.index(label)
        return np.array([bool(meaning.values(key & SHAPE_MASK)[place]) for key in keys.tolist()], np.bool_)


class Durations(NamedTuple):
    """A histogram beside a counter: name and help, which of the counter's labels it has, its classes in ns.

    `unknown_is_zero`: a duration that is not known counts as none at all, as in Hubble, and not as no duration.
    """

    name: str
    help: str
    labels: Sequence[str]
    classes: Classes
    unknown_is_zero: bool


class Timed(Spoken):
    """Counters of messages and a histogram of how long they took, out of the same sums: a message is added once.

    The last class is that of messages without a duration; what is no counter is the sum of durations.
    """

    def __init__(
        self,
        counters: Sequence[Counted],
        durations: Durations,
        vocabulary: Vocabulary,
        contexts: Contexts,
        room: Room,
        own_last: bool = True,
        exemplars: bool = False,
    ) -> None:
        self._durations, self._untimed = durations, len(durations.classes)
        super().__init__(counters, vocabulary, contexts, room, own_last, exemplars, self._untimed + 1)
        self._durations_labels = Labels(vocabulary.labels, contexts.names, own_last, durations.labels)

    def _count(self, said: Said, at: I64) -> tuple[I64, I64]:
        durations_ns = np.minimum(said.rows["latency_ns"], _LONGEST_NS).view(np.int64)
        classes = self._durations.classes.of(durations_ns)
        if not self._durations.unknown_is_zero:
            classes[durations_ns == 0] = self._untimed
        self.sums.add(at, classes, 1)
        self.sums.add(at, self._classes, durations_ns)
        return classes, durations_ns

    def _families(self, cells: Cells, meaning: Meaning, traces: Traces | None) -> Iterator[Family]:
        yield from super()._families(cells, meaning, traces)
        name, classes = self._durations.name, self._durations.classes
        sums = cells.sums[:, : self._classes + 1]
        read = alike(self._durations_labels.texts(cells.keys.tolist(), meaning), sums)
        lines: list[str] = []
        first: list[int] = []
        for text, row in zip(read.texts, read.sums.tolist(), strict=True):
            first.append(len(lines))
            if any(row[: self._untimed]):
                lines += classes.lines(name, text, row[: self._untimed], row[-1])
        buckets = np.array(first, np.int64)[read.where][:, None] + np.arange(self._classes)
        buckets[:, self._untimed] = -1
        yield Family(name, "histogram", self._durations.help, lines, _of_lines(traces, buckets, False))


def _of_lines(traces: Traces | None, lines: I64, whole: bool) -> Callable[[], dict[int, str]]:
    return lambda: traces.lines(lines, whole) if traces else {}
