"""Counters and histograms with labels: summed by key on the line, put into words when somebody reads them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.metrics.cells import Cells, Sums
from rubin.metrics.contexts import SHAPE_MASK, Contexts, Moved, Texts

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Values = Callable[[int], tuple[str, ...]]

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_SPECIAL = frozenset('\\\n"')


@dataclass(frozen=True)
class Room:
    """How many series a metric may have, and the clock by which they grow old."""

    series: int = 20_000
    clock: Callable[[], float] = time.monotonic

    @property
    def sides(self) -> int:
        """How many sources, and destinations, are told apart."""
        return 4 * self.series


class Family(NamedTuple):
    """A metric's name (a counter's ends in `_total`), its kind and help, and its lines without the newline."""

    name: str
    kind: str
    help: str
    lines: Sequence[str]


def written(names: Sequence[str], values: Sequence[str]) -> str:
    """`a="1",b="2"`, escaped."""
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True))


class Labelled:
    """What counters and histograms have in common: keys, their labels, and when they were last added to."""

    def __init__(
        self, width: int, labels: Sequence[str], values: Values, contexts: Contexts, room: Room, own_last: bool
    ) -> None:
        self.contexts = contexts
        self.sums = Sums(width, room.series)
        names = (*contexts.names, *labels) if own_last else (*labels, *contexts.names)
        self._own_last, self._values = own_last, values
        self._names, self._form = names, ",".join(f'{name}="%s"' for name in names)
        self._clock = room.clock
        self._written: tuple[Texts, dict[int, str]] | None = None

    def _places(self, keys: U64) -> tuple[I64, npt.NDArray[np.bool_] | slice]:
        """Where the sums of these keys are, and which of them there are."""
        return self.sums.places(keys, int(self._clock()))

    def words(self, key: int, texts: Texts) -> tuple[str, ...]:
        """The label values of a series."""
        own, context = self._values(key & SHAPE_MASK), texts.values(key)
        return (*context, *own) if self._own_last else (*own, *context)

    def _label_texts(self, keys: list[int], texts: Texts) -> list[str]:
        """`a="1",b="2"` of each key; what was written once is kept as long as the key is there."""
        known = self._written[1] if self._written and self._written[0].same(texts) else {}
        written = {key: known.get(key) or self._written_out(key, texts) for key in keys}
        self._written = texts, written
        return list(written.values())

    def _written_out(self, key: int, texts: Texts) -> str:
        words = self.words(key, texts)
        if not _SPECIAL.isdisjoint("".join(words)):
            words = tuple(word.translate(_ESCAPES) for word in words)
        return self._form % words

    def _read(self, cells: Cells, texts: Texts) -> tuple[list[str], I64]:
        """Label texts and (s, width) sums; keys that read alike are one series."""
        labels, sums = self._label_texts(cells.keys.tolist(), texts), cells.sums
        places: dict[str, int] = {}
        where = [places.setdefault(label, len(places)) for label in labels]
        if len(places) < len(labels):
            merged = np.zeros((len(places), sums.shape[1]), np.int64)
            np.add.at(merged, where, sums)
            return list(places), merged
        return labels, sums

    def drop_pods(self, gone_s: Mapping[tuple[str, str], int]) -> int:
        """Forget series of pods, by (namespace, name), unless they were added to after the pod went; how many."""
        texts = self.contexts.texts()
        keys = self.sums.keys.tolist()
        named = {key: gone for key in keys if (gone := self._gone_s(key, texts, gone_s)) is not None}
        return sum(
            self.sums.drop(np.array([key for key, at in named.items() if at == when], np.uint64), when + 1)
            for when in set(named.values())
        )

    def _gone_s(self, key: int, texts: Texts, gone_s: Mapping[tuple[str, str], int]) -> int | None:
        """When a pod that the series is of went, by the labels that Hubble looks at too."""
        labels = dict(zip(self._names, self.words(key, texts), strict=True))
        for side in ("source", "destination"):
            pod = labels.get(f"{side}_namespace", ""), labels.get(f"{side}_pod", "")
            namespace, _, name = labels.get(side, "").partition("/")
            when = gone_s.get(pod, gone_s.get((namespace, name)))
            if when is not None:
                return when
        return None

    def move(self, moved: Moved) -> None:
        """Follow the contexts to their new codes."""
        self.sums.move(moved)


class Counters(Labelled):
    """One or more counters with the same labels; `families` are (name, help)."""

    def __init__(
        self,
        families: Sequence[tuple[str, str]],
        labels: Sequence[str],
        values: Values,
        contexts: Contexts,
        room: Room,
        own_last: bool = False,
    ) -> None:
        super().__init__(len(families), labels, values, contexts, room, own_last)
        self.families = tuple(families)

    @property
    def name(self) -> str:
        """The first counter's name."""
        return self.families[0][0]

    def count(self, keys: U64) -> None:
        """Add one for each key, where there is one counter."""
        at, _ = self._places(keys)
        self.sums.add(at, 0, 1)

    def add(self, keys: U64, *amounts: I64) -> None:
        """Add an amount of each counter to the keys."""
        at, placed = self._places(keys)
        for column, amount in enumerate(amounts):
            self.sums.add(at, column, amount[placed])

    def read(self) -> Callable[[], Iterator[Family]]:
        """Copy what is counted; the families are written out when the copy is called, on any thread."""
        cells, texts = self.sums.copy(), self.contexts.texts()
        return lambda: self._families(cells, texts)

    def _families(self, cells: Cells, texts: Texts) -> Iterator[Family]:
        labels, sums = self._read(cells, texts)
        for column, (name, text) in enumerate(self.families):
            numbers = sums[:, column].tolist()
            if self._names:
                lines = [f"{name}{{{label}}} {number}" for label, number in zip(labels, numbers, strict=True)]
            else:
                lines = [f"{name} {number}" for number in numbers]
            yield Family(name, "counter", text, lines)


BOUNDS_S = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BOUNDS_US = np.array([round(bound * 1e6) for bound in BOUNDS_S], np.int64)
_ENDS = [f'le="{float(bound)}"' for bound in BOUNDS_S] + ['le="+Inf"']


class Histogram(Labelled):
    """Durations in the classes of BOUNDS_S, with no labels but the contexts'."""

    def __init__(self, family: tuple[str, str], contexts: Contexts, room: Room) -> None:
        super().__init__(len(_ENDS) + 1, (), lambda _: (), contexts, room, False)
        self.name, self.help = family

    def add(self, keys: U64, microseconds: npt.NDArray[np.integer[Any]]) -> None:
        """Add one duration a row."""
        at, placed = self._places(keys)
        durations = microseconds[placed]
        self.sums.add(at, np.searchsorted(_BOUNDS_US, durations), 1)
        self.sums.add(at, len(_ENDS), durations.astype(np.int64))

    def read(self) -> Callable[[], Iterator[Family]]:
        """Copy what is counted; the family is written out when the copy is called, on any thread."""
        cells, texts = self.sums.copy(), self.contexts.texts()
        return lambda: self._families(cells, texts)

    def _families(self, cells: Cells, texts: Texts) -> Iterator[Family]:
        labels, sums = self._read(cells, texts)
        lines: list[str] = []
        for label, row in zip(labels, sums.tolist(), strict=True):
            lines += self._lines(label, row)
        yield Family(self.name, "histogram", self.help, lines)

    def _lines(self, label: str, row: list[int]) -> Iterator[str]:
        counts = list(accumulate(row[:-1]))
        comma = "," if label else ""
        for end, count in zip(_ENDS, counts, strict=True):
            yield f"{self.name}_bucket{{{label}{comma}{end}}} {count}"
        labelled = f"{{{label}}}" if label else ""
        yield f"{self.name}_sum{labelled} {row[-1] / 1e6}"
        yield f"{self.name}_count{labelled} {counts[-1]}"
