"""Which requests are slowest, failing, busiest: exchanges put together by what they have in common."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Array
from rubin.model.codes import mix
from rubin.model.messages import PROTOCOLS, MessageType
from rubin.model.tables import Process
from rubin.query.failing import is_young
from rubin.query.gathered import Gathered, answered_late, seen_twice
from rubin.query.question import BY, MOST_ROWS, Question
from rubin.query.said import said
from rubin.store.ring import Ring

I64 = npt.NDArray[np.int64]
Answer = dict[str, Any]

_LATENCY_BITS = 40  # 18 minutes, in ns; what took longer counts as that long
_QUANTILES = (("p50_ns", 0.5), ("p95_ns", 0.95), ("p99_ns", 0.99), ("max_ns", 1.0))
_SECOND_NS = 1_000_000_000
_ROLES = ("client", "server")


def top(ring: Ring, question: Question, now_ns: int) -> Answer:
    """`rows`, as `Question` wants them, each an object for JSON; and of all exchanges: how many, from when to when, and
    how many events were lost meanwhile. Raises UsageError.

    An exchange that was seen at both ends counts once, as its server saw it: where a connection (its two addresses and
    ports) has exchanges from the server's socket, those of the same protocol from the client's are left out. Put
    together by process, each end counts for its own. A request that nobody answered is an error; its latency is not
    known. One that may still be answered (`failing.is_young`) does not count yet. Percentiles are exact: of n latencies
    in order that at place ⌈qn⌉.
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
    once = seen if question.by == "process" or not twice.any() else seen[~twice]
    from_ns = max(question.since_ns or 0, first_ns or now_ns)
    until_ns = max(from_ns, min(now_ns, question.until_ns or now_ns))
    return {
        "from_ns": from_ns,
        "until_ns": until_ns,
        "count": len(seen) - int(twice.sum()),
        "errors": int(((seen["failed"] == 1) | (seen["type"] == MessageType.REQUEST))[~twice].sum()),
        "lost_events": lost,
        "rows": _Groups(once, question.by).rows(gathered, question, max(until_ns - from_ns, _SECOND_NS)),
    }


def _oldest(ring: Ring) -> int:
    """The time of the oldest row held; 0: there is none."""
    first = next((view for view in ring.scan(as_stored=True) if len(view)), None)
    return 0 if first is None else int(first["time_ns"].min())


class _Groups:
    """Exchanges by what they have in common: of each group its numbers."""

    def __init__(self, seen: Array, by: str) -> None:
        self.seen = seen
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
        for name, share in _QUANTILES:
            place = ends - counts + np.maximum(np.ceil(share * counts).astype(np.int64), 1) - 1
            found[name] = np.zeros(size, np.int64)
            there = np.flatnonzero(counts)
            found[name][there] = ordered[place[there]] & most
        return found

    def rows(self, gathered: Gathered, question: Question, duration_ns: int) -> list[Answer]:
        """The first ones in the order that is asked for."""
        chosen = self._order(question.sort)[: min(question.number or MOST_ROWS, MOST_ROWS)]
        words = _Words(self, chosen, gathered, question.by)
        columns = {name: numbers[chosen].tolist() for name, numbers in self.numbers.items()}
        made = []
        for at, number in enumerate(chosen.tolist()):
            row: Answer = words.of(number) | {name: column[at] for name, column in columns.items()}
            row["per_second"] = round(row["count"] * _SECOND_NS / duration_ns, 3)
            row["errors_percent"] = round(100 * row["errors"] / row["count"], 2)
            made.append(row)
        return made

    def _order(self, sort: str) -> I64:
        """The groups' numbers, the greatest first; of like ones that which was seen first."""
        count = -self.numbers["count"]
        by = {
            "busiest": (count,),
            "slowest": (count, -self.numbers["p95_ns"]),
            "failing": (count, -self.numbers["errors"]),
        }
        return np.lexsort((self.first, *by[sort]))


class _Common(NamedTuple):
    """Of a group the value that most of it have, and how many different ones there are."""

    value: int
    different: int


class _Words:
    """What chosen groups are called, how they fail, and whose sockets theirs are."""

    def __init__(self, groups: _Groups, chosen: I64, gathered: Gathered, by: str) -> None:
        self._groups, self._gathered, self._by = groups, gathered, by
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


def _commonest(group: Array, value: Array) -> dict[int, _Common]:
    """By group."""
    pairs, counts = np.unique(group.astype(np.uint64) << np.uint64(32) | value, return_counts=True)
    groups = pairs >> np.uint64(32)
    order = np.lexsort((counts, groups))
    found, different = np.unique(groups, return_counts=True)
    values = pairs[order][np.cumsum(different) - 1] & np.uint64(0xFFFFFFFF)
    columns = (column.tolist() for column in (found, values, different))
    return {number: _Common(value, count) for number, value, count in zip(*columns, strict=True)}


def _process(of: Process, different: int) -> Answer:
    """One of them, and how many there are."""
    return {
        "pid": of.pid, "command": of.command, "user": of.user, "uid": of.uid, "cgroup": of.cgroup,
        "processes": different,
    }  # fmt: skip
