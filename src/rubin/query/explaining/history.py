"""What the ring knows of the port that was asked: who asked it, who was answered, who shared the flow's fate.

One pass over the ring by columns; of the rows to and from the port only a few bytes each are kept.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Array, FlowBatch
from rubin.model.codes import U64
from rubin.model.enums import Protocol, TCPEvent, TCPFlags, TracePoint, Verdict
from rubin.model.tables import Process, Tables
from rubin.query.explaining.answers import judged
from rubin.query.explaining.case import DROPS, Case
from rubin.query.explaining.held import Held

Mask = npt.NDArray[np.bool_]

# What is known of a row, one bit each.
TOWARD, SAME, ANSWER, OPENED, RESET, PAIR, ASKS, LOST, UNHEARD, GOOD = (1 << bit for bit in range(10))
_HASH = np.uint64(0x9E3779B97F4A7C15)
_OPENS = TCPFlags.SYN | TCPFlags.ACK


@dataclass(slots=True)
class Latencies:
    """Of the pair's rows before the connection: microseconds."""

    connect_us: list[Array] = field(default_factory=list)
    srtt_us: list[Array] = field(default_factory=list)
    message_us: list[Array] = field(default_factory=list)
    retransmits: int = 0


class History:
    """Rows to and from the server's port, in the ring's order: `times_ns`, `who` (a key of the client and its port),
    `clients` (a key of its address) and `bits`. `oldest_ns` and `newest_ns` of the whole ring; 0: it is empty. `server`
    is the last row seen at the server's socket, with its names; None: none was. `own` is the flow's `who`; 0: no ports.
    """

    def __init__(self, held: Held, case: Case) -> None:
        self.case = case
        self.oldest_ns = self.newest_ns = 0
        self.latencies = Latencies()
        self._reason = case.reason
        self._askers: list[tuple[U64, Array, Tables]] = []  # clients' ports with the codes of their processes
        self._last: FlowBatch | None = None
        # Without connections there is no beginning but the flow itself.
        self.begins_ns = int(case.rows["time_ns"][0]) if case.is_tcp and len(case.rows) else case.time_ns
        self._parts: list[tuple[Array, U64, U64, Array]] = []
        high, low, port = (np.array([part], np.uint64) for part in case.client)
        self._client = _key(high, low)[0]
        self.own = (self._client ^ (port * _HASH))[0] if case.client.port else np.uint64(0)
        for view in held.views:
            if len(view):
                self._add(view)
        self.server = self._owner(held)
        parts = list(zip(*self._parts, strict=True)) or [(), (), (), ()]
        kinds = np.int64, np.uint64, np.uint64, np.uint16
        self.times_ns, self.who, self.clients, self.bits = (
            np.concatenate(each) if each else np.zeros(0, kind) for each, kind in zip(parts, kinds, strict=True)
        )

    def mask(self, all_of: int, none_of: int = 0) -> Mask:
        """(n,) bool: rows that have all of some bits and none of others."""
        found: Mask = self.bits & np.uint16(all_of | none_of) == np.uint16(all_of)
        return found

    def last_ns(self, rows: Mask) -> int:
        """The latest time of these rows; 0: there are none."""
        return int(self.times_ns[rows].max()) if rows.any() else 0

    def first_ns(self, rows: Mask) -> int:
        """The earliest; 0: there are none."""
        return int(self.times_ns[rows].min()) if rows.any() else 0

    def alike(self) -> Mask:
        """(n,) bool: rows that share what happened to the flow; none where nothing went wrong."""
        kind = self.case.kind
        if kind in ("dropped", "failed"):
            return self.mask(SAME)
        if kind == "refused":
            return self.refused()
        if kind == "reset":
            along = TOWARD if self.case.toward(self.case.fate)[0] else 0
            return self._among(self.mask(RESET | along, 0 if along else TOWARD), self.mask(OPENED), True)
        if kind == "unanswered":
            answered = self.mask(ANSWER) | self.mask(RESET, TOWARD) | self.mask(LOST)
            return self._among(self.mask(ASKS), answered, False)
        return np.zeros(len(self.bits), np.bool_)

    def refused(self) -> Mask:
        """(n,) bool: resets by the server of connections that were never open."""
        return self._among(self.mask(RESET, TOWARD), self.mask(OPENED), False)

    def connections(self, rows: Mask) -> int:
        """How many clients' ports these rows are of."""
        return len(distinct(self.who[rows]))

    def processes(self, rows: Mask) -> set[Process]:
        """Whose sockets the clients' ports of these rows are, as far as it is known."""
        wanted, found = distinct(self.who[rows]), set[Process]()
        for who, codes, tables in self._askers if len(wanted) else ():
            mine = wanted[np.minimum(np.searchsorted(wanted, who), len(wanted) - 1)] == who
            found.update(tables.processes.read(np.unique(codes[mine])))
        return {one for one in found if one.pid}

    def _among(self, rows: Mask, others: Mask, wanted: bool) -> Mask:
        """(n,) bool: of the rows those whose client's port the others have, too, or have not."""
        at, known = np.flatnonzero(rows), distinct(self.who[others])
        place = np.minimum(np.searchsorted(known, self.who[at]), max(len(known) - 1, 0))
        there = known[place] == self.who[at] if len(known) else np.zeros(len(at), np.bool_)
        found = np.zeros(len(rows), np.bool_)
        found[at[there == wanted]] = True
        return found

    def _add(self, view: FlowBatch) -> None:
        times = view["time_ns"]
        first, last = int(times.min()), int(times.max())
        self.oldest_ns = min(self.oldest_ns or first, first)
        self.newest_ns = max(self.newest_ns, last)
        for side, other in (("destination", "source"), ("source", "destination")):
            rows = self._rows(view, side)
            if len(rows):
                self._add_rows(view, rows, other, side == "destination")

    def _owner(self, held: Held) -> FlowBatch | None:
        return held.named(self._last) if self._last is not None else None

    def _rows(self, view: FlowBatch, side: str) -> npt.NDArray[np.intp]:
        """Those whose end on this side is the server's."""
        server = self.case.server
        # The port first: two bytes a row decide most of them.
        rows = np.flatnonzero(view[f"{side}_port"] == server.port)
        rows = rows[view[f"{side}_low"][rows] == np.uint64(server.low)]
        rows = rows[view[f"{side}_high"][rows] == np.uint64(server.high)]
        found: npt.NDArray[np.intp] = rows[view["protocol"][rows] == self.case.protocol]
        return found

    def _add_rows(self, view: FlowBatch, rows: npt.NDArray[np.intp], other: str, is_toward: bool) -> None:
        times = view["time_ns"][rows]
        clients = _key(view[f"{other}_high"][rows], view[f"{other}_low"][rows])
        who = clients ^ (view[f"{other}_port"][rows].astype(np.uint64) * _HASH)
        bits = self._bits(view, rows, is_toward)
        bits[clients == self._client] |= PAIR
        self._parts.append((times, who, clients, bits))
        if is_toward:
            local = (view["trace_point"][rows] == TracePoint.TO_STACK) & (view["process"][rows] != 0)
            local &= bits & ASKS != 0 if self.case.is_tcp else True
            self._askers.append((who[local], view["process"][rows[local]], view.tables))
        before = (bits & PAIR != 0) & (times < self.begins_ns) & (who != self.own)
        self._put_latencies(view, rows[before])
        point = TracePoint.TO_ENDPOINT if is_toward else TracePoint.TO_STACK
        self._put_owner(view, rows[(view["trace_point"][rows] == point) & (view["process"][rows] != 0)])

    def _put_owner(self, view: FlowBatch, local: npt.NDArray[np.intp]) -> None:
        """The last of these rows of the server's socket, whose process is known."""
        if not len(local):
            return
        at, processes = local[np.argmax(view["time_ns"][local])], view.tables.processes
        if not processes[int(view["process"][at])].pid:
            known = [code for code in np.unique(view["process"][local]).tolist() if processes[code].pid]
            local = local[np.isin(view["process"][local], known)]
            at = local[np.argmax(view["time_ns"][local])] if len(local) else -1
        if at >= 0:
            found = view.take(slice(int(at), int(at) + 1)).without_lost()
            if self._last is None or found["time_ns"][0] >= self._last["time_ns"][0]:
                self._last = found

    def _bits(self, view: FlowBatch, rows: npt.NDArray[np.intp], is_toward: bool) -> npt.NDArray[np.uint16]:
        bits = np.full(len(rows), TOWARD if is_toward else 0, np.uint16)
        passed = view["verdict"][rows] == Verdict.FORWARDED
        lost = np.isin(view["verdict"][rows], DROPS) if not passed.all() else ~passed
        bits[lost] |= LOST
        if lost.any():
            bits[lost] |= self._lost_bits(view, rows[lost], is_toward)
        reset = np.zeros(len(rows), np.bool_)
        if self.case.protocol == Protocol.TCP:
            flags, events = view["tcp_flags"][rows], view["tcp_event"][rows]
            reset = passed & (flags & TCPFlags.RST != 0)
            bits[reset] |= RESET
            opened = (events == TCPEvent.CONNECT) | (events == TCPEvent.ACCEPT)
            if is_toward:
                bits[flags & _OPENS == TCPFlags.SYN] |= ASKS
            else:
                opened |= passed & (flags & TCPFlags.SYN != 0)
            bits[opened] |= OPENED
        if not is_toward:
            bits[passed & ~reset] |= ANSWER
        if not is_toward and self.case.kind == "failed":
            good, same = judged(self.case, view, rows)
            bits[good] |= GOOD
            bits[same] |= SAME
        return bits

    def _lost_bits(self, view: FlowBatch, rows: npt.NDArray[np.intp], is_toward: bool) -> npt.NDArray[np.uint16]:
        """SAME: dropped for the same reason, in the same direction, at the same point of a connection's life. UNHEARD:
        the kernel said that nobody listens.
        """
        case, fate = self.case, self.case.fate
        reasons = view["kernel_drop_reason"][rows]
        opening = np.ones(len(rows), np.bool_)
        if case.is_tcp:
            opening = view["tcp_flags"][rows] & _OPENS == TCPFlags.SYN
        found = np.zeros(len(rows), np.uint16)
        if is_toward:
            found[opening & _is_text(view, reasons, "NO_SOCKET")] |= UNHEARD
        if case.kind == "dropped" and bool(case.toward(fate)[0]) == is_toward:
            same = (view["drop_reason"][rows] == fate["drop_reason"][0]) & (opening == case.is_opening)
            found[same & _is_text(view, reasons, self._reason)] |= SAME
        return found

    def _put_latencies(self, view: FlowBatch, rows: npt.NDArray[np.intp]) -> None:
        if not len(rows):
            return
        known = self.latencies
        for found, name in ((known.connect_us, "connect_latency_us"), (known.srtt_us, "srtt_us")):
            values = view[name][rows]
            found.append(values[values > 0])
        known.retransmits += int(view["retransmits"][rows].sum())
        codes = view["message"][rows]
        codes = codes[codes > 0]
        if len(codes):
            took = view.tables.messages.rows(codes)["latency_ns"] // 1000
            known.message_us.append(took[took > 0])


def _is_text(view: FlowBatch, codes: Array, text: str) -> Mask:
    """(n,) bool: codes of this string."""
    strings = view.tables.strings.rows
    found: Mask = codes.astype(np.int64) == (strings.index(text) if text in strings else -1)
    return found


def distinct(keys: U64) -> U64:
    """The distinct ones, sorted; np.unique hashes, which takes ten times as long for many."""
    found = np.sort(keys)
    return found[np.r_[True, found[1:] != found[:-1]]] if len(found) else found


def _key(high: U64, low: U64) -> U64:
    """A key of an address; of IPv4, whose upper half is 0, without a collision."""
    found: U64 = low ^ (high * _HASH)
    return found
