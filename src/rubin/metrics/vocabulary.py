"""What messages are called in labels, as numbers that fit into a key's shape."""

from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from rubin.metrics.contexts import SHAPE_BITS, SHAPE_MASK
from rubin.metrics.labels import Values
from rubin.metrics.said import Said
from rubin.model.codes import Codes, mix
from rubin.model.messages import Messages

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Words = Callable[[np.void, Messages, int], tuple[str, ...] | None]
"""A row of `messages`, and what else tells it from others, to label values; None where it is not counted."""

OTHER = "other"
"""A word in place of those that are too many, or too long."""

_REPORTERS = ("unknown", "server", "client", "unknown")  # whose node told of it, by the traffic direction
_NOTHING, _OTHERS = 0, 1  # numbers of no words, and of all that are too many
_REPORTER_BITS = 2  # below the number
_REPORTER = np.uint64(_REPORTER_BITS)
_SALT = np.uint64(56)  # in `Said.ends`, where there are zeros
_MOST = (1 << SHAPE_BITS - _REPORTER_BITS) - 1
_FEW = 4096  # words: below this nothing is gained by forgetting some


class Vocabulary:
    """Numbers for words, worked out once for each combination of fields in a table of messages.

    More than `limit` words read as "other" until some are forgotten.
    """

    def __init__(
        self, labels: Sequence[str], fields: Sequence[str], words: Words, limit: int, reporter: bool = True
    ) -> None:
        """`fields` of `messages.ROW` on which words depend, besides protocol, type, status and `failed`.

        With `reporter` its label comes last.
        """
        self.labels = (*labels, "reporter") if reporter else tuple(labels)
        self._fields, self._words_of = tuple(fields), words
        self._others, self._reporter = (OTHER,) * len(labels), reporter
        self._limit = min(limit, _MOST)
        self._hold([])

    def _hold(self, words: Sequence[tuple[str, ...]]) -> None:
        """Hold these words and nothing else."""
        self._words: list[tuple[str, ...]] = [(), self._others, *words]
        self._numbers = {words: number for number, words in enumerate(self._words) if number >= _OTHERS}
        self._known: WeakKeyDictionary[Messages, Codes] = WeakKeyDictionary()
        self.values = _values(self._words, self._reporter)

    def shapes(self, said: Said, salt: int | I64 = 0) -> U64:
        """(n,) the shape of each row, 0 where it is not to be counted. `salt`, 0 to 255, tells words apart, too."""
        numbers = self._numbers_of(said, salt)
        shapes = numbers.astype(np.uint64) << _REPORTER
        if self._reporter:
            shapes |= np.minimum(said["traffic_direction"], np.uint8(3)) * (numbers != _NOTHING)
        return shapes

    def _numbers_of(self, said: Said, salt: int | I64) -> I64:
        known = self._known.get(said.messages)
        if known is None:
            known = self._known[said.messages] = Codes()
        keys = mix(said.ends | np.asarray(salt, np.uint64) << _SALT, *(said.rows[name] for name in self._fields))
        numbers = known.find(keys)
        new = np.flatnonzero(numbers < 0)
        if len(new):
            _, first, where = np.unique(keys[new], return_index=True, return_inverse=True)
            some = new[first[: max(self._limit - len(known), 0)]]
            learned = np.full(len(first), _OTHERS, np.int64)
            salts = np.broadcast_to(salt, len(keys))
            learned[: len(some)] = [self._number(said.rows[at], said.messages, int(salts[at])) for at in some]
            known.add_all(keys[some], learned[: len(some)])
            numbers[new] = learned[where]
        return numbers

    def _number(self, row: np.void, messages: Messages, salt: int) -> int:
        words = self._words_of(row, messages, salt)
        if words is None:
            return _NOTHING
        number = self._numbers.get(words)
        if number is None:
            if len(self._numbers) >= self._limit:
                return _OTHERS
            number = self._numbers[words] = len(self._words)
            self._words.append(words)
        return number

    def keep(self, keys: U64) -> Callable[[U64], U64] | None:
        """Forget words that none of these keys has, where those are the most; returns how keys change, if they do."""
        used = np.unique((keys & np.uint64(SHAPE_MASK)) >> _REPORTER).astype(np.int64)
        if len(self._words) <= max(_FEW, 2 * len(used)):
            return None
        used = used[used > _OTHERS]
        moved = np.arange(len(self._words), dtype=np.uint64)
        moved[used] = np.arange(len(used)) + _OTHERS + 1
        self._hold([self._words[number] for number in used.tolist()])
        return lambda keys: _renumbered(keys, moved)


def _values(words: list[tuple[str, ...]], reporter: bool) -> Values:
    """Label values by shape, out of a list that only grows."""
    if not reporter:
        return lambda shape: words[shape >> _REPORTER_BITS]
    return lambda shape: (*words[shape >> _REPORTER_BITS], _REPORTERS[shape & 3])


def _renumbered(keys: U64, moved: U64) -> U64:
    shapes = keys & np.uint64(SHAPE_MASK)
    new: U64 = keys ^ shapes | moved[(shapes >> _REPORTER).astype(np.int64)] << _REPORTER | shapes & np.uint64(3)
    return new
