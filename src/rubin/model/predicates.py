"""What each filter field asks of a batch: numbers as masks of columns, texts of distinct table rows only."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from rubin.model import enums
from rubin.model.batch import FlowBatch
from rubin.model.columns import COLUMNS, DTYPES
from rubin.model.points import at_socket

Mask = npt.NDArray[np.bool_]
RowTest = Callable[[Any], bool]

_UNKNOWN, _NO, _YES = -1, 0, 1
_FEW = 8  # up to here comparing a column with each value beats looking it up
_SPARSE = 64  # one row of so many left: picking them out beats judging all
_WITH_PORTS = (enums.Protocol.TCP, enums.Protocol.UDP, enums.Protocol.SCTP)


class Asked(Protocol):
    """What has rows by code: a table, texts."""

    def __getitem__(self, code: int, /) -> Any:
        """The row."""

    def __len__(self) -> int:
        """How many there are."""


class Predicate(Protocol):
    """Judges rows of a batch; `left` says which ones still matter."""

    def __call__(self, batch: FlowBatch, left: Mask | None, /) -> Mask:
        """(n,) bool; what it says of rows that are not left means nothing."""


class Answers:
    """A test of the rows of tables, asked once per distinct row. The answers are kept as long as the tables live, and
    grow with them.
    """

    def __init__(self, tests: Sequence[RowTest]) -> None:
        self.tests = tests
        self._answers: WeakKeyDictionary[Any, npt.NDArray[np.int8]] = WeakKeyDictionary()

    def __call__(self, table: Asked, codes: npt.NDArray[Any], left: Mask | None = None) -> Mask:
        """(n,) bool; rows whose answer is not known yet and that do not matter are not asked."""
        answers = self._known(table)
        judged = answers.take(codes)
        missing = judged == _UNKNOWN
        if left is not None:
            missing &= left
        if missing.any():
            for code in np.unique(codes[missing]).tolist():
                row = table[code]
                answers[code] = _YES if all(test(row) for test in self.tests) else _NO
            judged = answers.take(codes)
        passed: Mask = judged == _YES
        return passed

    def _known(self, table: Asked) -> npt.NDArray[np.int8]:
        answers, size = self._answers.get(table), len(table)
        if answers is None or len(answers) < size:
            grown = np.full(max(2 * size, 64), _UNKNOWN, np.int8)
            if answers is not None:
                grown[: len(answers)] = answers
            self._answers[table] = answers = grown
        return answers


class Rows:
    """A test of what a code column points to."""

    def __init__(self, column: str, tests: Sequence[RowTest]) -> None:
        self.column = column
        self.answers = Answers(tests)

    def __call__(self, batch: FlowBatch, left: Mask | None, /) -> Mask:
        """(n,) bool."""
        return self.answers(batch.tables[COLUMNS[self.column].table], batch[self.column], left)


class Cells:
    """A test of the number columns."""

    def __init__(self, test: Callable[[FlowBatch], Mask]) -> None:
        self._test = test

    def __call__(self, batch: FlowBatch, _left: Mask | None, /) -> Mask:
        """(n,) bool."""
        return self._test(batch)


def merged(predicates: Iterable[Predicate]) -> list[Predicate]:
    """The same judgement in fewer passes: what is cheap first, and one pass a code column."""
    found = list(predicates)
    tests: dict[str, list[RowTest]] = {}
    for predicate in found:
        if isinstance(predicate, Rows):
            tests.setdefault(predicate.column, []).extend(predicate.answers.tests)
    cells = [predicate for predicate in found if isinstance(predicate, Cells)]
    others = [predicate for predicate in found if not isinstance(predicate, (Cells, Rows))]
    return [*cells, *(Rows(column, row_tests) for column, row_tests in tests.items()), *others]


def one_of(column: str, values: Iterable[int]) -> Cells:
    """Rows whose cell is one of the values; a value that the column cannot hold matches nothing."""
    limits = np.iinfo(DTYPES[column])
    wanted = sorted({value for value in values if limits.min <= value <= limits.max})
    return Cells(lambda batch: among(batch[column], wanted))


def among(array: npt.NDArray[Any], wanted: Sequence[int]) -> Mask:
    """(n,) bool: whether each number is one of those wanted."""
    found: Mask
    if len(wanted) > _FEW:
        found = np.isin(array, np.array(wanted, array.dtype))
        return found
    found = np.zeros(len(array), np.bool_)
    for value in wanted:
        found |= array == array.dtype.type(value)
    return found


def endpoint(side: str, test: RowTest) -> Rows:
    """Rows whose endpoint on a side passes; nobody known there is an empty one."""
    return Rows(f"{side}_endpoint", (test,))


def local(side: str, test: RowTest) -> Predicate:
    """Rows of a local socket on this side whose owner passes."""
    rows = Rows("process", (test,))

    def judge(batch: FlowBatch, left: Mask | None, /) -> Mask:
        return rows(batch, left) & at_socket(batch, side)

    return judge


def addresses(side: str, contains: Callable[[npt.NDArray[Any], npt.NDArray[Any]], Mask]) -> Predicate:
    """Packets whose address on this side is one of those that `contains` (high, low) knows."""

    def test(batch: FlowBatch, left: Mask | None, /) -> Mask:
        high, low, version = batch[f"{side}_high"], batch[f"{side}_low"], batch["ip_version"]
        if left is None or _SPARSE * np.count_nonzero(left) > len(left):
            found = contains(high, low)
            found &= version != 0
            return found
        rows = np.flatnonzero(left)
        found = np.zeros(len(left), np.bool_)
        found[rows] = contains(high[rows], low[rows]) & (version[rows] != 0)
        return found

    return test


def ports(side: str, values: Iterable[int]) -> Cells:
    """TCP, UDP and SCTP packets with one of the ports on this side."""
    wanted = sorted(set(values))

    def test(batch: FlowBatch) -> Mask:
        return among(batch[f"{side}_port"], wanted) & among(batch["protocol"], _WITH_PORTS)

    return Cells(test)


def replies(values: Iterable[bool]) -> Cells:
    """Rows with one of these directions; a drop of unknown direction counts as no reply, as in Hubble."""
    wanted = sorted({int(value) for value in values})

    def test(batch: FlowBatch) -> Mask:
        reply = batch["is_reply"]
        found = among(reply, wanted)
        if 0 in wanted:
            found |= (reply < 0) & (batch["verdict"] == enums.Verdict.DROPPED)
        return found

    return Cells(test)


def dropped_for(reasons: Iterable[int]) -> Cells:
    """Dropped packets with one of these reasons."""
    reason = one_of("drop_reason", reasons)
    return Cells(lambda batch: reason(batch, None) & (batch["verdict"] == enums.Verdict.DROPPED))


def event_types(wanted: Iterable[tuple[int, bool, int]]) -> Cells:
    """Rows with one of these (type, match_sub_type, sub_type); type 0 is any type."""
    entries = sorted(set(wanted))
    limit = 255  # what the columns can hold

    def test(batch: FlowBatch) -> Mask:
        types, found = batch["event_type"], np.zeros(len(batch), np.bool_)
        for kind, match_sub_type, sub_type in entries:
            if not 0 <= kind <= limit or (match_sub_type and not 0 <= sub_type <= limit):
                continue
            hit = types == kind if kind else types != 0
            found |= hit & (batch["event_sub_type"] == sub_type) if match_sub_type else hit
        return found

    return Cells(test)


def tcp_flags(wanted: Iterable[int]) -> Cells:
    """TCP packets in which all flags of one of these sets are set."""
    sets = sorted({int(flags) for flags in wanted if 0 <= flags <= np.iinfo(DTYPES["tcp_flags"]).max})

    def test(batch: FlowBatch) -> Mask:
        flags, found = batch["tcp_flags"], np.zeros(len(batch), np.bool_)
        for bits in sets:
            found |= (flags & bits) == bits
        found &= batch["protocol"] == enums.Protocol.TCP
        return found

    return Cells(test)


def uuids(wanted: Iterable[tuple[int, int]]) -> Cells:
    """Rows with one of these (high, low)."""
    pairs = set(wanted) - {(0, 0)}  # a flow without one

    def test(batch: FlowBatch) -> Mask:
        found = among(batch["uuid_low"], sorted({low for _, low in pairs}))
        for row in np.flatnonzero(found).tolist():
            found[row] = (int(batch["uuid_high"][row]), int(batch["uuid_low"][row])) in pairs
        return found

    return Cells(test)
