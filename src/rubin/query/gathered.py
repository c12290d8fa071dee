"""Exchanges as numbers: a row each, whatever tables they come from, with codes of what they have in common."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rubin.model import addresses
from rubin.model.batch import Array, FlowBatch
from rubin.model.codes import U64, mix
from rubin.model.messages import DNS, NUMBERS, Messages, MessageType
from rubin.model.table import Table
from rubin.model.tables import Endpoint, Process
from rubin.model.texts import Texts
from rubin.query.failing import fails, matched
from rubin.query.said import Mask, at_server, connections
from rubin.query.targets import moved, targets
from rubin.words.rcodes import rcode

SEEN = np.dtype(
    [
        ("connection", "<u8"),
        ("latency_ns", "<u8"),  # 0: not known
        ("request_bytes", "<u4"),
        ("response_bytes", "<u4"),
        ("server", "<u4"),  # codes of `texts`
        ("client", "<u4"),
        ("method", "<u4"),
        ("target", "<u4"),
        ("error", "<u4"),
        ("process", "<u4"),  # codes of `processes`
        ("program", "<u4"),
        ("protocol", "u1"),
        ("type", "u1"),
        ("failed", "u1"),
        ("inbound", "u1"),  # 1: seen at the server's socket
        ("inside", "u1"),  # 1: between addresses that mean something else on every node
    ]
)
_OWN = tuple(map(addresses.Network, ("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10")))
NO_ANSWER = "no answer"
_SAME = ("latency_ns", "request_bytes", "response_bytes", "protocol", "type")
_TYPES = (MessageType.REQUEST, MessageType.RESPONSE, MessageType.EXCHANGE)
_Named = Callable[[Endpoint, int, int, int], str]


class Gathered:
    """Takes batches as `said` gives them. What makes no group by `by` is not looked at."""

    def __init__(self, by: str) -> None:
        self.texts = Texts()
        self.processes: Table[Process] = Table(Process())
        self._by = by
        self._parts = [np.zeros(0, SEEN)]

    def add(self, batch: FlowBatch) -> None:
        """More exchanges."""
        messages = batch.tables.messages
        rows = messages.rows(batch["message"])
        known = np.isin(rows["type"], _TYPES)
        if not known.all():
            batch, rows = batch.take(known), rows[known]
        seen = np.zeros(len(rows), SEEN)
        for name in _SAME:
            seen[name] = rows[name]
        seen["failed"] = failed = fails(rows, messages)
        seen["connection"], seen["inbound"] = connections(batch), at_server(batch)
        seen["inside"] = _inside(batch)
        if self._by in ("endpoint", "service", "client"):
            named = _service if self._by == "service" else _server
            seen["server"] = self._ends(batch, ("endpoint", "high", "low", "port"), "destination", named)
        if self._by == "client":
            seen["client"] = self._ends(batch, ("endpoint", "high", "low"), "source", _client)
        if self._by == "endpoint":
            seen["method"] = moved(rows["method"], messages.texts, self.texts)
            seen["target"] = targets(rows, messages.texts, self.texts)
        seen["error"] = self._errors(rows, failed, messages)
        self._owners(seen, batch)
        self._parts.append(seen)

    def rows(self) -> Array:
        """(n,) of dtype `SEEN`: all of them."""
        self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    def _ends(self, batch: FlowBatch, parts: tuple[str, ...], side: str, named: _Named) -> Array:
        """(n,) codes of the names of one end."""
        keys = mix(*(batch[f"{side}_{part}"] for part in parts))
        _, first, where = np.unique(keys, return_index=True, return_inverse=True)
        end = batch.take(first)
        columns = (end[f"{side}_{part}"].tolist() for part in ("high", "low", "port"))
        return self.texts.codes_of(map(named, end.rows(f"{side}_endpoint"), *columns))[where]

    def _errors(self, rows: Array, failed: Mask, messages: Messages) -> Array:
        """(n,) codes of how they failed: the protocol's word, else its number; 0: they did not."""
        found = np.where(rows["type"] == MessageType.REQUEST, self.texts.code(NO_ANSWER), np.uint32(0))
        worded = np.flatnonzero(failed & (rows["error"] > 0))
        found[worded] = moved(rows["error"][worded], messages.texts, self.texts)
        numbered = rows[at := np.flatnonzero(failed & (rows["error"] == 0))]
        keys = mix(numbered["protocol"], numbered["status"], np.where(numbered["status"], 0, numbered["dns"]))
        _, first, where = np.unique(keys, return_index=True, return_inverse=True)
        found[at] = self.texts.codes_of(_number(row, messages) for row in numbered[first])[where]
        return found

    def _owners(self, seen: Array, batch: FlowBatch) -> None:
        """Local processes, and the programs that they are: the same command of the same user in the same cgroup."""
        codes, where = np.unique(batch["process"], return_inverse=True)
        processes = batch.tables.processes.read(codes)
        seen["process"] = self.processes.codes(processes)[where]
        if self._by == "process":
            programs = (replace(one, pid=0, netns=0, netns_cookie=0) for one in processes)
            seen["program"] = self.processes.codes(programs)[where]


def _number(row: np.void, messages: Messages) -> str:
    """What an error without a word is called: its number, or what the DNS calls that; "" where it has none."""
    if row["protocol"] == NUMBERS["dns"]:
        dns: DNS = messages.dns[int(row["dns"])]
        return rcode(int(row["status"]) or dns.rcode)
    return str(row["status"]) if row["status"] else ""


def _server(endpoint: Endpoint, high: int, low: int, port: int) -> str:
    name = endpoint.called or addresses.text(high, low)
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _service(endpoint: Endpoint, high: int, low: int, port: int) -> str:
    """The service by which it was asked, else the workload that it is one of."""
    name = endpoint.service.name or next((one.name for one in endpoint.workloads), "")
    if not name:
        return _server(endpoint, high, low, port)
    namespace = endpoint.service.namespace if endpoint.service.name else endpoint.namespace
    return f"{namespace}/{name}" if namespace else name


def _client(endpoint: Endpoint, high: int, low: int, _port: int) -> str:
    return endpoint.called or addresses.text(high, low)


def answered_late(seen: Array) -> Mask:
    """(n,) bool: requests without an answer, whose answer came after all, in a row of its own."""
    found = np.zeros(len(seen), np.bool_)
    waiting = np.flatnonzero(seen["type"] == MessageType.REQUEST)
    answers = seen[seen["type"] == MessageType.RESPONSE]
    found[waiting[matched(_alike(seen[waiting]), _alike(answers))]] = True
    return found


def _alike(seen: Array) -> U64:
    return mix(*(seen[name] for name in ("connection", "inbound", "protocol", "method", "target")))


def links(seen: Array) -> U64:
    """(n,) a key of each one's connection and protocol, the same on every node."""
    return mix(seen["connection"], seen["protocol"])


def _inside(batch: FlowBatch) -> Mask:
    """(n,) bool: rows of connections within a node, or on one of its links."""
    high, low = batch["destination_high"], batch["destination_low"]
    found = np.zeros(len(batch), np.bool_)
    for network in _OWN:
        found |= network.contains(high, low)
    return found


def seen_twice(seen: Array) -> Mask:
    """(n,) bool: exchanges seen at their client's socket whose server's was seen, too: the connection has rows of the
    same protocol from there.
    """
    link = links(seen)
    inbound = seen["inbound"] == 1
    found = np.zeros(len(seen), np.bool_)
    outside = np.flatnonzero(~inbound)
    if len(outside) and inbound.any():
        servers = np.sort(link[inbound])  # not np.unique, nor np.isin: they hash, which takes ten times as long
        at = np.minimum(np.searchsorted(servers, link[outside]), len(servers) - 1)
        found[outside] = servers[at] == link[outside]
    return found
