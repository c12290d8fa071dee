"""Rows of many nodes' requests, put together."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from rubin.query.latencies import QUANTILES, Counts
from rubin.query.question import BY, MOST_ROWS, Question
from rubin.query.top import I64, MEASURES, Answer, rates

_ADDED = ("count", "failed", "unanswered", "errors", "request_bytes", "response_bytes")
_SAID = {"inbound": "role"}  # how a row calls it
_SECOND_NS = 1_000_000_000
_OWN = ("error_count", "owned", "program")  # what parts have beyond rows


def merged(parts: Mapping[str, Answer], question: Question) -> Answer:
    """As `top.top`, of what each node told (`top_parts.part`), by the node's name; there is one at least.

    Numbers add up. Percentiles of a row that several nodes tell of are within 1 % of the exact ones, the maximum is
    exact, and so are all of a row that one node alone tells of. The time is that of the node that reaches back
    furthest; `nodes` says of each how far it does. Where nodes had more rows than they may tell, `left_out` says how
    much a row can miss: `most`, of what rows are in order by; `is_sure`: no row that is not there can belong before the
    last one.
    """
    from_ns, until_ns = min(one["from_ns"] for one in parts.values()), max(one["until_ns"] for one in parts.values())
    groups = _Groups(list(parts.values()), question.by)
    chosen = groups.order(question.sort)[: min(question.number or MOST_ROWS, MOST_ROWS)]
    rows = [groups.row(number, max(until_ns - from_ns, _SECOND_NS)) for number in chosen.tolist()]
    return {
        "from_ns": from_ns,
        "until_ns": until_ns,
        **{name: sum(one[name] for one in parts.values()) for name in ("count", "errors", "lost_events")},
        "rows": rows,
        "nodes": [
            {"name": name, **{key: one[key] for key in ("from_ns", "count", "lost_events")}}
            for name, one in parts.items()
        ],
        "left_out": _left_out([one["left_out"] for one in parts.values()], question, rows),
    }


class _Groups:
    """Rows that are of the same, in the order in which they were told, with their numbers."""

    def __init__(self, parts: list[Answer], by: str) -> None:
        self._alike: list[list[Answer]] = []
        known: dict[tuple[Any, ...], int] = {}
        of_parts: list[I64] = []
        for part in parts:
            groups = [known.setdefault(_key(row, by), len(known)) for row in part["rows"]]
            self._alike += [[] for _ in range(len(known) - len(self._alike))]
            for group, row in zip(groups, part["rows"], strict=True):
                self._alike[group].append(row)
            of_parts.append(np.array(groups, np.int64))
        size, told = len(known), zip(of_parts, parts, strict=True)
        counts = ((groups, Counts.read(part["latencies"])) for groups, part in told)
        latencies = Counts.added([one._replace(groups=groups[one.groups]) for groups, one in counts])
        self.numbers: dict[str, I64] = {name: self._of_all(name, sum) for name in _ADDED}
        most_ns = self._of_all("max_ns", max)
        alone = np.array([len(rows) == 1 for rows in self._alike], np.bool_)
        for name, share in QUANTILES:
            exact = self._of_all(name, max)
            self.numbers[name] = np.where(alone, exact, np.minimum(latencies.percentiles_ns(size, share), most_ns))
        self.numbers["max_ns"] = most_ns

    def _of_all(self, name: str, put: Callable[[Iterable[int]], int]) -> I64:
        return np.array([put(row[name] for row in rows) for rows in self._alike], np.int64)

    def order(self, sort: str) -> I64:
        """The groups' numbers, the greatest first; of like ones that which was told first."""
        found: I64 = np.lexsort((-self.numbers["count"], -self.numbers[MEASURES[sort]]))
        return found

    def row(self, number: int, duration_ns: int) -> Answer:
        """One group for JSON."""
        alike = self._alike[number]
        row: Answer = {name: value for name, value in alike[0].items() if name not in _OWN}
        row |= {name: int(numbers[number]) for name, numbers in self.numbers.items()}
        row |= rates(row, duration_ns) | {"error": _commonest((one["error"], one["error_count"]) for one in alike)}
        owned = [one for one in alike if "process" in one]
        if owned:
            most = max(owned, key=lambda one: int(one["owned"]))["process"]
            row["process"] = most | {"processes": sum(one["process"]["processes"] for one in owned)}
        return row


def _key(row: Answer, by: str) -> tuple[Any, ...]:
    return tuple(tuple(row[name]) if name == "program" else row.get(_SAID.get(name, name)) for name in BY[by])


def _commonest(words: Iterable[tuple[str, int]]) -> str:
    counts: Counter[str] = Counter()
    for word, count in words:
        counts[word] += count
    return counts.most_common(1)[0][0]


def _left_out(told: list[Answer], question: Question, rows: list[Answer]) -> Answer:
    """What is not in the rows because nodes had too many of them; {}: nothing."""
    count = sum(one["rows"] for one in told)
    if not count:
        return {}
    # A percentile of a whole is no greater than the greatest of its parts; numbers add up.
    most = (max if question.sort == "slowest" else sum)(one["most"] for one in told)
    is_sure = bool(rows) and rows[-1][MEASURES[question.sort]] >= most
    return {"rows": count, "most": most, "is_sure": is_sure, "sort": question.sort}
