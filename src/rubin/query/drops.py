"""What was dropped, put together by what the drops have in common: the reason, who, to whom, at which port."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar
from uuid import UUID

import numpy as np

from rubin.model.codes import I64
from rubin.model.enums import Direction, DropReason, Protocol, Verdict
from rubin.model.filter import Filters
from rubin.query.dropped import WITH_PORTS, Dropped, Groups, Key
from rubin.query.places import Place, sound
from rubin.store.ring import Ring
from rubin.words.drop_reasons import meaning
from rubin.words.terms import Term, canonical, query_of

T = TypeVar("T")
Answer = dict[str, Any]

SPARK = 30
MOST_GROUPS = 1_000


def drops(ring: Ring, filters: Filters | None, since_ns: int, until_ns: int) -> Answer:
    """`groups`, the greatest first, and the `total` of drops; both times belong to the range. Of each group what all
    its drops have in common (`port` is that of who is asked), `count`, `per_minute`, the first and last, the counts of
    `SPARK` equal parts of the time, the UUID of the latest, and the `query` that asks for exactly these. "" and port 0:
    not known. `more`: so many groups are left out.

    Two ends make a pair. The `MOST_PAIRS` with the most drops are told apart. The others are put together by all that
    they have in common but their ends, and without the port, too, where there are too many of these: such a group says
    how many `pairs` it holds (elsewhere 0), and its `query` asks for the drops of the others, too. `folded_pairs`: of
    all groups.
    """
    dropped = Dropped()
    for view in ring.scan(since_ns=since_ns, until_ns=until_ns):
        rows = np.flatnonzero(view["verdict"] == Verdict.DROPPED)
        rows = rows[(view["time_ns"][rows] >= since_ns) & (view["time_ns"][rows] <= until_ns)]
        if len(rows) and filters is not None and not filters.everything:
            rows = rows[filters.mask(view.take(rows).without_lost())]
        if len(rows):
            dropped.add(view, rows)
    groups = dropped.groups()
    figures = _Figures(dropped, groups, since_ns, until_ns)
    return {
        "from_ms": since_ns / 1e6,
        "until_ms": until_ns / 1e6,
        "groups": [
            _told(groups.keys[at], groups.pairs[at]) | told
            for at, told in zip(figures.shown.tolist(), figures.rows(), strict=True)
        ],
        "total": len(groups.of),
        "more": len(groups.keys) - len(figures.shown),
        "folded_pairs": sum(groups.pairs),
    }


class _Figures:
    """How many drops each group has, when, whose; `shown` are the numbers of the greatest groups."""

    def __init__(self, dropped: Dropped, groups: Groups, since_ns: int, until_ns: int) -> None:
        self._dropped, self._since_ns, self._span_ns = dropped, since_ns, max(until_ns - since_ns, 1)
        self._of, self._size = groups.of, len(groups.keys)
        self._count = np.bincount(groups.of, minlength=self._size)
        by_time = np.lexsort((dropped.times_ns, groups.of))
        ends = np.cumsum(self._count)
        self._first, self._last = by_time[ends - self._count], by_time[ends - 1]
        latest_ns = dropped.times_ns[self._last]
        self.shown = np.lexsort((-latest_ns, -self._count))[:MOST_GROUPS]
        owned = by_time[dropped.owned[by_time]]
        self._owned: I64 = np.full(self._size, -1)
        self._owned[groups.of[owned]] = owned  # of several the last one stays, the latest

    def rows(self) -> Iterator[Answer]:
        """Those of each group that is shown."""
        times, last = self._dropped.times_ns, self._last[self.shown]
        part = np.clip((times - self._since_ns) * SPARK // self._span_ns, 0, SPARK - 1)
        sparks = np.bincount(self._of * SPARK + part, minlength=self._size * SPARK).reshape(-1, SPARK)
        ids = _by_number(last, self._dropped.ids)
        owners = _by_number(self._owned[self.shown], self._dropped.owners)
        firsts = self._first[self.shown].tolist()
        for group, first, latest in zip(self.shown.tolist(), firsts, last.tolist(), strict=True):
            count = int(self._count[group])
            yield {
                "process": owners.get(int(self._owned[group]), ""),
                "count": count,
                "per_minute": round(count * 60e9 / self._span_ns, 3),
                "first_ms": int(times[first]) / 1e6,
                "last_ms": int(times[latest]) / 1e6,
                "spark": sparks[group].tolist(),
                "uuid": uuid_text(*ids[latest]),
            }


def _by_number(drops: I64, read: Callable[[I64], Iterable[T]]) -> dict[int, T]:
    """What is read of these drops; none is -1."""
    known = np.sort(drops[drops >= 0])
    return dict(zip(known.tolist(), read(known), strict=True))


def _told(key: Key, pairs: int) -> Answer:
    reason = DropReason(key.reason).name if key.reason in DropReason._value2member_map_ else str(key.reason)
    query = query_of(canonical(sound(_terms(key, reason))))
    return {
        "key": query,
        "reason": reason if key.reason else "",
        "kernel_reason": key.kernel_reason,
        "words": meaning(key.kernel_reason) if key.kernel_reason else "",
        "source": named(key.source) if key.source else f"{pairs:,} more pairs",
        "destination": named(key.destination) if key.destination else "many",
        "port": key.port,
        "protocol": _name(Protocol, key.protocol) if key.protocol else "",
        "direction": Direction(key.direction).name.lower() if key.direction in (1, 2) else "",
        "pairs": pairs,
        "query": query,
    }


def _terms(key: Key, reason: str) -> list[Term]:
    """The filters that these drops pass."""
    terms = [Term("verdict", "DROPPED")]
    terms += key.source.terms("from") if key.source else ()
    terms += key.destination.terms("to") if key.destination else ()
    if key.kernel_reason:
        terms.append(Term("kernel-drop-reason", key.kernel_reason))
    if reason in DropReason.__members__ and (key.reason or not key.kernel_reason):
        terms.append(Term("drop-reason-desc", reason))
    if key.port:
        terms.append(Term("from-port" if key.is_back else "to-port", str(key.port)))
    if key.protocol in WITH_PORTS:
        terms.append(Term("protocol", Protocol(key.protocol).name.lower()))
    if key.direction in (1, 2):
        terms.append(Term("traffic-direction", Direction(key.direction).name.lower()))
    return terms


def named(of: Place) -> str:
    """`shop/cart`; of a place outside its name alone."""
    return f"{of.group}/{of.name}" if of.group and of.asked[:1] == (("namespace", of.group),) else of.name


def uuid_text(high: int, low: int) -> str:
    """As text; "" for none."""
    return str(UUID(int=high << 64 | low)) if high or low else ""


def _name(kind: type[Protocol], number: int) -> str:
    return kind(number).name if number in kind._value2member_map_ else str(number)
