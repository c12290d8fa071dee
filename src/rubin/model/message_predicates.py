"""What filter fields ask of messages: numbers as masks, texts of distinct codes only."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.model.batch import FlowBatch
from rubin.model.messages import HTTP, NUMBERS, Messages, show, url
from rubin.model.predicates import Answers, Mask, Predicate, among, one_of

Array = npt.NDArray[Any]
Test = Callable[[Messages, Array], Mask]


class Said:
    """A test of the messages of rows: (n,) of `messages.ROW` as a flow of their direction shows them, to bool."""

    def __init__(self, test: Test, without: bool = False) -> None:
        """`without`: what is to be said of rows that have no message."""
        self._test, self._without = test, without

    def __call__(self, batch: FlowBatch, left: Mask | None, /) -> Mask:
        """(n,) bool."""
        there = batch["message"] != 0
        found = np.zeros(len(there), np.bool_) if not self._without else ~there
        rows = np.flatnonzero(there if left is None else there & left)
        if len(rows):
            messages = batch.tables.messages
            told = messages.rows(batch["message"][rows])
            show(told, batch["is_reply"][rows])
            found[rows] = self._test(messages, told)
        return found


def protocols(numbers: Iterable[int], layer_7: Iterable[str]) -> Predicate:
    """Packets of one of these layer 4 protocols, or with a message of one of these above it; "http" is gRPC, too."""
    cells = one_of("protocol", numbers)
    wanted = sorted({number for name in layer_7 for number in (HTTP if name == "http" else (NUMBERS[name],))})
    said = Said(lambda _, told: among(told["protocol"], wanted))

    def test(batch: FlowBatch, left: Mask | None, /) -> Mask:
        found = cells(batch, left)
        return found | said(batch, left) if wanted else found

    return test


def text(column: str, test: Callable[[str], bool], of: Sequence[int] | None = None) -> Said:
    """Messages, of these protocols or all, whose text in a column of `messages.ROW` passes."""
    answers = Answers((test,))

    def judge(messages: Messages, told: Array) -> Mask:
        if of is None:
            return answers(messages.texts, told[column])
        asked = among(told["protocol"], of)
        return answers(messages.texts, told[column], asked) & asked

    return Said(judge, without=of is None and test(""))


def http(test: Test) -> Said:
    """HTTP messages that pass."""

    def judge(messages: Messages, told: Array) -> Mask:
        return among(told["protocol"], HTTP) & test(messages, told)

    return Said(judge)


def each(values: Array, test: Callable[[int], bool]) -> Mask:
    """(n,) bool: the test of each value, asked once per distinct one."""
    found, where = np.unique(values, return_inverse=True)
    return np.fromiter(map(test, found.tolist()), np.bool_, len(found))[where]


def urls(test: Callable[[str], bool]) -> Said:
    """HTTP messages whose URL passes."""

    def judge(messages: Messages, told: Array) -> Mask:
        def passes(place: int) -> bool:
            texts = messages.texts
            return test(url(texts[place >> 32 & 0x7FFFFFFF], texts[place & 0xFFFFFFFF], bool(place >> 63)))

        places = told["authority"].astype(np.uint64) << np.uint64(32) | told["target"]
        return each(places | told["secured"].astype(np.uint64) << np.uint64(63), passes)

    return http(judge)
