"""The names that were asked of the DNS: how often, how it was answered, by whom, and who then connected to them."""

import re
from collections import Counter, defaultdict
from typing import Any

import numpy as np

from rubin.model import addresses
from rubin.model.batch import Array, FlowBatch
from rubin.model.codes import I64, mix
from rubin.model.exchanges import added
from rubin.model.filter import Filters
from rubin.model.messages import DNS, NUMBERS, Messages, MessageType
from rubin.model.table import Table
from rubin.query.dropped import end
from rubin.query.drops import named
from rubin.query.failing import is_young
from rubin.query.gathered import SEEN, answered_late, seen_twice
from rubin.query.pairs import columns_of, goes_back
from rubin.query.picture import chosen
from rubin.query.places import DEFAULT_SCOPE, place, sound
from rubin.query.said import as_asked, at_server, connections
from rubin.store.ring import Ring
from rubin.words.terms import Term, query_of

Answer = dict[str, Any]

MOST_ROWS = 1_000
_SHOWN = 5
_MOST_ADDRESSES = 20
_NXDOMAIN, _SERVFAIL = 3, 2
_RCODE = np.dtype([*SEEN.descr, ("rcode", "u1")])
_NEEDED = ("time_ns", "message", "is_reply", "trace_point", "traffic_direction", "protocol", "ip_version", *(
    f"{side}_{part}" for side in ("source", "destination") for part in ("high", "low", "port", "endpoint")
))  # fmt: skip


def resolved(ring: Ring, filters: Filters | None, since_ns: int, until_ns: int) -> Answer:
    """`rows`, a name each, those asked for most first; both times belong to the range. A question that was seen at both
    ends counts once; one that may still be answered does not count yet. `p50_ns` and `p99_ns` 0: no latency is known.
    """
    asked = _Asked()
    for view in ring.scan(since_ns=since_ns, until_ns=until_ns):
        said = np.flatnonzero(view["message"])
        if len(said):
            batch = chosen(view.take(said).without_lost(), filters, since_ns, until_ns)
            batch = batch.take(~added(batch))
            batch = batch.take(~is_young(batch, batch.tables.messages.rows(batch["message"]), until_ns))
            asked.add(FlowBatch({name: batch[name] for name in _NEEDED}, batch.tables))
    connected = _connected(ring, asked.addresses, since_ns, until_ns)
    return {"rows": asked.rows(connected, max(1.0, (until_ns - since_ns) / 1e9)), "count": asked.count}


class _Asked:
    """Questions and answers as numbers, and what they are about."""

    def __init__(self) -> None:
        self.names: Table[str] = Table("")
        self.clients: Table[str] = Table("")
        self.addresses: dict[tuple[int, int], set[int]] = defaultdict(set)
        """The names that led to an address."""
        self.count = 0
        self._of_name: dict[int, list[str]] = defaultdict(list)
        self._parts = [np.zeros(0, _RCODE)]

    def add(self, batch: FlowBatch) -> None:
        """More rows with messages."""
        told = batch.tables.messages.rows(batch["message"])
        rows = np.flatnonzero(told["protocol"] == NUMBERS["dns"])
        if not len(rows):
            return
        batch, told = as_asked(batch.take(rows)), told[rows]
        seen = np.zeros(len(rows), _RCODE)
        for name in ("latency_ns", "protocol", "type"):
            seen[name] = told[name]
        seen["connection"], seen["inbound"] = connections(batch), at_server(batch)
        seen["target"], seen["rcode"] = self._answers(told, batch.tables.messages)
        seen["client"] = self._clients(batch)
        self._parts.append(seen)

    def _answers(self, told: Array, messages: Messages) -> tuple[I64, I64]:
        """(n,) the codes of the names, and of how they were answered."""
        keys = mix(told["dns"], told["target"], told["status"])
        _, first, where = np.unique(keys, return_index=True, return_inverse=True)
        names, codes = np.zeros(len(first), np.int64), np.zeros(len(first), np.int64)
        for at, row in enumerate(first.tolist()):
            dns: DNS = messages.dns[int(told["dns"][row])]
            text = dns.query or messages.texts[int(told["target"][row])]
            names[at] = name = self.names.code(text.rstrip(".").lower() or ".")
            codes[at] = dns.rcode or int(told["status"][row])
            for address in dns.ips:
                self._lead(address, name)
        return names[where], codes[where]

    def _lead(self, address: str, name: int) -> None:
        try:
            pair = addresses.pair(address)
        except ValueError:
            return
        led, of_name = self.addresses[pair], self._of_name[name]
        if name not in led and len(of_name) < _MOST_ADDRESSES:
            led.add(name)
            of_name.append(address)

    def _clients(self, batch: FlowBatch) -> Array:
        keys = mix(*(batch[f"source_{part}"] for part in ("endpoint", "high", "low")))
        _, first, where = np.unique(keys, return_index=True, return_inverse=True)
        ends = (end(batch, row, "source") for row in first.tolist())
        return self.clients.codes(named(place(DEFAULT_SCOPE, one)) for one in ends)[where]

    def rows(self, connected: dict[int, Counter[str]], seconds: float) -> list[Answer]:
        """A name each."""
        seen = np.concatenate(self._parts)
        seen = seen[~answered_late(seen)]
        seen = seen[~seen_twice(seen)]
        self.count = len(seen)
        seen = seen[np.lexsort((seen["latency_ns"], seen["target"]))]
        names, starts, counts = np.unique(seen["target"], return_index=True, return_counts=True)
        made = []
        for at in np.argsort(-counts, kind="stable")[:MOST_ROWS].tolist():
            mine = seen[starts[at] : starts[at] + counts[at]]
            made.append(self._row(int(names[at]), mine, connected, seconds))
        return made

    def _row(self, name: int, seen: Array, connected: dict[int, Counter[str]], seconds: float) -> Answer:
        text, rcode = self.names[name], seen["rcode"]
        waiting = seen["type"] == MessageType.REQUEST
        latency = seen["latency_ns"][seen["latency_ns"] > 0]
        clients, asked = np.unique(seen["client"], return_counts=True)
        most = clients[np.argsort(-asked, kind="stable")][:_SHOWN]
        others = ~np.isin(rcode, (0, _NXDOMAIN, _SERVFAIL))
        found = self._of_name.get(name, [])
        return {
            "name": text,
            "count": len(seen),
            "per_second": round(len(seen) / seconds, 3),
            "nxdomain": int((rcode == _NXDOMAIN).sum()),
            "servfail": int((rcode == _SERVFAIL).sum()),
            "other_errors": int(others.sum()),
            "no_answer": int(waiting.sum()),
            "p50_ns": _percentile(latency, 0.5),
            "p99_ns": _percentile(latency, 0.99),
            "clients": [self.clients[int(code)] for code in most],
            "client_count": len(clients),
            "addresses": found,
            "connected": [who for who, _ in connected.get(name, Counter()).most_common(_SHOWN)],
            "query": query_of(sound([Term("dns-query", rf"^{re.escape(text)}\.?$")])),
        }


def _percentile(ordered: Array, share: float) -> int:
    """Of n that at place ⌈share n⌉; 0: there are none."""
    return int(ordered[max(0, int(np.ceil(share * len(ordered))) - 1)]) if len(ordered) else 0


def _connected(
    ring: Ring, led: dict[tuple[int, int], set[int]], since_ns: int, until_ns: int
) -> dict[int, Counter[str]]:
    """By name, who opened connections to the addresses that it led to, with how many flows."""
    found: dict[int, Counter[str]] = defaultdict(Counter)
    if not led:
        return found
    halves = [np.array([pair[at] for pair in led], np.uint64) for at in (0, 1)]
    keys = np.sort(mix(*halves))
    names = {key: led[pair] for pair, key in zip(led, mix(*halves).tolist(), strict=True)}
    for view in ring.scan(since_ns=since_ns, until_ns=until_ns, as_stored=True):
        reply = goes_back(view)
        asked = columns_of(view, reply, "destination")
        to = mix(asked["high"], asked["low"])
        at = np.minimum(np.searchsorted(keys, to), len(keys) - 1)
        rows = np.flatnonzero((keys[at] == to) & (asked["port"] != 53))
        if not len(rows):
            continue
        batch, back = view.take(rows), reply[rows]
        asker = columns_of(batch, back, "source")
        pairs = mix(to[rows], *(asker[name] for name in ("endpoint", "high", "low")))
        _, first, counts = np.unique(pairs, return_index=True, return_counts=True)
        for row, count in zip(first.tolist(), counts.tolist(), strict=True):
            side = "destination" if back[row] else "source"
            who = named(place(DEFAULT_SCOPE, end(batch, row, side)))
            for name in names[int(to[rows[row]])]:
                found[name][who] += count
    return found
