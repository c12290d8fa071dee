"""One request in full, or all requests of a distributed trace: what was said, by whom, on what connection."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self
from uuid import UUID

import numpy as np

from rubin.model import addresses
from rubin.model.batch import FlowBatch
from rubin.model.exchanges import expanded
from rubin.model.messages import Message, MessageType
from rubin.model.tables import Process
from rubin.query.connection import CLIENT, SERVER, Facts, Socket, facts, flows_of
from rubin.query.finding import by_trace, by_uuid
from rubin.query.said import as_asked, at_server, connections, named
from rubin.store.ring import Ring

Answer = dict[str, Any]

AROUND_NS = 60_000_000_000
MOST = 500
"""Requests of one trace."""
_APART_NS = 1_000_000_000  # a request is on its way no longer
_SLACK_NS = 10_000_000  # between two readings of the clock
_FEW = 8  # like requests before and after one that are looked at
_SIDES = {CLIENT: "source", SERVER: "destination"}


def trace(ring: Ring, uuid: str = "", trace_id: str = "") -> Answer:
    """`exchanges`, each an object for JSON, by the time when they were asked; what is not known is left out.

    `depth` is how many of them an exchange is within: its client is the server of the one before, which had not
    answered yet. Where a `uuid` is of a flow that is no request, `packets` is how many have it. Raises UsageError.
    """
    found = by_trace(ring, trace_id, MOST) if trace_id else by_uuid(ring, uuid)
    chosen = [_Seen.of(ring, row) for row in found.rows]
    if not chosen:
        return {"exchanges": [], "packets": found.packets}
    since_ns = min(one.asked_ns for one in chosen) - AROUND_NS
    until_ns = max(one.ends_ns for one in chosen) + AROUND_NS
    flows = flows_of(ring, [one.socket for one in chosen], since_ns, until_ns)
    exchanges = sorted(_together(chosen, _others(ring, flows, chosen)), key=lambda one: one.asked_ns)
    for one in exchanges:
        one.facts = facts(flows, one.socket, one.asked_ns - AROUND_NS, one.ends_ns + AROUND_NS)
    depths = _depths(exchanges)
    answers = [one.answer() | {"depth": depth} for one, depth in zip(exchanges, depths, strict=True)]
    return {"exchanges": answers, "packets": 0}


@dataclass(frozen=True, slots=True)
class _Seen:
    """A request with its answer, or one of the two, as one end's socket saw it. Times: 0 is not seen."""

    flow: FlowBatch  # one row, in the direction of who asks
    message: Message
    asked_ns: int
    answered_ns: int
    socket: Socket
    uuids: Answer
    alike: tuple[int, str, str, str]  # what all that is seen of an exchange has in common
    part: tuple[str, bool]  # which end's, and whether it waits; of an exchange there is one each at most
    code: tuple[int, int]  # what no other row has

    @classmethod
    def of(cls, ring: Ring, row: FlowBatch) -> Self:
        """Of a row as stored."""
        flow, number, time_ns = as_asked(named(ring, row)), int(row["message"][0]), int(row["time_ns"][0])
        message = row.tables.messages[number]
        high, low, port = (int(flow[f"source_{part}"][0]) for part in ("high", "low", "port"))
        end, waits = SERVER if at_server(flow)[0] else CLIENT, message.type == MessageType.REQUEST
        socket = Socket(int(connections(flow)[0]), (high, low, port), end, int(flow["socket_cookie"][0]))
        return cls(
            flow=flow,
            message=message,
            asked_ns=time_ns - message.latency_ns,
            answered_ns=0 if waits else time_ns,
            socket=socket,
            uuids=dict(_uuids(expanded(row))),
            alike=(socket.connection, message.protocol, message.method, message.target),
            part=(end, waits),
            code=(id(row.tables), number),
        )

    @property
    def ends_ns(self) -> int:
        """The time of the last thing seen."""
        return self.answered_ns or self.asked_ns

    def may_be(self, other: Self) -> bool:
        """Whether the two are of one exchange: at the server it begins later and ends earlier than at the client; at
        one end a request that waits and an answer without its request go together, and begin alike.
        """
        apart_ns = other.asked_ns - self.asked_ns
        if self.socket.end == other.socket.end:
            kinds = {self.message.type, other.message.type}
            return kinds == {MessageType.REQUEST, MessageType.RESPONSE} and abs(apart_ns) <= _SLACK_NS
        if self.socket.end == SERVER:
            return other.may_be(self)
        ended = not self.answered_ns or other.ends_ns <= self.answered_ns + _SLACK_NS
        return ended and -_SLACK_NS <= apart_ns <= _APART_NS


class _Exchange:
    """All that was seen of one exchange, what was answered first: at the server's socket, then at the client's."""

    def __init__(self, parts: Iterable[_Seen]) -> None:
        self.parts = sorted(parts, key=lambda one: (not one.answered_ns, one.socket.end != SERVER))
        self.main = self.parts[0]
        self.asked_ns = min(one.asked_ns for one in self.parts)
        self.answered_ns, self.ends_ns = self.main.answered_ns, self.main.ends_ns
        self.socket = self.main.socket
        self.facts = Facts()

    def process(self, end: str) -> Process:
        """Whose socket an end's is; as it was when the request was seen there, else by its connection's flows."""
        for one in self.parts:
            (process,) = one.flow.rows("process")
            if one.socket.end == end and process != Process():
                return process  # type: ignore[no-any-return]
        return self.facts.processes.get(end, Process())

    def side(self, end: str) -> Answer:
        """Who is at an end."""
        side, flow = _SIDES[end], self.main.flow
        own = next((one.flow for one in self.parts if one.socket.end == end), flow)
        (endpoint,) = own.rows(f"{side}_endpoint")
        address = addresses.text(flow[f"{side}_high"][0], flow[f"{side}_low"][0])
        known = {"address": address, "port": int(flow[f"{side}_port"][0]), "name": endpoint.called}
        return _known(known | {"endpoint": _known(asdict(endpoint))} | {"process": _process(self.process(end))})

    def answer(self) -> Answer:
        """For JSON."""
        main = self.main
        said = _known(asdict(main.message)) | {"type": ""}
        (node,), (contents,) = main.flow.rows("node_name"), main.flow.rows("contents")
        connection = _known(asdict(self.facts) | {"processes": {}})
        made = {
            "asked_ns": self.asked_ns,
            "answered_ns": self.answered_ns,
            "trace_id": next((one.message.trace_id for one in self.parts if one.message.trace_id), ""),
            "client": self.side(CLIENT),
            "server": self.side(SERVER),
            "asked_for": _known(asdict(contents.translation)) if contents.translation else {},
            "seen_at": sorted({one.socket.end for one in self.parts}),
            "node": node,
            "connection": connection,
        }
        for one in reversed(self.parts):
            made |= one.uuids
        return _known(said | made)


def _uuids(halves: FlowBatch) -> Iterable[tuple[str, str]]:
    """The UUID of each half as it is read."""
    numbers = zip(halves["uuid_high"].tolist(), halves["uuid_low"].tolist(), strict=True)
    for reply, (high, low) in zip(halves["is_reply"].tolist(), numbers, strict=True):
        if high or low:
            yield "response_uuid" if reply == 1 else "request_uuid", str(UUID(int=high << 64 | low))


def _process(of: Process) -> Answer:
    found = asdict(of)
    return {} if of == Process() else {name: found[name] for name in found if found[name] not in ("", -1, 0)}


def _known(of: Answer) -> Answer:
    """Without what says nothing."""
    return {
        name: cleaned
        for name, value in of.items()
        if (cleaned := _known(value) if isinstance(value, dict) else value) not in ("", 0, (), [], {}, None)
    }


def _others(ring: Ring, flows: Sequence[FlowBatch], chosen: Sequence[_Seen]) -> list[_Seen]:
    """What else was said on these connections when the chosen ones were."""
    times = np.sort([one.asked_ns for one in chosen])
    found = []
    for batch in flows:
        rows = np.flatnonzero(batch["message"])
        told = batch.tables.messages.rows(batch["message"][rows])
        asked = batch["time_ns"][rows] - told["latency_ns"].astype(np.int64)
        after = np.minimum(np.searchsorted(times, asked), len(times) - 1)
        near = np.minimum(np.abs(times[after] - asked), np.abs(times[np.maximum(after - 1, 0)] - asked)) <= _APART_NS
        found += [_Seen.of(ring, batch.take(slice(row, row + 1))) for row in rows[near].tolist()]
    return found


def _together(chosen: Sequence[_Seen], others: Sequence[_Seen]) -> Iterable[_Exchange]:
    """Exchanges of the chosen ones and what else was seen of them, the nearest; each is part of one exchange only."""
    alike: dict[tuple[int, str, str, str], list[_Seen]] = {}
    for one in sorted(others, key=lambda one: one.asked_ns):
        alike.setdefault(one.alike, []).append(one)
    taken: set[tuple[int, int]] = set()
    for one in chosen:
        if one.code in taken:
            continue
        parts = {one.part: one}
        for each in _near(alike.get(one.alike, []), one):
            fits = each.code not in taken and each.part not in parts
            if fits and all(part.may_be(each) for part in parts.values()):
                parts[each.part] = each
        taken |= {each.code for each in parts.values()}
        yield _Exchange(parts.values())


def _near(ordered: Sequence[_Seen], one: _Seen) -> list[_Seen]:
    """Those of them that were asked about when this one was, the nearest first."""
    place = bisect_left(ordered, one.asked_ns, key=lambda each: each.asked_ns)
    near = [each for each in ordered[max(place - _FEW, 0) : place + _FEW] if each.code != one.code]
    return sorted(near, key=lambda each: abs(each.asked_ns - one.asked_ns))


class _Party(NamedTuple):
    """Who asks, or is asked, as far as it is known."""

    process: Process
    name: str
    address: str

    def is_one(self, other: "_Party") -> bool:
        """Whether the two are the same: the process or its cgroup where both are known, else the name, else the
        address, which within a machine says nothing.
        """
        if self.process.pid and other.process.pid:
            cgroup = self.process.cgroup
            return self.process.pid == other.process.pid or (cgroup not in ("", "/") and cgroup == other.process.cgroup)
        if self.name and other.name:
            return self.name == other.name
        return self.address == other.address and not self.address.startswith("127.")


def _party(one: _Exchange, end: str) -> _Party:
    side = one.side(end)
    return _Party(one.process(end), side.get("name", ""), side["address"])


def _depths(exchanges: Sequence[_Exchange]) -> list[int]:
    """How deep each is, by the latest before it whose server is its client and that was not answered yet."""
    asks, asked = ([_party(one, end) for one in exchanges] for end in (CLIENT, SERVER))
    found: list[int] = []
    for at, one in enumerate(exchanges):
        open_ones = (
            before
            for before in range(at - 1, -1, -1)
            if one.asked_ns <= (exchanges[before].answered_ns or one.asked_ns)
        )
        caller = next((before for before in open_ones if asked[before].is_one(asks[at])), None)
        found.append(0 if caller is None else found[caller] + 1)
    return found
