"""Which flow is meant: by its UUID, or the latest between two."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from rubin.errors import UsageError
from rubin.model import addresses
from rubin.model.batch import FlowBatch
from rubin.model.exchanges import added, expanded
from rubin.model.tables import Tables
from rubin.query.explaining.held import Held
from rubin.query.explaining.parties import Mask, Pair, Party, nearest
from rubin.query.explaining.phrases import moment
from rubin.query.finding import Digits

_ID = ("time_ns", "uuid_high", "uuid_low", "is_reply", "message")
_SIDES = (("source", "destination"), ("destination", "source"))


class Meant(NamedTuple):
    """One row as stored; else what can be said instead."""

    row: FlowBatch | None
    lines: tuple[str, ...] = ()


def by_uuid(held: Held, text: str) -> Meant:
    """The flow whose UUID begins or ends so. Raises UsageError for what is no UUID, and for several."""
    digits, found, count = Digits(text), None, 0
    for view in held.views:
        mine = digits.mask(view)
        said = np.flatnonzero(view["message"])
        if len(said):  # the request of an exchange has a UUID that no stored row has
            flows = expanded(FlowBatch({name: view[name][said] for name in _ID}, view.tables))
            codes = np.unique(flows["message"][digits.mask(flows)])
            mine[said] = np.isin(view["message"][said], codes)
            mine &= ~added(view)  # of both flows of an exchange, as a follower's ring has them, the second is the row
        rows = np.flatnonzero(mine)
        count += len(rows)
        found = _row(view, int(rows[0])) if len(rows) else found
    if count > 1:
        raise UsageError(f"{count:,} flows have a UUID that begins or ends with '{text}'", "more of its digits")
    if found is None:
        return Meant(None, (f"No flow that is held has the UUID '{text}'.", _reach(held)))
    return Meant(found)


def by_pair(held: Held, source: str, destination: str) -> Meant:
    """The latest flow of a connection from the one to the other. Raises UsageError for what names nobody."""
    pair = Pair.of(source, destination)
    row = _latest(held, pair.mask)
    return Meant(row) if row is not None else Meant(None, tuple(_nothing(held, pair, source, destination)))


def _latest(held: Held, meant: Callable[[FlowBatch], Mask]) -> FlowBatch | None:
    """The latest row that is meant."""
    found, time_ns = None, 0
    for view in reversed(held.views):
        # What is said comes later than the packets that it was said in, so another segment may have something newer.
        later = np.flatnonzero(view["time_ns"] > time_ns)
        view = view if len(later) == len(view) else view.take(later)
        rows = np.flatnonzero(meant(view))
        if len(rows):
            found = _row(view, int(rows[np.argmax(view["time_ns"][rows])]))
            time_ns = int(found["time_ns"][0])
    return found


def _row(view: FlowBatch, at: int) -> FlowBatch:
    return view.take(np.array([at])).without_lost()


def _nothing(held: Held, pair: Pair, source: str, destination: str) -> Iterator[str]:
    """That there is none, and what is known of either."""
    yield f"No flow from {source} to {destination} is held."
    yield _reach(held)
    other_way = Pair(pair.destination, pair.source, 0)
    back = _latest(held, other_way.mask)
    if back is not None:
        at = moment(int(back["time_ns"][0]))
        yield f"There are flows the other way, from {pair.destination.text} to {pair.source.text}, last at {at}."
    if pair.port and (without := _latest(held, pair._replace(port=0).mask)) is not None:
        side = "source" if without["is_reply"][0] == 1 else "destination"
        port, at = int(without[f"{side}_port"][0]), moment(int(without["time_ns"][0]))
        yield f"There are flows between the two at another port: {port}, last at {at}."
    tables = list(dict.fromkeys(view.tables for view in held.views))
    for party in (pair.source, pair.destination):
        yield _known(held, tables, party)


def _known(held: Held, tables: list[Tables], party: Party) -> str:
    """What is known of one of the two."""
    rows = [(_latest(held, partial(party.mask, side=side)), side, other) for side, other in _SIDES]
    seen = [(int(row["time_ns"][0]), row, side, other) for row, side, other in rows if row is not None]
    if seen:
        time_ns, row, side, other = max(seen, key=lambda one: one[0])
        return f"{party.text} is known, last seen at {moment(time_ns)} as {_as(row, side, other)}."
    near = nearest(tables, party.text)
    return f"Nobody in the ring is called {party.text}" + (f"; the nearest: {', '.join(near)}." if near else ".")


def _as(row: FlowBatch, side: str, other: str) -> str:
    """`the source of a flow to shop/web`."""
    (endpoint,) = row.rows(f"{other}_endpoint")
    name = endpoint.called or addresses.text(row[f"{other}_high"][0], row[f"{other}_low"][0])
    return f"the {side} of a flow {'to' if side == 'source' else 'from'} {name}"


def _reach(held: Held) -> str:
    """How far back the ring goes."""
    least = [int(view["time_ns"].min()) for view in held.views]
    if not least:
        return "The ring holds no flows at all."
    return f"The ring reaches back to {moment(min(least))} ({held.flows:,} flows)."
