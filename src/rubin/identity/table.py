"""The table that decides who is behind each side of a flow: a stage of the line.

For the side whose local socket the flow was seen at, its cgroup decides, else its network namespace;
so one address in two namespaces has two names. At a pod's host-side interface that interface decides.
Else the address does, as it was held when the packet was seen, then the narrowest CIDR that holds it,
and what nobody told of is the world. Of two providers the one with the higher rank is believed.
Where both addresses are this machine's, who is at the other end is known by that end's own flows.
What was not known is asked again when the flow is read (`again`).
"""

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from rubin.identity.addresses import Addresses
from rubin.identity.book import Book
from rubin.identity.endpoints import Endpoints
from rubin.identity.facts import HOST, WORLD, Address, Interface, Network, Provider, ServicePort, Where
from rubin.identity.pairs import Pairs
from rubin.identity.scopes import Namespaces, Scopes
from rubin.identity.services import Services
from rubin.model.addresses import pair
from rubin.model.batch import FlowBatch
from rubin.model.enums import TracePoint
from rubin.model.lookup import Lookup
from rubin.model.points import at_socket
from rubin.model.tables import Endpoint, Link, Process, Tables

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Columns = dict[str, npt.NDArray[np.uint32]]

_ASK_S = 0.1
_RENEW_S = 60.0  # what is learned of a flood of addresses is forgotten then, and what ended long ago
_ROOM = 20_000  # endpoints that nobody needs any more, beside as many as are needed


class Names:
    """Fills `source_endpoint` and `destination_endpoint` where a source has not."""

    def __init__(
        self,
        providers: Sequence[Provider],
        gone: Callable[[str, str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        namespaces: Namespaces | None = None,
    ) -> None:
        """`gone` is told (namespace, pod) when nobody tells of a pod any more."""
        self._providers, self._clock = tuple(providers), clock
        self._lock = threading.Lock()
        self._endpoints = Endpoints()
        self._book = Book(providers, self._endpoints, gone)
        self._scopes = Scopes(self._book.claims, self._endpoints, namespaces or Namespaces())
        self._of_link: Lookup[Link] = Lookup("links", self._link)
        self._begin()
        self._note(self._book.take_changes())
        self._ask_at = self._renew_at = clock()

    def _begin(self) -> None:
        self._world = self._endpoints.number(WORLD, False, provisional=True)
        self._host = self._endpoints.number(HOST, True)
        self._addresses = Addresses(self._book.claims, self._world)
        self._services = Services(self._book.claims, self._endpoints, self._addresses)
        self._pairs = Pairs(self._host)
        self._linked = False

    def identify(self, batch: FlowBatch) -> FlowBatch:
        """The batch with both sides named."""
        with self._lock:
            self._ask_when_due()
            if not len(batch):
                return batch
            given = {side: batch[f"{side}_endpoint"] for side in ("source", "destination")}
            if all(column.all() for column in given.values()):
                return batch
            named = self._sides(batch, news=True)
        for side, column in given.items():
            if column.any():
                named[f"{side}_endpoint"] = np.where(column > 0, column, named[f"{side}_endpoint"])
        return batch.with_columns(**named)

    def again(self, batch: FlowBatch) -> FlowBatch:
        """The batch with those named who were not known when it came. On any thread; the rows stay as they are."""
        codes = self._endpoints.asked_again(batch.tables)
        unknown = {side: _among(batch[f"{side}_endpoint"], codes) for side in ("source", "destination")}
        rows = np.flatnonzero(unknown["source"] | unknown["destination"])
        if not len(rows):
            return batch
        with self._lock:
            named = self._sides(batch.take(rows))
            world, host = self._endpoints.codes(np.array([self._world, self._host]), batch.tables)
        columns: Columns = {}
        for side, asked in unknown.items():
            columns[f"{side}_endpoint"] = column = batch[f"{side}_endpoint"].copy()
            before, after = column[rows], named[f"{side}_endpoint"]
            lost = (after == host) & (before != world)  # the other end of a connection within this machine
            column[rows] = np.where(asked[rows] & ~lost, after, before)
        return batch.with_columns(**columns)

    def who(self, address: str, time_ns: int | None = None) -> Endpoint:
        """Who has an address, now or then, as far as it decides. Raises ValueError where it is none."""
        high, low = (np.array([half], np.uint64) for half in pair(address))
        when = np.array([time.time_ns() if time_ns is None else time_ns])
        with self._lock:
            return self._endpoints[int(self._addresses.numbers(high, low, when)[0])]

    def owner(self, process: Process) -> Endpoint:
        """Who a process of this machine is; an empty endpoint where nothing is known."""
        tables = Tables()
        code = np.array([tables.processes.code(process)], np.uint32)
        with self._lock:
            return self._endpoints[int(self._scopes.ends(tables, code)[0][0])]

    def endpoints(self, time_ns: int | None = None) -> list[tuple[Endpoint, list[Where], int]]:
        """All that providers tell of now, or told of a time: who, where, since when (ns since the epoch, 0: always)."""
        with self._lock:
            told = self._book.told(time_ns)
            return [(self._endpoints[number], places, since_ns) for number, (places, since_ns) in told.items()]

    def status(self) -> list[tuple[str, str]]:
        """A provider's name and what it says of itself, one a line."""
        return [(provider.name, provider.status()) for provider in self._providers]

    def close(self) -> None:
        """End what providers have running."""
        for provider in self._providers:
            provider.close()

    def _sides(self, batch: FlowBatch, news: bool = False) -> Columns:
        """Both endpoint columns. `news`: these are the latest flows, from which there is to learn."""
        # both sides in one go: what a look-up costs once counts in small batches
        high = np.concatenate([batch["source_high"], batch["destination_high"]])
        low = np.concatenate([batch["source_low"], batch["destination_low"]])
        numbers = self._addresses.numbers(high, low, batch["time_ns"])
        parts = {"source": numbers[: len(batch)], "destination": numbers[len(batch) :]}
        within = (parts["source"] == self._host) & (parts["destination"] == self._host) & (batch["source_port"] > 0)
        inside = np.flatnonzero(within)
        self._services.add_ports(batch, numbers, high, low)
        if "process" in batch:
            ends, told = self._scopes.ends(batch.tables, batch["process"])
            for side, part in parts.items():
                nobodys = (part == self._host) | (part == self._world)
                _override(part, at_socket(batch, side) & (told | nobodys), ends)
        if self._linked:
            links = self._of_link(batch.tables)[batch["link"]].astype(np.int64)
            for side, part in parts.items():
                _override(part, _at_interface(batch, side), links)
        if len(inside) and "process" in batch:
            if news:
                self._pairs.learn(batch, parts, inside)
            self._pairs.fill(batch, parts, inside)
        self._services.add_asked(batch, parts)
        return {f"{side}_endpoint": self._endpoints.codes(part, batch.tables) for side, part in parts.items()}

    def _link(self, link: Link) -> int:
        """Who is behind the interface; 0: nobody known."""
        claim = self._book.claims.now(Interface(link.name)) if link.name else None
        return 0 if claim is None else claim.number

    def _ask_when_due(self) -> None:
        now = self._clock()
        if now < self._ask_at:
            return
        self._ask_at = now + _ASK_S
        self._note(self._book.take_changes())
        self._scopes.follow()
        if now >= self._renew_at:
            self._renew_at = now + _RENEW_S
            self._renew()

    def _note(self, changed: Sequence[Where]) -> None:
        """Look at changed places anew."""
        kinds = set(map(type, changed))
        if Address in kinds:
            self._addresses.note(place for place in changed if isinstance(place, Address))
        if Network in kinds:
            self._addresses.set_networks(self._networks())
        if kinds & {Address, ServicePort}:
            self._services.changed(ServicePort in kinds)
        if Interface in kinds:
            self._linked = True
            self._of_link.clear()
        if changed:
            self._scopes.note(changed)

    def _networks(self) -> dict[str, int]:
        claims = self._book.claims
        places = [place for place in claims.places() if isinstance(place, Network)]
        return {place.cidr: claim.number for place in places if (claim := claims.now(place)) is not None}

    def _renew(self) -> None:
        """Forget what is long past and what nobody needs."""
        if self._addresses.full:
            self._addresses.renew()
        self._book.forget()
        wanted = set(self._book.claims.numbers())
        if len(self._endpoints) > 2 * len(wanted) + _ROOM:
            self._book.claims.renumber(self._endpoints.keep(wanted))
            self._begin()
            self._scopes.clear()
            self._of_link.clear()
            self._note(list(self._book.claims.places()))


def _among(codes: npt.NDArray[np.uint32], wanted: Sequence[int]) -> Mask:
    """(n,) bool."""
    found = np.zeros(len(codes), np.bool_)
    for code in wanted:
        found |= codes == code
    return found


def _override(numbers: I64, rows: Mask, better: I64) -> None:
    """Put better numbers in where there are any."""
    rows &= better > 0
    numbers[rows] = better[rows]


def _at_interface(batch: FlowBatch, side: str) -> Mask:
    """(n,) bool: rows seen at the host-side interface of this side."""
    point = TracePoint.FROM_ENDPOINT if side == "source" else TracePoint.TO_ENDPOINT
    # a socket's row names the interface of its own namespace, which may be called like one of ours
    return np.asarray((batch["trace_point"] == point) & (batch["socket_cookie"] == 0), np.bool_)
