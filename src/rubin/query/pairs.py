"""Whom a flow is between, at a scope: its edge, and whether it is the one of two sights of it that counts."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Array, FlowBatch
from rubin.model.codes import I64, Codes, mix
from rubin.model.enums import Protocol, TCPFlags, Verdict
from rubin.model.points import at_socket
from rubin.model.tables import Tables
from rubin.query.places import End, Place, check_scope, member, place
from rubin.query.sides import Ends, Sides

Mask = npt.NDArray[np.bool_]

_MOST_PAIRS = 200_000
_EPHEMERAL = 32_768  # Linux takes the ports of who opens from here on
_KEPT_MEMBERS = 10_000
_PARTS = ("high", "low", "port", "endpoint")


@dataclass(slots=True)
class Edge:
    """From who opens to who is asked, by their numbers. `first_ns`: of its first flow; `protocol` as in messages."""

    source: int
    destination: int
    first_ns: int
    ports: Counter[str] = field(default_factory=Counter)
    protocol: int = 0


class _Sights(NamedTuple):
    """Rows by who asked and who was asked, whichever way they go."""

    asker: Ends
    asked: Ends
    tags: tuple[Array, Array]
    link: Array  # what is the same at both ends, but the port of who asks
    at_client: Mask


class Pairs:
    """Places and edges by number, as flows name them; they only grow until `keep`."""

    def __init__(self, scope: str) -> None:
        """Raises UsageError for a scope that does not exist."""
        self.scope = check_scope(scope)
        self.places: list[Place] = []
        self.members: list[set[int]] = []
        self.edges: list[Edge] = []
        self._numbers: dict[Place, int] = {}
        self._between: dict[tuple[int, int], int] = {}
        self._answered = Codes()  # links that are seen at the asked end
        self._forget(None)

    def meet(self, batch: FlowBatch) -> None:
        """Learn of these rows what `seen` should know of others, whether they are before or behind them. More links
        than `_MOST_PAIRS` are not held.
        """
        self._sights(batch)

    def seen(self, batch: FlowBatch) -> tuple[I64, Mask]:
        """(n,) the number of each row's edge; and whether the row counts: of a flow seen at both ends the one at the
        asked end does. Drops always count.
        """
        of = self._sights(batch)
        keys = mix(of.link, of.asker["endpoint"], of.asked["endpoint"], *of.tags)
        pair = self._pairs.find(keys)
        if len(pair) and pair.min() < 0:
            pair = self._learn(batch, keys, of)
        twice = of.at_client & (batch["verdict"] != Verdict.DROPPED)
        rows = np.flatnonzero(twice)
        twice[rows] = self._answered.find(of.link[rows]) >= 0
        return self._edge[pair], ~twice

    def _sights(self, batch: FlowBatch) -> _Sights:
        """Of whom the rows are, and what they tell of it noted."""
        if batch.tables is not self._tables or len(self._pairs) > _MOST_PAIRS:
            self._forget(batch.tables)
        reply = goes_back(batch)
        asker, asked = columns_of(batch, reply, "source"), columns_of(batch, reply, "destination")
        at_source, at_destination = at_socket(batch, "source"), at_socket(batch, "destination")
        at_server = np.where(reply, at_source, at_destination)
        at_client = np.where(reply, at_destination, at_source)
        tags = self._sides.tags(batch, asker, asked, at_client, at_server)
        ends = (*(asker[name] for name in ("high", "low")), *(asked[name] for name in ("high", "low", "port")))
        link = mix(*ends, batch["protocol"])
        if len(self._answered) > _MOST_PAIRS:
            self._answered = Codes()
        answered = link[at_server]
        new = np.unique(answered[self._answered.find(answered) < 0])
        self._answered.add_all(new, np.zeros(len(new), np.int64))
        return _Sights(asker, asked, tags, link, at_client)

    def keep(self, kept: I64) -> None:
        """Only these edges, renumbered in their order, and the places that they are between."""
        edges = [self.edges[at] for at in kept.tolist()]
        used = sorted({end for edge in edges for end in (edge.source, edge.destination)})
        moved = {old: new for new, old in enumerate(used)}
        self.places, self.members = [self.places[at] for at in used], [self.members[at] for at in used]
        for edge in edges:
            edge.source, edge.destination = moved[edge.source], moved[edge.destination]
        self.edges = edges
        self._numbers = {one: at for at, one in enumerate(self.places)}
        self._between = {(edge.source, edge.destination): at for at, edge in enumerate(edges)}
        self._forget(None)

    def _forget(self, tables: Tables | None) -> None:
        """Learn anew which rows are of which edge: codes of endpoints mean something in their tables alone."""
        self._tables = tables
        self._pairs = Codes()
        self._edge: I64 = np.zeros(64, np.int64)
        self._sides = Sides(self.scope)
        self._found: dict[tuple[int, ...], tuple[int, int]] = {}

    def _learn(self, batch: FlowBatch, keys: Array, of: _Sights) -> I64:
        """(n,) the pairs, new ones among them."""
        distinct, first = np.unique(keys, return_index=True)
        new = np.flatnonzero(self._pairs.find(distinct) < 0)
        new = new[np.argsort(first[new])]  # an edge begins with its first flow
        count = len(self._pairs)
        self._grow(count + len(new))
        for at, row in enumerate(first[new].tolist(), count):
            self._edge[at] = self._describe(batch, row, of)
        self._pairs.add_all(distinct[new], np.arange(count, count + len(new)))
        return self._pairs.find(keys)

    def _describe(self, batch: FlowBatch, row: int, of: _Sights) -> int:
        """The edge of a row whose pair is new."""
        ends = zip((of.asker, of.asked), of.tags, strict=True)
        source, destination = (self._place(batch, row, end, int(tag[row])) for end, tag in ends)
        number = self._between.get((source, destination))
        if number is None:
            number = self._between[source, destination] = len(self.edges)
            self.edges.append(Edge(source, destination, int(batch["time_ns"][row])))
        self.edges[number].ports[_port(int(of.asked["port"][row]), int(batch["protocol"][row]))] += 1
        return number

    def _place(self, batch: FlowBatch, row: int, columns: Ends, tag: int) -> int:
        endpoint, high, low = (int(columns[name][row]) for name in ("endpoint", "high", "low"))
        key = (endpoint, high, low, int(batch["ip_version"][row]), tag)
        found = self._found.get(key)
        if found is None:
            end = End(batch.tables.endpoints[endpoint], *key[1:4], *self._sides.known(batch.tables, tag))
            found = self._found[key] = self._number(place(self.scope, end)), member(end)
        members = self.members[found[0]]
        if len(members) < _KEPT_MEMBERS:
            members.add(found[1])
        return found[0]

    def _number(self, where: Place) -> int:
        number = self._numbers.get(where)
        if number is None:
            number = self._numbers[where] = len(self.places)
            self.places.append(where)
            self.members.append(set())
        return number

    def _grow(self, pairs: int) -> None:
        more = max(0, (1 << max(6, pairs - 1).bit_length()) - len(self._edge))
        if more:
            self._edge = np.pad(self._edge, (0, more))


def goes_back(batch: FlowBatch) -> Mask:
    """(n,) bool: rows that go against the opener. Where the source did not say (a drop) an answer to a SYN does, and
    what goes from a port of those who are asked to one of those who open.
    """
    reply: Mask = batch["is_reply"] == 1
    unsaid = np.flatnonzero(batch["is_reply"] < 0)
    if len(unsaid):
        syn = batch["tcp_flags"][unsaid] & (TCPFlags.SYN | TCPFlags.ACK)
        low, high = batch["source_port"][unsaid], batch["destination_port"][unsaid]
        back = (low > 0) & (low < _EPHEMERAL) & (high >= _EPHEMERAL)
        reply[unsaid] = (syn == TCPFlags.SYN | TCPFlags.ACK) | (back & (syn != TCPFlags.SYN))
    return reply


def columns_of(batch: FlowBatch, reply: Mask, side: str) -> Ends:
    """Of who opened ("source") or was asked ("destination"), whichever way the row goes."""
    other = "destination" if side == "source" else "source"
    return {name: np.where(reply, batch[f"{other}_{name}"], batch[f"{side}_{name}"]) for name in _PARTS}


def _port(port: int, protocol: int) -> str:
    """`443/TCP`; `ICMPv4` where there are no ports."""
    name = Protocol(protocol).name if protocol in Protocol._value2member_map_ else str(protocol)
    return f"{port}/{name}" if port else name
