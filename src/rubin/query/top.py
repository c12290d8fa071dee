"""Which requests are slowest, failing, busiest: exchanges put together by what they have in common."""

from dataclasses import astuple
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Array
from rubin.model.codes import U64, mix
from rubin.model.messages import PROTOCOLS, MessageType
from rubin.model.tables import Process
from rubin.query.failing import is_young
from rubin.query.gathered import Gathered, answered_late, links, seen_twice
from rubin.query.latencies import QUANTILES
from rubin.query.question import BY, MOST_ROWS, Question
from rubin.query.said import Mask, said
from rubin.store.ring import Ring

I64 = npt.NDArray[np.int64]
Answer = dict[str, Any]

_LATENCY_BITS = 40  # 18 minutes, in ns; what took longer counts as that long
_SECOND_NS = 1_000_000_000
_ROLES = ("client", "server")
MEASURES = {"busiest": "count", "slowest": "p95_ns", "failing": "errors"}
"""What rows are put in order by; of like ones the one with more exchanges comes first."""


def top(ring: Ring, question: Question, now_ns: int) -> Answer:
    """`rows`, as `Question` wants them, each an object for JSON; and of all exchanges: how many, from when to when, and
    how many events were lost meanwhile. Raises UsageError.

    An exchange that was seen at both ends counts once, as its server saw it: where a connection (its two addresses and
    ports) has exchanges from the server's socket, those of the same protocol from the client's are left out. Put
    together by process, each end counts for its own. A request that nobody answered is an error; its latency is not
    known. One that may still be answered (`failing.is_young`) does not count yet. Percentiles are exact: of n latencies
    in order that at place ⌈qn⌉.
    """
    found = looked(ring, question, now_ns)
    groups = Groups(found.once(question.by), question.by)
    chosen = groups.order(question.sort)[: question.number or MOST_ROWS]
    return found.summary() | {"rows": groups.rows(chosen, found.gathered, found.duration_ns)}


class Looked(NamedTuple):
    """The exchanges that were found, each as often as it was seen, and which of them are counted by another row."""

    seen: Array
    twice: Mask
    gathered: Gathered
    lost_events: int
    from_ns: int
    until_ns: int

    @property
    def duration_ns(self) -> int:
        """From when to when, a second at least."""
        return max(self.until_ns - self.from_ns, _SECOND_NS)

    def once(self, by: str) -> Array:
        """Those that make the rows."""
        return self.seen if by == "process" or not self.twice.any() else self.seen[~self.twice]

    def summary(self) -> Answer:
        """What there is to say of all of them."""
        failed = (self.seen["failed"] == 1) | (self.seen["type"] == MessageType.REQUEST)
        return {
            "from_ns": self.from_ns,
            "until_ns": self.until_ns,
            "count": len(self.seen) - int(self.twice.sum()),
            "errors": int(failed[~self.twice].sum()),
            "lost_events": self.lost_events,
        }


def looked(ring: Ring, question: Question, now_ns: int, elsewhere: U64 | None = None) -> Looked:
    """What the question is about. `elsewhere`: connections (`gathered.links`) whose server's socket another node saw,
    sorted. Raises UsageError.
    """
    question.check()
    gathered, lost, first_ns = Gathered(question.by), 0, _oldest(ring)
    judged_ns = min(now_ns, question.until_ns or now_ns)
    for batch in said(ring, question.since_ns, question.until_ns, question.filters):
        told = batch.tables.messages.rows(batch["message"])
        young = is_young(batch, told, judged_ns)
        gathered.add(batch.take(~young) if young.any() else batch)
        lost += sum(one.events for one in batch.lost if one.time_ns >= (question.since_ns or 0))
    seen = gathered.rows()
    if (late := answered_late(seen)).any():
        seen = seen[~late]
    twice = seen_twice(seen)
    if elsewhere is not None and len(elsewhere):
        twice |= (seen["inbound"] == 0) & np.isin(links(seen), elsewhere)
    from_ns = max(question.since_ns or 0, first_ns or now_ns)
    return Looked(seen, twice, gathered, lost, from_ns, max(from_ns, min(now_ns, question.until_ns or now_ns)))


def _oldest(ring: Ring) -> int:
    """The time of the oldest row held; 0: there is none."""
    first = next((view for view in ring.scan(as_stored=True) if len(view)), None)
    return 0 if first is None else int(first["time_ns"].min())


class Groups:
    """Exchanges by what they have in common: of each group its numbers."""

    def __init__(self, seen: Array, by: str) -> None:
        self.seen, self.by = seen, by
        keys = mix(*(seen[name] for name in BY[by]))
        _, self.first, self.group = np.unique(keys, return_index=True, return_inverse=True)
        size = len(self.first)
        unanswered = seen["type"] == MessageType.REQUEST
        self.numbers: dict[str, I64] = {
            "count": np.bincount(self.group, minlength=size),
            "failed": np.bincount(self.group[seen["failed"] == 1], minlength=size),
            "unanswered": np.bincount(self.group[unanswered], minlength=size),
        }
        self.numbers["errors"] = self.numbers["failed"] + self.numbers["unanswered"]
        for name in ("request_bytes", "response_bytes"):
            self.numbers[name] = np.bincount(self.group, seen[name], size).astype(np.int64)
        self.numbers |= self._latencies(size)

    def _latencies(self, size: int) -> dict[str, I64]:
        """The percentiles; 0: no latency is known."""
        known = np.flatnonzero(self.seen["latency_ns"])
        most = np.uint64((1 << _LATENCY_BITS) - 1)
        latency = np.minimum(self.seen["latency_ns"][known], most)
        ordered = np.sort(self.group[known].astype(np.uint64) << np.uint64(_LATENCY_BITS) | latency)
        counts = np.bincount(self.group[known], minlength=size)
        ends = np.cumsum(counts)
        found = {}
        for name, share in QUANTILES:
            place = ends - counts + np.maximum(np.ceil(share * counts).astype(np.int64), 1) - 1
            found[name] = np.zeros(size, np.int64)
            there = np.flatnonzero(counts)
            found[name][there] = ordered[place[there]] & most
        return found

    def rows(self, chosen: I64, gathered: Gathered, duration_ns: int) -> list[Answer]:
        """Of the groups of these numbers."""
        words = Words(self, chosen, gathered)
        columns = {name: numbers[chosen].tolist() for name, numbers in self.numbers.items()}
        made = []
        for at, number in enumerate(chosen.tolist()):
            numbers = {name: column[at] for name, column in columns.items()}
            made.append(words.of(number) | numbers | rates(numbers, duration_ns))
        return made

    def order(self, sort: str) -> I64:
        """The groups' numbers, the greatest first; of like ones that which was seen first."""
        return np.lexsort((self.first, -self.numbers["count"], -self.numbers[MEASURES[sort]]))


def rates(numbers: Answer, duration_ns: int) -> Answer:
    """What follows from the numbers of a row."""
    return {
        "per_second": round(numbers["count"] * _SECOND_NS / duration_ns, 3),
        "errors_percent": round(100 * numbers["errors"] / numbers["count"], 2),
    }


class _Common(NamedTuple):
    """Of a group the value that most of it have, how many different ones there are, and how many rows have this one."""

    value: int
    different: int
    rows: int


class Words:
    """What chosen groups are called, how they fail, and whose sockets theirs are."""

    def __init__(self, groups: Groups, chosen: I64, gathered: Gathered) -> None:
        self._groups, self._gathered, self._by = groups, gathered, groups.by
        seen = groups.seen
        mine = np.zeros(len(groups.first) + 1, np.bool_)
        mine[chosen] = True
        rows = np.flatnonzero(mine[groups.group])
        failed = rows[seen["error"][rows] > 0]
        self._errors = _commonest(groups.group[failed], seen["error"][failed])
        owned = rows[seen["process"][rows] > 0]
        self._owners = _commonest(groups.group[owned], seen["process"][owned])

    def of(self, number: int) -> Answer:
        """The words of one group."""
        seen, texts = self._groups.seen[self._groups.first[number]], self._gathered.texts
        row: Answer = {"protocol": PROTOCOLS[seen["protocol"]]}
        for name in BY[self._by]:
            if name in ("server", "client", "method", "target"):
                row[name] = texts[int(seen[name])]
        if "program" in BY[self._by]:
            row["role"] = _ROLES[seen["inbound"]]
        owner, error = self._owners.get(number), self._errors.get(number)
        if owner:
            row["process"] = _process(self._gathered.processes[owner.value], owner.different)
        row["error"] = texts[error.value] if error else ""
        return row

    def more(self, number: int) -> Answer:
        """What is needed to put the group together with its like of other nodes."""
        owner, error = self._owners.get(number), self._errors.get(number)
        row: Answer = {"error_count": error.rows if error else 0, "owned": owner.rows if owner else 0}
        if "program" in BY[self._by]:
            code = int(self._groups.seen[self._groups.first[number]]["program"])
            row["program"] = list(astuple(self._gathered.processes[code]))
        return row


def _commonest(group: Array, value: Array) -> dict[int, _Common]:
    """By group."""
    pairs, counts = np.unique(group.astype(np.uint64) << np.uint64(32) | value, return_counts=True)
    groups = pairs >> np.uint64(32)
    order = np.lexsort((counts, groups))
    found, different = np.unique(groups, return_counts=True)
    most = order[np.cumsum(different) - 1]
    columns = (column.tolist() for column in (found, pairs[most] & np.uint64(0xFFFFFFFF), different, counts[most]))
    return {number: _Common(*common) for number, *common in zip(*columns, strict=True)}


def _process(of: Process, different: int) -> Answer:
    """One of them, and how many there are."""
    return {
        "pid": of.pid, "command": of.command, "user": of.user, "uid": of.uid, "cgroup": of.cgroup,
        "processes": different,
    }  # fmt: skip
