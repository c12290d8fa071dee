"""The table that decides who is behind each side of a flow: a stage of the line.

For the side whose local socket the flow was seen at, its cgroup decides, else its network namespace;
so one address in two namespaces has two names. At a pod's host-side interface that interface decides.
Else the address does, then the narrowest CIDR that holds it, and what nobody told of is the world.
Of two providers the one with the higher rank is believed.
"""

import time
from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from rubin.identity.addresses import Addresses
from rubin.identity.facts import WORLD, Address, Cgroup, Fact, Interface, Network, NetworkNamespace, Provider
from rubin.identity.numbers import Identities
from rubin.identity.scopes import Namespaces, Scopes
from rubin.model.addresses import pair
from rubin.model.batch import FlowBatch
from rubin.model.enums import Direction, TracePoint
from rubin.model.lookup import Lookup
from rubin.model.tables import Endpoint, Link, Process, Tables

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_REFRESH_S = 1.0
_RENEW_S = 60.0  # what is learned of a flood of addresses is forgotten then


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
        self._providers, self._gone, self._clock = tuple(providers), gone, clock
        self._namespaces = namespaces or Namespaces()
        self._identities = Identities()
        self._endpoints: list[Endpoint] = [Endpoint()]
        self._codes: WeakKeyDictionary[Tables, I64] = WeakKeyDictionary()
        for provider in self._providers:
            provider.refresh()
        self._decide()
        self._refresh_at = self._renew_at = clock()

    def identify(self, batch: FlowBatch) -> FlowBatch:
        """The batch with both sides named."""
        self._refresh_when_due()
        if not len(batch):
            return batch
        if batch["source_endpoint"].all() and batch["destination_endpoint"].all():
            return batch
        # both sides in one go: what a look-up costs once counts in small batches
        high = np.concatenate([batch["source_high"], batch["destination_high"]])
        low = np.concatenate([batch["source_low"], batch["destination_low"]])
        numbers = self._addresses.numbers(high, low)
        source = self._side(batch, "source", numbers[: len(batch)])
        destination = self._side(batch, "destination", numbers[len(batch) :])
        return batch.with_columns(source_endpoint=source, destination_endpoint=destination)

    def who(self, address: str) -> Endpoint:
        """Who has an address, as far as it decides. Raises ValueError where it is none."""
        high, low = (np.array([half], np.uint64) for half in pair(address))
        return self._endpoints[int(self._addresses.numbers(high, low)[0])]

    def status(self) -> list[tuple[str, str]]:
        """A provider's name and what it says of itself, one a line."""
        return [(provider.name, provider.status()) for provider in self._providers]

    def _side(self, batch: FlowBatch, side: str, numbers: I64) -> npt.NDArray[np.uint32]:
        """(n,) uint32: codes into the batch's endpoints; `numbers` are the addresses' and are written to."""
        if self._scopes.of_sockets:
            _override(numbers, _at_socket(batch, side), self._of_process(batch.tables)[batch["process"]])
        if self._scopes.of_interfaces:
            _override(numbers, _at_interface(batch, side), self._of_link(batch.tables)[batch["link"]])
        codes, given = self._codes_of(numbers, batch.tables), batch[f"{side}_endpoint"]
        return np.where(given > 0, given, codes) if given.any() else codes

    def _codes_of(self, numbers: I64, tables: Tables) -> npt.NDArray[np.uint32]:
        """(n,) uint32: the codes that endpoints have in a batch's tables; new ones are added there."""
        known = self._codes.get(tables)
        if known is None or len(known) < len(self._endpoints):
            known = self._codes[tables] = np.full(len(self._endpoints), -1, np.int64)
            known[0] = 0
        codes = known[numbers]
        new = codes < 0
        if new.any():
            for number in np.unique(numbers[new]).tolist():
                known[number] = tables.endpoints.code(self._endpoints[number])
            codes = known[numbers]
        return codes.astype(np.uint32)

    def _refresh_when_due(self) -> None:
        now = self._clock()
        if now < self._refresh_at:
            return
        self._refresh_at = now + _REFRESH_S
        changed = [provider.name for provider in self._providers if provider.refresh()]
        if changed or self._scopes.moved:
            self._decide()
        elif self._addresses.full and now >= self._renew_at:
            self._renew_at = now + _RENEW_S
            self._addresses.renew()

    def _decide(self) -> None:
        """Make the table anew from what the providers tell."""
        before = {(endpoint.namespace, endpoint.pod_name) for endpoint in self._endpoints if endpoint.pod_name}
        facts = self._ranked()
        filled = self._identities.filled([WORLD, *(fact.who for fact in facts)])
        number = {who: at for at, who in enumerate(filled, 1)}
        self._endpoints = [Endpoint(), *filled.values()]
        self._codes.clear()
        self._addresses = Addresses(
            {fact.where.address: number[fact.who] for fact in facts if isinstance(fact.where, Address)},
            {fact.where.cidr: number[fact.who] for fact in facts if isinstance(fact.where, Network)},
            number[WORLD],
        )
        self._scopes = Scopes(
            {fact.where.path: number[fact.who] for fact in facts if isinstance(fact.where, Cgroup)},
            {fact.where.name: number[fact.who] for fact in facts if isinstance(fact.where, NetworkNamespace)},
            {fact.where.name: number[fact.who] for fact in facts if isinstance(fact.where, Interface)},
            self._namespaces,
        )
        self._of_process: Lookup[Process] = Lookup("processes", self._scopes.process)
        self._of_link: Lookup[Link] = Lookup("links", self._scopes.link)
        if self._gone is not None:
            for namespace, pod in before - {(one.namespace, one.pod_name) for one in self._endpoints}:
                self._gone(namespace, pod)

    def _ranked(self) -> list[Fact]:
        """All facts, those to be believed last: they overwrite the others."""
        ranked = [
            (fact.rank if fact.rank is not None else provider.rank, fact)
            for provider in self._providers
            for fact in provider.facts()
        ]
        return [fact for _, fact in sorted(ranked, key=lambda pair: pair[0])]


# The point at which a side's socket sees a packet; a drop has no point, but a direction.
_SOCKETS = {
    "source": (TracePoint.TO_STACK, Direction.EGRESS),
    "destination": (TracePoint.TO_ENDPOINT, Direction.INGRESS),
}


def _override(numbers: I64, rows: Mask, better: npt.NDArray[np.uint64]) -> None:
    """Put better numbers in where there are any."""
    rows &= better > 0
    numbers[rows] = better[rows]


def _at_socket(batch: FlowBatch, side: str) -> Mask:
    """(n,) bool: rows seen at the socket of this side."""
    point, way = _SOCKETS[side]
    points = batch["trace_point"]
    at_drop = (points == TracePoint.UNKNOWN_POINT) & (batch["traffic_direction"] == way)
    return np.asarray((points == point) | at_drop, np.bool_)


def _at_interface(batch: FlowBatch, side: str) -> Mask:
    """(n,) bool: rows seen at the host-side interface of this side."""
    point = TracePoint.FROM_ENDPOINT if side == "source" else TracePoint.TO_ENDPOINT
    # a socket's row names the interface of its own namespace, which may be called like one of ours
    return np.asarray((batch["trace_point"] == point) & (batch["socket_cookie"] == 0), np.bool_)
