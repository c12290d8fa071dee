"""Pictures of times that are over, one after the other: what was counted for one is used again for the next."""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from weakref import WeakValueDictionary

import numpy as np

from rubin.model.batch import Array, FlowBatch
from rubin.model.codes import I64, mix
from rubin.model.messages import MessageType
from rubin.query.failing import F64, Rows, Waiting, matched
from rubin.query.picture import Picture, chosen
from rubin.query.said import connections
from rubin.ui.views.view import Lens

SLOT_NS = 1_000_000_000
_MOST_WINDOW_NS = 240 * SLOT_NS
_MOST_SLOTS = 300  # counted and kept; one of many edges is some 150 KiB
_EVER_NS = 1 << 62
_ANSWER = np.dtype([("key", "<u8"), ("slot", "<i8")])


class Album(Picture):
    """`show` makes it the picture of a window; one thread at a time.

    The figures are those of a picture that took this window alone, but that two sights of a flow are surely known as
    such only within a slot. Members, ports and protocols are those of all windows that were shown, as the live map's
    are of all the time that it has been watched.
    """

    def __init__(self, lens: Lens) -> None:
        super().__init__(lens.asked.scope, _EVER_NS)
        self.slot_ns = SLOT_NS
        self._lens = lens
        self._waiting: _Waiting = _Waiting()
        self._known: set[int] = set()  # slots that were read, also those of which nothing is held
        self._inside: set[int] = set()  # those whose parts are in the sums
        self._end_row = lens.ring.next_row

    def show(self, since_ns: int, until_ns: int) -> None:
        """Of the flows from the one to before the other, which are whole slots."""
        first, last = since_ns // SLOT_NS, until_ns // SLOT_NS - 1
        self._renew(first, last)
        self._read([slot for slot in range(first, last + 1) if slot not in self._known])
        for at, slot in enumerate(self._slots):
            if (first <= slot <= last) != (slot in self._inside):
                self._turn(at)
        self._waiting.first, self._waiting.last = first, last
        self._date(first, last)

    def _read(self, missing: list[int]) -> None:
        """Count what is held of these slots, which are in order, a run of them at a time."""
        cuts = np.flatnonzero(np.diff(missing) > 1) + 1
        for run in np.split(np.array(missing, np.int64), cuts) if missing else []:
            self.take_all(partial(self._scan, int(run[0]) * SLOT_NS, (int(run[-1]) + 1) * SLOT_NS - 1))
        self._known.update(missing)
        self._inside |= set(missing).intersection(self._slots)

    def _scan(self, since_ns: int, until_ns: int) -> Iterator[FlowBatch]:
        """What is held of a time; both ends belong to it."""
        for view in self._lens.ring.scan(None, self._end_row, since_ns=since_ns, until_ns=until_ns):
            yield chosen(view, self._lens.filters, since_ns, until_ns)

    def _renew(self, first: int, last: int) -> None:
        """Forget what is no longer as it was read: flows came late, or are held no more; and what is too much."""
        before, self._end_row = self._end_row, self._lens.ring.next_row
        views = self._lens.ring.scan(before, self._end_row, as_stored=True)
        changed = set(chain.from_iterable(np.unique(view["time_ns"] // SLOT_NS).tolist() for view in views))
        oldest = self._lens.feed.oldest_ns() // SLOT_NS
        self._drop({slot for slot in self._known if slot <= oldest} | changed & self._known)
        others = sorted(self._known - set(range(first, last + 1)), key=lambda slot: abs(slot - last))
        self._drop(set(others[max(0, _MOST_SLOTS - (last + 1 - first)) :]))

    def _drop(self, slots: set[int]) -> None:
        if not slots:
            return
        kept = [at for at, slot in enumerate(self._slots) if slot not in slots]
        for at, slot in enumerate(self._slots):
            if slot in slots & self._inside:
                self._turn(at)
        self._slots, self._parts = [self._slots[at] for at in kept], [self._parts[at] for at in kept]
        self._known -= slots
        self._waiting.drop(slots)

    def _turn(self, at: int) -> None:
        """Put what was counted of a slot into the sums, or take it out."""
        is_inside = self._slots[at] in self._inside
        for part in self._parts[at]:
            self._add(part, -1 if is_inside else 1)
        self._inside ^= {self._slots[at]}

    def _date(self, first: int, last: int) -> None:
        """The first flow of an edge is the first in the window, to the slot."""
        dates = np.zeros(len(self.pairs.edges), np.int64)
        for slot, parts in zip(reversed(self._slots), reversed(self._parts), strict=True):
            if first <= slot <= last:
                for part in parts:
                    dates[part.edges] = slot
        for at in np.flatnonzero(dates).tolist():
            self.pairs.edges[at].first_ns = int(dates[at]) * SLOT_NS + 1

    def _compact(self) -> None:
        """Too many edges: only those of the slots that are being read stay."""
        self._drop(self._known - self._inside)
        super()._compact()


class _Waiting(Waiting):
    """Requests and answers by slot, matched where they are looked at: the slots from `first` to `last`."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.last = 0
        self._answers = np.zeros(0, _ANSWER)

    def take(self, batch: FlowBatch, said: Rows, told: Array, edge: I64, slot: int) -> None:
        """More messages that count."""
        asks = told["type"] == MessageType.REQUEST
        super().take(batch, said[asks], told[asks], edge[asks], slot)
        answers = np.flatnonzero(told["type"] == MessageType.RESPONSE)
        if len(answers):
            new = np.zeros(len(answers), _ANSWER)
            new["key"] = mix(connections(batch.take(said[answers]).without_lost()), told["protocol"][answers])
            new["slot"] = slot
            self._answers = np.concatenate([self._answers, new])

    def failed(self, now_ns: int, edges: int) -> F64:
        """(edges,) how many of each edge nobody has answered within the slots."""
        asks, answers = (rows[self._seen(rows)] for rows in (self._rows, self._answers))
        late = asks[~matched(asks["key"], answers["key"]) & (asks["patient_ns"] <= now_ns)]
        return np.bincount(late["edge"], minlength=edges).astype(np.float64)

    def drop(self, slots: set[int]) -> None:
        """Forget these."""
        gone = np.array(sorted(slots))
        self._rows, self._answers = (rows[~np.isin(rows["slot"], gone)] for rows in (self._rows, self._answers))

    def _seen(self, rows: Array) -> Array:
        seen: Array = (rows["slot"] >= self.first) & (rows["slot"] <= self.last)
        return seen


_albums: WeakValueDictionary[tuple[int, str, str], Album] = WeakValueDictionary()  # as long as a view of it is there


def album_of(lens: Lens) -> Album | None:
    """The album of the lens's question, shared by all times of it, at its time; None where that is no whole slots."""
    time = lens.asked.time
    if time.mode != "at" or time.window_ns > _MOST_WINDOW_NS or time.since_ns % SLOT_NS or time.until_ns % SLOT_NS:
        return None
    key = id(lens.feed), lens.asked.query, lens.asked.scope
    album = _albums.get(key) or _albums.setdefault(key, Album(lens))
    album.show(time.since_ns, time.until_ns)
    return album
