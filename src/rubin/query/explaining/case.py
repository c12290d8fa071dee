"""A flow with its connection: who asked whom, what was seen of it, and which row decided how it ended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.model import addresses
from rubin.model.batch import FlowBatch, concat, empty
from rubin.model.enums import Protocol, TCPEvent, TCPFlags, Verdict
from rubin.model.messages import Message, MessageType
from rubin.model.points import at_socket
from rubin.model.tables import Endpoint, Process
from rubin.query.explaining.held import Held
from rubin.query.explaining.talk import Talk, heard
from rubin.query.failing import is_failed

Mask = npt.NDArray[np.bool_]

MOST_ROWS = 2_000
"""Of one connection; those nearest to the flow."""
DROPS = (Verdict.DROPPED, Verdict.ERROR)
_NEAR_NS = 1_000_000_000
_EPHEMERAL = 32_768  # Linux takes the ports of clients from here on (net.ipv4.ip_local_port_range)
_PARTS = ("high", "low", "port")
_OPENS = TCPFlags.SYN | TCPFlags.ACK


class End(NamedTuple):
    """An address and a port; 0: none."""

    high: int
    low: int
    port: int

    @property
    def address(self) -> str:
        """As text."""
        return addresses.text(self.high, self.low)

    @property
    def text(self) -> str:
        """`10.0.0.1:80`."""
        return with_port(self.address, self.port)


def with_port(name: str, port: int) -> str:
    """`shop/web:80`, `[fd00::1]:80`; the name alone for port 0."""
    if not port:
        return name
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


@dataclass(slots=True)
class Case:
    """What is explained. `kind` is one of dropped, refused, reset, unanswered, failed, forwarded."""

    flow: FlowBatch  # the one row that is asked for, with its names
    rows: FlowBatch  # of its connection, oldest first, without messages
    client: End
    server: End
    is_sure: bool  # whether it is known who is the client
    fate: FlowBatch  # the row that decided: a drop, a reset, else the flow
    kind: str
    message: Message
    talk: Talk
    endpoints: dict[End, Endpoint] = field(default_factory=dict)
    processes: dict[End, Process] = field(default_factory=dict)

    @property
    def time_ns(self) -> int:
        """When what decided was seen."""
        return int(self.fate["time_ns"][0])

    @property
    def protocol(self) -> int:
        """IANA's number."""
        return int(self.flow["protocol"][0])

    @property
    def is_tcp(self) -> bool:
        """Whether it is TCP."""
        return self.protocol == Protocol.TCP

    def counted(self, number: int) -> str:
        """`3 connections`; where there are none, ports; where there are no ports, either, pairs of hosts."""
        noun = "connection" if self.is_tcp else "client port" if self.server.port else "pair of hosts"
        plural = "pairs of hosts" if not self.is_tcp and not self.server.port else f"{noun}s"
        return f"{number:,} {noun if number == 1 else plural}"

    def toward(self, batch: FlowBatch) -> Mask:
        """(n,) bool: rows of the connection that go to the server."""
        return _is(batch, "destination", self.server) & _is(batch, "source", self.client)

    def back(self, batch: FlowBatch) -> Mask:
        """(n,) bool: rows of the connection that go to the client."""
        return _is(batch, "destination", self.client) & _is(batch, "source", self.server)

    def called(self, end: End, port: bool = True) -> str:
        """`shop/web:80`, else the address."""
        name = self.endpoints[end].called if end in self.endpoints else ""
        return with_port(name or end.address, end.port if port else 0)

    @property
    def reason(self) -> str:
        """The kernel's name of why the deciding row was dropped; "" where none is known."""
        return str(self.fate.rows("kernel_drop_reason")[0])

    @property
    def flags(self) -> int:
        """TCPFlags of the deciding row."""
        return int(self.fate["tcp_flags"][0])

    @property
    def is_opening(self) -> bool:
        """Whether the deciding row is what asks for a connection: a SYN, or anything without connections."""
        return not self.is_tcp or self.flags & _OPENS == TCPFlags.SYN


def case_of(held: Held, row: FlowBatch) -> Case:
    """The case of a row as stored."""
    flow = held.named(row)
    connection, talk = _connection(held, row)
    rows = _life(connection, int(row["time_ns"][0]))
    sides = tuple(End(*(int(row[f"{side}_{part}"][0]) for part in _PARTS)) for side in ("source", "destination"))
    turned, is_sure = _is_turned(flow, rows, sides[0])
    client, server = reversed(sides) if turned else sides
    message = row.tables.messages[int(row["message"][0])]
    made = Case(flow, rows, client, server, is_sure, flow, "forwarded", message, talk)
    made.fate, made.kind = _fate(made)
    _put_names(made)
    return made


def _is(batch: FlowBatch, side: str, end: End) -> Mask:
    found: Mask = batch[f"{side}_port"] == end.port
    if found.any():
        found &= (batch[f"{side}_low"] == np.uint64(end.low)) & (batch[f"{side}_high"] == np.uint64(end.high))
    return found


def _between(view: FlowBatch, source: End, destination: End) -> npt.NDArray[np.intp]:
    """The rows from one end to the other. The ports first: two bytes a row decide most of them."""
    rows = np.flatnonzero(view["source_port"] == source.port)
    for name, value in (
        ("destination_port", destination.port), ("source_low", source.low), ("destination_low", destination.low),
        ("source_high", source.high), ("destination_high", destination.high),
    ):  # fmt: skip
        rows = rows[view[name][rows] == np.uint64(value)]
    return rows


def _connection(held: Held, row: FlowBatch) -> tuple[FlowBatch, Talk]:
    """The rows between the same two ends, oldest first, without messages, in tables of their own; and what was said."""
    time_ns, found, talk = int(row["time_ns"][0]), [], Talk()
    sides = [End(*(int(row[f"{side}_{part}"][0]) for part in _PARTS)) for side in ("source", "destination")]
    for view in held.views:
        at = np.concatenate([_between(view, *ends) for ends in (sides, sides[::-1])[: 1 + (sides[0] != sides[1])]])
        at = np.sort(at[view["protocol"][at] == row["protocol"][0]])
        talk = heard(talk, view, at[(view["message"][at] != 0) & (view["is_reply"][at] == 1)])
        at = at[view["message"][at] == 0]
        if len(at):
            part = held.named(view.take(at).without_lost())
            found.append(FlowBatch({name: part[name] for name in part.names() if name != "message"}, part.tables))
    rows = concat([empty(), *found])  # into new tables: those of the ring are the line's
    order = np.argsort(rows["time_ns"], kind="stable")
    near = np.argsort(np.abs(rows["time_ns"][order] - time_ns), kind="stable")[:MOST_ROWS]
    return rows.take(order[np.sort(near)]), talk


def _life(rows: FlowBatch, time_ns: int) -> FlowBatch:
    """Those of the connection that was there at a time: two after another may have the same ports."""
    flags, times = rows["tcp_flags"], rows["time_ns"]
    ends = flags & (TCPFlags.FIN | TCPFlags.RST) != 0
    ends |= np.isin(rows["tcp_event"], (TCPEvent.CLOSE, TCPEvent.RESET))
    ended = np.cumsum(ends)
    first, last, before = 0, len(rows), 0
    # A dropped SYN may be told after the reset that answered it.
    for at in np.flatnonzero((flags & _OPENS == TCPFlags.SYN) & (rows["verdict"] == Verdict.FORWARDED)).tolist():
        if at and ended[at - 1] > before:
            before = int(ended[at - 1])
            if times[at] > time_ns:
                last = at
                break
            first = at
    return rows.take(slice(first, last))


def _is_turned(flow: FlowBatch, rows: FlowBatch, source: End) -> tuple[bool, bool]:
    """Whether the flow goes from the server to the client, and whether that is known."""
    if flow["is_reply"][0] >= 0:
        return bool(flow["is_reply"][0] == 1), True
    along = _is(rows, "source", source)
    reply, flags = rows["is_reply"], rows["tcp_flags"]
    tcp = rows["protocol"] == Protocol.TCP
    opens, answers = flags & _OPENS == TCPFlags.SYN, flags & _OPENS == _OPENS
    for forth, back in (((reply == 0), (reply == 1)), (opens & tcp, answers & tcp)):
        known = np.flatnonzero(forth | back)
        if len(known):
            return bool((forth ^ along)[known[0]]), True
    ports = [int(flow[f"{side}_port"][0]) for side in ("source", "destination")]
    return 0 < ports[0] < _EPHEMERAL <= ports[1], False


def _fate(case: Case) -> tuple[FlowBatch, str]:
    """The row that decided what became of it, and the kind of case that this makes it."""
    flow, rows = case.flow, case.rows
    if flow["verdict"][0] in DROPS:
        return flow, "dropped"
    if case.message.type in (MessageType.REQUEST, MessageType.RESPONSE, MessageType.EXCHANGE):
        return flow, "failed" if is_failed(case.message) or is_waiting(case) else "forwarded"
    drops = np.flatnonzero(np.isin(rows["verdict"], DROPS))
    drops = drops[~after_all(case)[drops]]
    if not case.is_tcp:  # between the same ends there is much that has nothing to do with this
        drops = drops[np.abs(rows["time_ns"][drops] - flow["time_ns"][0]) <= _NEAR_NS]
    if len(drops):
        return _row(rows, drops[-1]), "dropped"
    if not case.is_tcp:
        return flow, "forwarded"
    resets, opened = np.flatnonzero(rows["tcp_flags"] & TCPFlags.RST), is_open(case)
    asked = np.flatnonzero((rows["tcp_flags"] & _OPENS == TCPFlags.SYN) & case.toward(rows))
    if len(resets):
        first = _row(rows, resets[0])
        is_refusal = len(asked) and not opened.any() and not case.toward(first)[0]
        return first, "refused" if is_refusal else "reset"
    if len(asked) and not opened.any() and case.toward(rows).all():
        return _row(rows, asked[-1]), "unanswered"
    return flow, "forwarded"


def is_waiting(case: Case) -> bool:
    """Whether it was asked and nobody has answered since."""
    return case.message.type == MessageType.REQUEST and case.talk.replied_ns < int(case.flow["time_ns"][0])


def is_open(case: Case) -> Mask:
    """(n,) bool: rows of the connection that show that it was opened."""
    rows = case.rows
    back = ~case.toward(rows)
    flags, events = rows["tcp_flags"], rows["tcp_event"]
    answered = back & (flags & TCPFlags.SYN != 0) & (rows["verdict"] == Verdict.FORWARDED)
    found: Mask = answered | np.isin(events, (TCPEvent.CONNECT, TCPEvent.ACCEPT))
    return found


def after_all(case: Case) -> Mask:
    """(n,) bool: rows without SYN from when on both ends had said that they are done (FIN): what is dropped of those
    loses nothing that a program waits for.
    """
    rows = case.rows
    toward, fins = case.toward(rows), rows["tcp_flags"] & TCPFlags.FIN != 0
    fins &= rows["verdict"] == Verdict.FORWARDED
    done = np.logical_or.accumulate(fins & toward) & np.logical_or.accumulate(fins & ~toward)
    found: Mask = done & (rows["tcp_flags"] & TCPFlags.SYN == 0) & case.is_tcp
    return found


def _row(rows: FlowBatch, at: int) -> FlowBatch:
    return rows.take(slice(int(at), int(at) + 1))


def _put_names(case: Case) -> None:
    """Who the two ends are: what the rows say last that say anything."""
    for batch in (case.rows, case.flow):
        for side in ("source", "destination"):
            for end in (case.client, case.server):
                _put_side(case, batch, side, end)


def _put_side(case: Case, batch: FlowBatch, side: str, end: End) -> None:
    mine = _is(batch, side, end)
    known = np.flatnonzero(mine & (batch[f"{side}_endpoint"] != 0))
    if len(known):
        case.endpoints[end] = batch.tables.endpoints[int(batch[f"{side}_endpoint"][known[-1]])]
    local = np.flatnonzero(mine & at_socket(batch, side) & (batch["process"] != 0))
    for process in _last(batch.tables.processes.read(batch["process"][local])):
        case.processes[end] = process


def _last(processes: Sequence[Process]) -> Iterator[Process]:
    """The last whose number is known, if any."""
    known = [one for one in processes if one.pid]
    yield from known[-1:]
