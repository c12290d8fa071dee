"""What keys read as: the labels of series, written out when somebody reads them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.metrics.contexts import SHAPE_MASK, Texts

I64 = npt.NDArray[np.int64]
Values = Callable[[int], tuple[str, ...]]
"""A metric's own label values of a shape."""

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_SPECIAL = frozenset('\\\n"')


def written(names: Sequence[str], values: Sequence[str]) -> str:
    """`a="1",b="2"`, escaped."""
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True))


class Meaning(NamedTuple):
    """What keys mean at one moment; later changes do not touch it."""

    texts: Texts
    values: Values

    def same(self, other: "Meaning") -> bool:
        """Whether a key means the same in both."""
        return self.texts.same(other.texts) and self.values is other.values


class Labels:
    """Names of labels, and the texts of keys."""

    def __init__(
        self, own: Sequence[str], context: Sequence[str], own_last: bool, chosen: Sequence[str] | None = None
    ) -> None:
        """`own` as the values come, of which only the `chosen` are shown; all of them where nothing is said."""
        shown = own if chosen is None else chosen
        self._chosen = None if chosen is None else [own.index(name) for name in chosen]
        self._own_last = own_last
        self.names = (*context, *shown) if own_last else (*shown, *context)
        self._form = ",".join(f'{name}="%s"' for name in self.names)
        self._written: tuple[Meaning, dict[int, str]] | None = None

    def values(self, key: int, meaning: Meaning) -> tuple[str, ...]:
        """The label values of a series."""
        own, context = meaning.values(key & SHAPE_MASK), meaning.texts.values(key)
        if self._chosen is not None:
            own = tuple(own[place] for place in self._chosen)
        return (*context, *own) if self._own_last else (*own, *context)

    def texts(self, keys: list[int], meaning: Meaning) -> list[str]:
        """`a="1",b="2"` of each key; what was written once is kept as long as the key is there."""
        known = self._written[1] if self._written and self._written[0].same(meaning) else {}
        written = {key: known.get(key) or self._written_out(key, meaning) for key in keys}
        self._written = meaning, written
        return list(written.values())

    def _written_out(self, key: int, meaning: Meaning) -> str:
        values = self.values(key, meaning)
        if not _SPECIAL.isdisjoint("".join(values)):
            values = tuple(value.translate(_ESCAPES) for value in values)
        return self._form % values


class Alike(NamedTuple):
    """Texts, each once, with their sums; `where` says in which of them each key went."""

    texts: list[str]
    sums: I64
    where: I64


def alike(texts: list[str], sums: I64) -> Alike:
    """Keys that read alike are one series."""
    places: dict[str, int] = {}
    where = np.array([places.setdefault(text, len(places)) for text in texts], np.int64)
    if len(places) < len(texts):
        merged = np.zeros((len(places), sums.shape[1]), np.int64)
        np.add.at(merged, where, sums)
        return Alike(list(places), merged, where)
    return Alike(texts, sums, where)
