"""Counters and histograms with labels: summed by key on the line, put into words when somebody reads them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.metrics.cells import Cells, Sums
from rubin.metrics.contexts import Contexts, Moved
from rubin.metrics.durations import OF_CONNECTIONS
from rubin.metrics.labels import Labels, Meaning, Values, alike
from rubin.metrics.vocabulary import Vocabulary

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Room:
    """How many series a metric may have, and the clock by which they grow old."""

    series: int = 20_000
    clock: Callable[[], float] = time.monotonic

    @property
    def sides(self) -> int:
        """How many sources, and destinations, are told apart."""
        return 4 * self.series

    @property
    def words(self) -> int:
        """How many words of messages are told apart."""
        return 4 * self.series


class Family(NamedTuple):
    """A metric's name (a counter's ends in `_total`), its kind and help, and its lines without the newline.

    `exemplars` gives what OpenMetrics adds to lines, by their place.
    """

    name: str
    kind: str
    help: str
    lines: Sequence[str]
    exemplars: Callable[[], Mapping[int, str]] = dict


class Labelled:
    """What counters and histograms have in common: keys, their labels, and when they were last added to."""

    def __init__(
        self,
        width: int,
        labels: Sequence[str],
        values: Values | Vocabulary,
        contexts: Contexts,
        room: Room,
        own_last: bool,
    ) -> None:
        self.contexts = contexts
        self.sums = Sums(width, room.series)
        self._values = values
        self._labels = Labels(labels, contexts.names, own_last)
        self._clock = room.clock

    def _places(self, keys: U64, flows: I64 | None = None) -> tuple[I64, npt.NDArray[np.bool_] | slice]:
        """Where the sums of these keys are, and which of them there are; each stands for some flows, or for one."""
        return self.sums.places(keys, int(self._clock()), flows)

    def _meaning(self) -> Meaning:
        """What keys mean now."""
        values = self._values.values if isinstance(self._values, Vocabulary) else self._values
        return Meaning(self.contexts.texts(), values)

    def drop_pods(self, gone_s: Mapping[tuple[str, str], int]) -> int:
        """Forget series of pods, by (namespace, name), unless they were added to after the pod went; how many."""
        meaning = self._meaning()
        keys = self.sums.keys.tolist()
        named = {key: gone for key in keys if (gone := self._gone_s(key, meaning, gone_s)) is not None}
        return sum(
            self.sums.drop(np.array([key for key, at in named.items() if at == when], np.uint64), when + 1)
            for when in set(named.values())
        )

    def _gone_s(self, key: int, meaning: Meaning, gone_s: Mapping[tuple[str, str], int]) -> int | None:
        """When a pod that the series is of went, by the labels that Hubble looks at too."""
        labels = dict(zip(self._labels.names, self._labels.values(key, meaning), strict=True))
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

    def tidy(self) -> None:
        """Forget words of messages that no series has, where these are the most."""
        moved = self._values.keep(self.sums.keys) if isinstance(self._values, Vocabulary) else None
        if moved:
            self.sums.move(moved)


class Counters(Labelled):
    """One or more counters with the same labels; `families` are (name, help)."""

    def __init__(
        self,
        families: Sequence[tuple[str, str]],
        labels: Sequence[str],
        values: Values | Vocabulary,
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

    def count(self, keys: U64, flows: I64 | None = None) -> None:
        """Add to each key how many flows have it, or one, where there is one counter."""
        at, placed = self._places(keys, flows)
        self.sums.add(at, 0, 1 if flows is None else flows[placed])

    def add(self, keys: U64, *amounts: I64, flows: I64 | None = None) -> None:
        """Add an amount of each counter to the keys, of which each stands for some flows, or for one."""
        at, placed = self._places(keys, flows)
        for column, amount in enumerate(amounts):
            self.sums.add(at, column, amount[placed])

    def read(self) -> Callable[[], Iterator[Family]]:
        """Copy what is counted; the families are written out when the copy is called, on any thread."""
        cells, meaning = self.sums.copy(), self._meaning()
        return lambda: self._families(cells, meaning)

    def _families(self, cells: Cells, meaning: Meaning) -> Iterator[Family]:
        read = alike(self._labels.texts(cells.keys.tolist(), meaning), cells.sums)
        for column, (name, text) in enumerate(self.families):
            yield Family(name, "counter", text, counter_lines(name, read.texts, read.sums[:, column].tolist()))


def counter_lines(name: str, texts: Sequence[str], numbers: Sequence[int]) -> list[str]:
    """A line a series."""
    return [
        f"{name}{{{text}}} {number}" if text else f"{name} {number}"
        for text, number in zip(texts, numbers, strict=True)
    ]


class Histogram(Labelled):
    """Durations in microseconds, with no labels but the contexts'."""

    def __init__(self, family: tuple[str, str], contexts: Contexts, room: Room) -> None:
        super().__init__(len(OF_CONNECTIONS) + 1, (), lambda _: (), contexts, room, False)
        self.name, self.help = family

    def add(self, keys: U64, microseconds: npt.NDArray[np.integer[Any]]) -> None:
        """Add one duration a row."""
        at, placed = self._places(keys)
        durations = microseconds[placed]
        self.sums.add(at, OF_CONNECTIONS.of(durations), 1)
        self.sums.add(at, len(OF_CONNECTIONS), durations.astype(np.int64))

    def read(self) -> Callable[[], Iterator[Family]]:
        """Copy what is counted; the family is written out when the copy is called, on any thread."""
        cells, meaning = self.sums.copy(), self._meaning()
        return lambda: self._families(cells, meaning)

    def _families(self, cells: Cells, meaning: Meaning) -> Iterator[Family]:
        read = alike(self._labels.texts(cells.keys.tolist(), meaning), cells.sums)
        lines: list[str] = []
        for text, row in zip(read.texts, read.sums.tolist(), strict=True):
            lines += OF_CONNECTIONS.lines(self.name, text, row[:-1], row[-1])
        yield Family(self.name, "histogram", self.help, lines)
