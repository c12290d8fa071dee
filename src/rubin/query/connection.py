"""What the ring knows of connections at layers 3 and 4 around the requests on them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from rubin.model.batch import FlowBatch
from rubin.model.enums import Protocol, TCPEvent, TCPFlags, Verdict
from rubin.model.points import at_socket
from rubin.model.tables import Process
from rubin.query.said import connections
from rubin.store.ring import Ring

CLIENT, SERVER = "client", "server"
_ENDS = ("high", "low", "port")


@dataclass(frozen=True, slots=True)
class Socket:
    """Whose connection: a key of its ends, the client's end, and the cookie of one end's socket (0: not known)."""

    connection: int
    client: tuple[int, int, int]
    end: str
    cookie: int


@dataclass(slots=True)
class Facts:
    """Of some time of a connection; 0, () and {}: nothing of the kind was seen.

    `srtt_us` is the last by end, `processes` whose sockets the ends are.
    """

    connect_latency_us: int = 0
    srtt_us: dict[str, int] = field(default_factory=dict)
    retransmits: int = 0
    resets: int = 0
    drops: list[str] = field(default_factory=list)
    processes: dict[str, Process] = field(default_factory=dict)


def flows_of(ring: Ring, sockets: Iterable[Socket], since_ns: int, until_ns: int) -> list[FlowBatch]:
    """The rows of these connections, as stored. By their ends, and by the socket's cookie, which NAT leaves as it is;
    a socket of UDP has many peers, and is known by its ends alone.
    """
    known = list(sockets)
    keys = np.unique(np.array([one.connection for one in known], np.uint64))
    cookies = np.unique(np.array([one.cookie for one in known if one.cookie], np.uint64))
    found = []
    for view in ring.scan(since_ns=since_ns, until_ns=until_ns, as_stored=True):
        mine = np.isin(connections(view), keys)
        if len(cookies):
            mine |= np.isin(view["socket_cookie"], cookies) & (view["protocol"] == Protocol.TCP)
        mine &= (view["time_ns"] >= since_ns) & (view["time_ns"] <= until_ns)
        if mine.any():
            found.append(view.take(np.flatnonzero(mine)).without_lost())
    return found


def facts(flows: Iterable[FlowBatch], socket: Socket, since_ns: int, until_ns: int) -> Facts:
    """What these rows say of one connection between two times."""
    made = Facts()
    for batch in flows:
        keys, cookies = connections(batch), batch["socket_cookie"]
        mine = (keys == np.uint64(socket.connection)) | ((cookies == np.uint64(socket.cookie)) & (socket.cookie > 0))
        mine &= (batch["time_ns"] >= since_ns) & (batch["time_ns"] <= until_ns) & (batch["message"] == 0)
        for row in np.flatnonzero(mine).tolist():
            _take(made, batch.take(slice(row, row + 1)), socket)
    return made


def _take(made: Facts, flow: FlowBatch, socket: Socket) -> None:
    end, cookie = _end(flow, socket), int(flow["socket_cookie"][0])
    if end == socket.end and cookie and socket.cookie and cookie != socket.cookie:
        return  # another connection between the same two ports
    made.connect_latency_us = made.connect_latency_us or int(flow["connect_latency_us"][0])
    made.retransmits += int(flow["retransmits"][0])
    reset = flow["tcp_event"][0] == TCPEvent.RESET or flow["tcp_flags"][0] & TCPFlags.RST
    made.resets += int(bool(reset))
    if flow["verdict"][0] == Verdict.DROPPED:
        (reason,), (place,) = flow.rows("kernel_drop_reason"), flow.rows("drop_location")
        made.drops.append(f"{reason} at {place}" if place else reason or "dropped")
    if end and flow["srtt_us"][0]:
        made.srtt_us[end] = int(flow["srtt_us"][0])
    (process,) = flow.rows("process")
    if end and process.pid:
        made.processes[end] = process


def _end(flow: FlowBatch, socket: Socket) -> str:
    """At whose socket a flow was seen; "" where at none."""
    if socket.cookie and flow["socket_cookie"][0] == socket.cookie:
        return socket.end
    for side in ("source", "destination"):
        if at_socket(flow, side)[0]:
            local = tuple(int(flow[f"{side}_{part}"][0]) for part in _ENDS)
            return CLIENT if local == socket.client else SERVER
    return ""
