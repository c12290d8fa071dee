"""Names that the DNS gave a client for an address, beside whoever else is known there: a stage of the line.

An answer holds for who asked, which may be told another address than others are: on this machine for all of its
network namespace (a resolver there may have asked for it), elsewhere for its address. It holds for new
connections as long as it says, and for a connection that began in this time as long as that lives.
"""

from array import array
from collections.abc import Callable
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from rubin.model.addresses import pair
from rubin.model.batch import FlowBatch
from rubin.model.codes import mix
from rubin.model.enums import Identity
from rubin.model.lookup import Lookup
from rubin.model.messages import Messages, MessageType
from rubin.model.points import at_socket
from rubin.model.tables import Endpoint, Process, Tables

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

_BITS = 16  # so many addresses of clients, and so many connections, are known; a newer one takes an older one's place
_LEAST_NS = 30_000_000_000  # who is told zero seconds connects a little later all the same
_MOST_NAMES = 4
_MOST_IPS = 32  # of an answer
_SIDES = (("source", "destination"), ("destination", "source"))
_WORLDS = frozenset({Identity.UNKNOWN, Identity.WORLD, Identity.WORLD_IPV4, Identity.WORLD_IPV6})
_CIDR_IDENTITY = 1 << 24  # Cilium's identities of networks begin here


class DnsNames:
    """Learns of a batch's answers and names its flows. For one thread."""

    def __init__(self) -> None:
        self._netns: Lookup[Process] = Lookup("processes", lambda process: process.netns_cookie)
        self._nameless: Lookup[Endpoint] = Lookup("endpoints", _may_be_named)
        self._begin()

    def _begin(self) -> None:
        self._told, self._connected = _Slots(), _Slots()
        self._names: list[tuple[str, ...]] = [()]
        self._numbers: dict[tuple[str, ...], int] = {(): 0}
        self._named: WeakKeyDictionary[Tables, dict[tuple[int, int], int]] = WeakKeyDictionary()
        self._answers: WeakKeyDictionary[Tables, _Answers] = WeakKeyDictionary()

    def name(self, batch: FlowBatch) -> FlowBatch:
        """The batch with `names` in the endpoints of addresses that somebody asked for."""
        if len(self._names) > 4 << _BITS:  # more than the slots can hold: begin anew
            self._begin()
        self._learn(batch)
        if not self._told.used or not len(batch) or "process" not in batch:
            return batch
        columns = {}
        nameless = self._nameless(batch.tables)
        for local, remote in _SIDES:
            codes = batch[f"{remote}_endpoint"]
            rows = np.flatnonzero((nameless[codes] == 1) & at_socket(batch, local))
            if len(rows):
                numbers = self._numbers_of(batch, rows, remote)
                hit = np.flatnonzero(numbers)
                if len(hit):
                    column = columns[f"{remote}_endpoint"] = codes.copy()
                    column[rows[hit]] = self._codes(batch.tables, codes[rows[hit]], numbers[hit])
        return batch.with_columns(**columns) if columns else batch

    def _numbers_of(self, batch: FlowBatch, rows: I64, remote: str) -> I64:
        """(n,) the number of the names of each row's far end; 0: none."""
        time_ns, address = batch["time_ns"][rows], [batch[f"{remote}_{part}"][rows] for part in ("high", "low")]
        netns = self._netns(batch.tables)[batch["process"][rows]]
        connection = mix(batch["socket_cookie"][rows], *address)
        numbers = self._told.find(mix(netns, *address), time_ns)
        old = np.where(numbers > 0, 0, self._connected.find(connection, None))
        fresh = np.flatnonzero(numbers)
        self._connected.put(connection[fresh], numbers[fresh], time_ns[fresh])
        return np.where(numbers > 0, numbers, old)

    def _codes(self, tables: Tables, endpoints: npt.NDArray[np.uint32], numbers: I64) -> npt.NDArray[np.uint32]:
        """The endpoints with these names."""
        known = self._named.setdefault(tables, {})
        pairs, where = np.unique(endpoints.astype(np.int64) << 32 | numbers, return_inverse=True)
        codes = []
        for one in pairs.tolist():
            key = one >> 32, one & 0xFFFFFFFF
            if key not in known:
                known[key] = tables.endpoints.code(replace(tables.endpoints[key[0]], names=self._names[key[1]]))
            codes.append(known[key])
        return np.array(codes, np.uint32)[where]

    def _learn(self, batch: FlowBatch) -> None:
        rows = np.flatnonzero(batch["message"]) if "message" in batch else np.zeros(0, np.int64)
        rows = rows[batch["is_reply"][rows] == 1]
        messages = batch.tables.messages
        rows = rows[messages.column("dns", batch["message"][rows]) > 0]
        said = messages.rows(batch["message"][rows])
        told = (said["failed"] == 0) & (said["type"] != MessageType.REQUEST)
        rows, dns = rows[told], said["dns"][told]
        if not len(rows):
            return
        # An answer goes to its client; where that is elsewhere, its namespace is not known, and its address counts.
        here = at_socket(batch, "destination")[rows] | (batch["source_low"][rows] == batch["destination_low"][rows])
        client = np.where(here, self._netns(batch.tables)[batch["process"][rows]], batch["destination_low"][rows])
        answers = self._answers.setdefault(batch.tables, _Answers())
        answers.learn(dns, messages, self._number)
        have = np.arange(len(rows))
        for place in range(_MOST_IPS):
            have = have[answers.count[dns[have]] > place]
            if not len(have):
                break
            codes, time_ns = dns[have], batch["time_ns"][rows[have]]
            high, low = answers.addresses(codes, place)
            keys = mix(client[have], high, low)
            self._take(keys, answers.number[codes], time_ns, time_ns + answers.lasts_ns[codes])

    def _take(self, keys: U64, numbers: I64, time_ns: I64, until_ns: I64) -> None:
        """Clients' addresses have these names; one that has others already has both, the new one first."""
        before = self._told.find(keys, time_ns)
        odd = np.flatnonzero((before > 0) & (before != numbers))
        for at in odd.tolist():
            (name,), others = self._names[numbers[at]], self._names[before[at]]
            if others[0] == name:
                numbers[at] = before[at]
            else:
                names = (name, *(one for one in others if one != name))[:_MOST_NAMES]
                numbers[at] = self._number(names)
        self._told.put(keys, numbers, until_ns)

    def _number(self, names: tuple[str, ...]) -> int:
        number = self._numbers.get(names)
        if number is None:
            number = self._numbers[names] = len(self._names)
            self._names.append(names)
        return number


class _Answers:
    """What the answers of a table of messages say, by their codes there."""

    def __init__(self) -> None:
        self.number: I64 = np.zeros(0, np.int64)  # of its name alone
        self.lasts_ns: I64 = np.zeros(0, np.int64)
        self.count: I64 = np.zeros(0, np.int64)  # of addresses; -1: not worked out yet
        self._first: I64 = np.zeros(0, np.int64)
        self._high, self._low = array("Q"), array("Q")

    def learn(
        self, codes: npt.NDArray[np.uint32], messages: Messages, number_of: Callable[[tuple[str, ...]], int]
    ) -> None:
        """Work out those that are new."""
        if int(codes.max()) >= len(self.count):
            more = max(int(codes.max()) + 1 - len(self.count), len(self.count), 256)
            for name in ("number", "lasts_ns", "_first"):
                setattr(self, name, np.concatenate([getattr(self, name), np.zeros(more, np.int64)]))
            self.count = np.concatenate([self.count, np.full(more, -1)])
        for code in np.unique(codes[self.count[codes] < 0]).tolist():
            answer = messages.dns[code]
            ips = [pair(ip) for ip in answer.ips[:_MOST_IPS]]
            self.number[code], self.count[code] = number_of((answer.query.rstrip("."),)), len(ips)
            self.lasts_ns[code] = max(answer.ttl * 1_000_000_000, _LEAST_NS)
            self._first[code] = len(self._high)
            self._high.extend(high for high, _ in ips)
            self._low.extend(low for _, low in ips)

    def addresses(self, codes: npt.NDArray[np.uint32], place: int) -> tuple[U64, U64]:
        """(n,) the halves of the address that stands there in each answer; all have so many."""
        at = self._first[codes] + place
        return np.frombuffer(self._high, np.uint64)[at], np.frombuffer(self._low, np.uint64)[at]


class _Slots:
    """Numbers by key, each with a time until which it holds."""

    def __init__(self) -> None:
        self.used = False
        self._keys: U64 = np.zeros(1 << _BITS, np.uint64)
        self._numbers: I64 = np.zeros(1 << _BITS, np.int64)
        self._until_ns: I64 = np.zeros(1 << _BITS, np.int64)

    def find(self, keys: U64, time_ns: I64 | None) -> I64:
        """(n,) the number of each key at this time (None: at any), 0 where there is none."""
        at = (keys >> np.uint64(64 - _BITS)).astype(np.int64)
        known = self._keys[at] == keys
        if time_ns is not None:
            known &= self._until_ns[at] >= time_ns
        return np.where(known, self._numbers[at], 0)

    def put(self, keys: U64, numbers: I64, until_ns: I64) -> None:
        """Numbers for these keys."""
        at = (keys >> np.uint64(64 - _BITS)).astype(np.int64)
        self._keys[at], self._numbers[at], self._until_ns[at] = keys, numbers, until_ns
        self.used = self.used or len(keys) > 0


def _may_be_named(endpoint: Endpoint) -> int:
    """1 where only the address is known, or a network that it is in."""
    outside = endpoint.identity in _WORLDS or endpoint.identity & _CIDR_IDENTITY
    return int(bool(outside) and not endpoint.pod_name and not endpoint.names)
