"""What happened for the first time in what is held: drops, errors, nodes, losses. The bar of time steps to these."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from rubin.model.batch import Array, FlowBatch, Lost
from rubin.model.codes import mix
from rubin.model.enums import DropReason, Verdict
from rubin.model.tables import Tables
from rubin.query.dropped import end
from rubin.query.drops import named
from rubin.query.failing import went_wrong
from rubin.query.pairs import goes_back
from rubin.query.places import DEFAULT_SCOPE, place
from rubin.ui.feed import Gap

_SECOND_NS = 1_000_000_000
_UNKNOWN_NS = 5_000_000_000  # what is first seen so soon after the beginning may be as old as what is not held
_APART_NS = 10_000_000_000  # losses so close to each other are one
_MOST_GROUPS = 2_000  # told apart; others are put together by their reason
_MOST_NEW = 50  # of these in one batch: naming one takes some 50 us
_MOST_EVENTS, _MOST_TOLD = 1_000, 200


class Kind(IntEnum):
    """Of an event; the numbers travel to the browser."""

    DROP = 1
    ERROR = 2
    NODE = 3
    LOSS = 4
    GAP = 5


_Group = tuple[Kind, str]  # what is new once, in words


@dataclass(frozen=True, slots=True)
class Event:
    """When it was, ns since the epoch, and what, in words. `count`: of how many like it these words are the first's."""

    time_ns: int
    kind: Kind
    words: str
    count: int = 1


class Events:
    """`take` flows as they come, and `breaks` of the feed; `told` are the events, the oldest first.

    A group of drops is new by its reason, ends and port, an error by its ends and port. One that was forgotten with the
    last of its flows is new when it comes again.
    """

    def __init__(self, began_ns: int) -> None:
        """`began_ns`: the time of the oldest flow held; what was there from the beginning is no event."""
        self._known_ns = began_ns + _UNKNOWN_NS
        self._events: dict[tuple[int, Kind], Event] = {}  # by the second and the kind: a flood is one
        self._last: dict[_Group, int] = {}  # of each group the time of its latest flow
        self._tables: Tables | None = None
        self._groups: dict[int, _Group] = {}  # by keys that mean something in these tables alone
        self._told: tuple[int, list[Event]] | None = None

    def take(self, batch: FlowBatch, most_new: int = _MOST_NEW) -> None:
        """More flows, and what was lost between them."""
        if batch.tables is not self._tables:
            self._tables, self._groups = batch.tables, {}
        for lost in batch.lost:
            self._lose(lost)
        if not len(batch):
            return
        self._nodes(batch)
        wrong = np.flatnonzero(went_wrong(batch) & (batch["verdict"] != Verdict.AUDIT))
        if len(wrong):
            self._wrong(batch.take(wrong), most_new)

    def breaks(self, gaps: Iterable[Gap]) -> None:
        """Times that nobody has read."""
        for gap in gaps:
            self._add(Event(gap.until_ns, Kind.GAP, f"flows may be missing: {gap.why}"))

    def forget(self, before_ns: int) -> None:
        """What is older is held no longer."""
        if any(last < before_ns for last in self._last.values()):
            self._last = {key: last for key, last in self._last.items() if last >= before_ns}
        if any(event.time_ns < before_ns for event in self._events.values()):
            self._events = {key: event for key, event in self._events.items() if event.time_ns >= before_ns}
            self._told = None

    def told(self, width_ns: int) -> list[Event]:
        """The latest, those of a kind and a bucket of this width as one."""
        if self._told is None or self._told[0] != width_ns:
            found: dict[tuple[int, Kind], Event] = {}
            for event in sorted(self._events.values(), key=lambda one: one.time_ns):
                _put(found, event, width_ns)
            self._told = width_ns, list(found.values())[-_MOST_TOLD:]
        return self._told[1]

    def _lose(self, lost: Lost) -> None:
        key = Kind.LOSS, f"{lost.source} {lost.node_name}"
        before = self._last.get(key)
        self._last[key] = max(lost.time_ns, before or 0)
        if before is None or lost.time_ns > before + _APART_NS:
            place = lost.place or lost.source.name.lower().replace("_", " ")
            self._add(Event(lost.time_ns, Kind.LOSS, f"events lost: {place}"))

    def _nodes(self, batch: FlowBatch) -> None:
        codes, first, where = np.unique(batch["node_name"], return_index=True, return_inverse=True)
        for at, code in enumerate(codes.tolist()):
            if name := batch.tables.strings[code]:
                times, first_ns = batch["time_ns"][where == at], int(batch["time_ns"][first[at]])
                self._seen((Kind.NODE, f"first flow of the node {name}"), first_ns, int(times.max()))

    def _wrong(self, rows: FlowBatch, most_new: int) -> None:
        """Rows that are drops and errors."""
        times, dropped, back = rows["time_ns"], rows["verdict"] == Verdict.DROPPED, goes_back(rows)
        port = np.where(back, rows["source_port"], rows["destination_port"])
        common = mix(dropped, *(np.where(dropped, rows[name], 0) for name in ("drop_reason", "kernel_drop_reason")))
        distinct, first, where = np.unique(
            mix(common, back, port, *_ends(rows)), return_index=True, return_inverse=True
        )
        earliest, latest = np.full(len(distinct), np.iinfo(np.int64).max), np.zeros(len(distinct), np.int64)
        np.minimum.at(earliest, where, times)
        np.maximum.at(latest, where, times)
        keys = distinct.tolist()
        new = [at for at in np.argsort(earliest).tolist() if keys[at] not in self._groups]
        room = min(most_new, max(0, _MOST_GROUPS - len(self._last)))
        for at in new[:room]:
            row = int(first[at])
            self._groups[keys[at]] = _group(rows, row, _ends_of(rows, row, bool(back[row]), int(port[row])))
        many: dict[int, _Group] = {}
        for at, reason in zip(new[room:], common[first[new[room:]]].tolist(), strict=True):
            if reason not in many:
                many[reason] = _group(rows, int(first[at]), "of many")
            self._groups[keys[at]] = many[reason]
        for key, first_ns, last_ns in zip(keys, earliest.tolist(), latest.tolist(), strict=True):
            self._seen(self._groups[key], first_ns, last_ns)
        if len(self._groups) > 10 * _MOST_GROUPS:
            self._groups.clear()

    def _seen(self, group: _Group, first_ns: int, last_ns: int) -> None:
        before = self._last.get(group)
        self._last[group] = max(last_ns, before or 0)
        if before is None and first_ns >= self._known_ns:
            self._add(Event(first_ns, *group))

    def _add(self, event: Event) -> None:
        _put(self._events, event, _SECOND_NS)
        if len(self._events) > _MOST_EVENTS:
            self._events.pop(next(iter(self._events)))
        self._told = None


def _put(events: dict[tuple[int, Kind], Event], event: Event, width_ns: int) -> None:
    """Beside those of its kind and its bucket: the first one's words stay."""
    key = event.time_ns // width_ns, event.kind
    other = events.get(key)
    first = event if other is None or event.time_ns < other.time_ns else other
    events[key] = replace(first, count=event.count + (other.count if other else 0))


def _group(rows: FlowBatch, row: int, ends: str) -> _Group:
    """What a row is alike with."""
    if rows["verdict"][row] == Verdict.DROPPED:
        return Kind.DROP, f"first drop: {_reason(rows, row)} {ends}"
    return Kind.ERROR, f"first error: {ends}"


def _ends_of(rows: FlowBatch, row: int, back: bool, port: int) -> str:
    """Of an error from who asked, of a drop as the packet went."""
    is_turned = back and rows["verdict"][row] != Verdict.DROPPED
    sides = ("destination", "source") if is_turned else ("source", "destination")
    one, other = (named(place(DEFAULT_SCOPE, end(rows, row, side))) for side in sides)
    return f"{one} → {other}" + (f" port {port}" if port else "")


def _reason(rows: FlowBatch, row: int) -> str:
    kernel: str = rows.tables.strings[int(rows["kernel_drop_reason"][row])]
    number = int(rows["drop_reason"][row])
    return kernel or (DropReason(number).name if number in DropReason._value2member_map_ else str(number))


def _ends(rows: FlowBatch) -> Iterable[Array]:
    """(n,) what tells ends apart: of who has a name the addresses do not matter."""
    for side in ("source", "destination"):
        nameless = rows[f"{side}_endpoint"] == 0
        yield rows[f"{side}_endpoint"]
        yield np.where(nameless, rows[f"{side}_high"], 0)
        yield np.where(nameless, rows[f"{side}_low"], 0)
