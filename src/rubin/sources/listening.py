"""What is said at this machine's sockets, as flows of layer 7."""

import numpy as np

from rubin.dissect.dissectors import dissectors
from rubin.dissect.found import Told
from rubin.dissect.redaction import REDACTION, Redaction
from rubin.dissect.segments import I64, LOCAL, REMOTE, U8, UNKNOWN, Segments
from rubin.dissect.stage import NEVER, Stage
from rubin.kernel import payloads
from rubin.kernel.flows import Flows
from rubin.kernel.lanes import Slots
from rubin.kernel.payloads import FACTS, PAYLOAD_BYTES, Payloads
from rubin.kernel.records import RECORD, Kind
from rubin.kernel.rows import Records
from rubin.model.batch import FlowBatch
from rubin.model.enums import Direction, EventType, FlowType, Protocol, TracePoint
from rubin.sources.governor import Governor

MOST_PACKETS = 8192
"""At a time, half of what the kernel has room for: while these are read the kernel can go on."""

_MANY = MOST_PACKETS // 2  # a quarter of the room
_FULL = 0.5  # of the room that a processor has
_PATIENCE_S = 0.1  # so that an exchange is told within 0.2 s
_MOST_PATIENCE_S = 0.4  # where half of the machine or less is left over: the fewer looks, the more is heard for as much
_SECOND_S = 1.0  # for requests that wait, and the governor

_SAME = (
    *("socket_cookie", "netns_cookie", "cgroup_id", "pid", "uid", "comm", "netns_inode", "ifindex"),
    *("protocol", "ip_version"),
)


class Listening:
    """Takes what the kernel has of what is said, and says what more of it is wanted. For one thread."""

    def __init__(self, heard: Payloads, most_percent: float, redaction: Redaction = REDACTION) -> None:
        """`most_percent`: the agent's share of the machine."""
        self.payloads = heard
        self.stage = Stage(dissectors(redaction), redaction)
        self.governor = Governor(most_percent)
        self._servers = _Servers()
        self._more, self._looked_s = False, 0.0

    @property
    def pending(self) -> bool:
        """Whether the last `take` left something in the lanes."""
        return self._more

    def is_due(self, now_s: float) -> bool:
        """Whether it is time to `take`.

        A look costs milliseconds however little there is: packets wait a moment for more of them.
        """
        pending = self.payloads.lanes.pending
        patience_s = min(_PATIENCE_S / max(self.governor.spare, 0.1) ** 2, _MOST_PATIENCE_S)
        if pending >= _MANY or self.payloads.lanes.fill >= _FULL:
            patience_s = 0.0
        elif not pending:
            patience_s = _SECOND_S
        if now_s - self._looked_s < patience_s:
            return False
        self._looked_s = now_s
        return True

    def take(self, flows: Flows, offset_ns: int, now_ns: int, until_ns: int) -> FlowBatch | None:
        """The next exchanges; None where there are none. What was said after `until_ns` is left for the next time.

        Times are CLOCK_MONOTONIC.
        """
        messages = flows.tables.messages
        said = self.payloads.lanes.peek(MOST_PACKETS, until_ns)
        self._more = len(said) >= MOST_PACKETS
        told = self.stage.read(_segments(said), messages)
        self.payloads.lanes.advance()
        for whose, slots in self.stage.wishes():
            facts = whose.view(FACTS)
            wanted = np.full(len(facts), slots if slots > 0 else payloads.NOTHING)
            self.payloads.want(facts["index"].astype(np.int64), facts["tag"], wanted)
            if slots != NEVER:
                self._servers.heard(self.payloads, facts)
        if (vain := self.stage.vain()) is not None:
            self._servers.in_vain(self.payloads, vain.view(FACTS))
        self._servers.again(self.payloads, now_ns)
        if self.governor.step():
            self.payloads.admit(self.governor.share)
        told = told.with_more(self.stage.tick(now_ns, messages))
        count = len(told)
        if not count:
            return None
        return flows.batch(_records(told), offset_ns).with_columns(
            flow_type=np.full(count, FlowType.L7, np.uint8),
            event_type=np.full(count, EventType.L7, np.uint8),
            event_sub_type=np.zeros(count, np.uint8),
            trace_point=np.full(count, TracePoint.UNKNOWN_POINT, np.uint8),
            trace_reason=np.zeros(count, np.uint8),
            message=told.message,
        )

    def account(self) -> dict[str, float]:
        """Figures for `rubin status`."""
        stage = self.stage
        return {
            "connections": stage.connections.count,
            "waiting": len(stage.turns.waiting) + len(stage.datagrams.waiting),
            "unpaired": stage.lost,
            "without_headers": stage.turns.headers.unread,
            "failures": stage.talks.failures,
            "heard_percent": round(100 * self.governor.share, 1),
            "ring_fill_percent": round(100 * self.payloads.lanes.fill, 2),
        }

    def close(self) -> None:
        """Let the kernel's side go."""
        self.payloads.close()


class _Servers:
    """With whom nothing is said that is read: after some connections they are left alone for a while."""

    def __init__(self) -> None:
        self._in_vain = np.zeros(payloads.MUTE_PLACES, np.int64)
        self._again_ns = 0

    def again(self, kernel: Payloads, now_ns: int) -> None:
        """Once in a while a connection with each is looked at again: another program may serve there by now."""
        if now_ns < self._again_ns:
            return
        self._again_ns = now_ns + _AGAIN_NS
        mute = np.flatnonzero(self._in_vain >= _MOST_IN_VAIN)
        self._in_vain[mute] = _MOST_IN_VAIN - 1
        kernel.mute(mute, False)

    def heard(self, kernel: Payloads, facts: Records) -> None:
        """These connections could be read."""
        places = _places(facts)
        spoken = places[self._in_vain[places] > 0]
        self._in_vain[spoken] = 0
        kernel.mute(spoken, False)

    def in_vain(self, kernel: Payloads, facts: Records) -> None:
        """These could not."""
        places = _places(facts)
        np.add.at(self._in_vain, places, 1)
        kernel.mute(places[self._in_vain[places] >= _MOST_IN_VAIN], True)


def _places(facts: Records) -> I64:
    """Those of the servers, of TCP, that are known."""
    places = payloads.mute_places(facts)
    found: I64 = places[(places >= 0) & (facts["protocol"] == Protocol.TCP)]
    return found


_MOST_IN_VAIN = 32  # connections with a server
_AGAIN_NS = 30_000_000_000
_BEHIND = 16  # bytes that may be read behind the last one of a packet
_REACH = 64  # how many slots of others may lie between two of one packet


def _segments(slots: Slots) -> Segments:
    """What the slots hold; the few packets that have several are put together in a copy."""
    stride, said = slots.records.strides[0], slots.records["bytes"]
    size = (len(said) - 1) * stride + PAYLOAD_BYTES + _BEHIND
    data = np.lib.stride_tricks.as_strided(said, (size,), (1,), writeable=False)
    facts = slots.records["facts"][slots.rows]  # all lines of a slot but its bytes are looked at once
    records, start = facts.view(FACTS), slots.rows * stride
    captured = records["captured"].astype(np.int64)
    later = np.flatnonzero(records["flags"] & payloads.MORE)
    if not len(later):
        return _of(facts, data, start, captured)
    data = slots.records["bytes"][slots.rows].ravel()  # so that what is put together can lie behind it
    data, start, captured = _together(records, later, data, np.arange(len(slots)) * PAYLOAD_BYTES, captured)
    first = np.flatnonzero((records["flags"] & payloads.MORE) == 0)
    return _of(facts[first], data, start[first], captured[first])


def _together(records: Records, later: I64, data: U8, start: I64, captured: I64) -> tuple[U8, I64, I64]:
    """The same with the bytes of later slots behind those of their packet's first, where that is there."""
    first_of: dict[int, int] = {}
    pieces: dict[int, list[int]] = {}
    tag, out, length = records["tag"], records["flags"] & payloads.OUT, records["length"]
    for row in later.tolist():
        for before in range(row - 1, max(row - _REACH, 0) - 1, -1):
            if tag[before] == tag[row] and out[before] == out[row]:
                if int(length[before]) - int(captured[before]) == int(length[row]):
                    first = first_of[row] = first_of.get(before, before)
                    pieces.setdefault(first, [first]).append(row)
                break
    grown, end = [data], len(data)
    for first, rows in pieces.items():
        joined = np.concatenate([data[start[row] : start[row] + captured[row]] for row in rows])
        start[first], captured[first] = end, len(joined)
        grown.append(joined)
        end += len(joined)
    return np.concatenate([*grown, np.zeros(_BEHIND, np.uint8)]), start, captured


def _of(facts: Records, data: U8, start: I64, captured: I64) -> Segments:
    records = facts.view(FACTS)
    flags = records["flags"]
    opener = np.full(len(records), UNKNOWN, np.uint8)
    opener[(flags & payloads.OPENED_LOCALLY) != 0] = LOCAL
    opener[(flags & payloads.OPENED_REMOTELY) != 0] = REMOTE
    return Segments(
        data,
        start,
        captured,
        records["length"].astype(np.int64),
        records["time_ns"].astype(np.int64),
        np.array(records["tag"]),
        (flags & payloads.OUT) != 0,
        opener,
        (flags & payloads.FROM_START) != 0,
        (flags & payloads.CLEAR) != 0,
        records["protocol"] == Protocol.TCP,
        np.array(records["sequence"]),
        np.array(records["acknowledged"]),
        facts,
    )


def _records(told: Told) -> Records:
    """Records of the kernel as they would be of the packets that said it."""
    facts = told.facts.view(FACTS)
    records = np.zeros(len(told), RECORD)
    for name in _SAME:
        records[name] = facts[name]
    speaker_out = told.client_out ^ told.answered
    local, remote = (facts[name].view(np.uint64) for name in ("local", "remote"))  # a byte each is eight times the work
    for mine, speaks in (("source", speaker_out), ("destination", ~speaker_out)):
        speaker = records[mine].view(np.uint64)
        for half in (0, 1):
            speaker[:, half] = np.where(speaks, local[:, half], remote[:, half])
        records[f"{mine}_port"] = np.where(speaks, facts["local_port"], facts["remote_port"])
    records["outer_destination"].view(np.uint64)[:] = facts["asked"].view(np.uint64)
    records["outer_destination_port"] = facts["asked_port"]
    records["time_ns"] = told.time_ns
    records["kind"] = Kind.TRACE
    records["point"] = np.where(speaker_out, TracePoint.TO_STACK, TracePoint.TO_ENDPOINT)
    records["direction"] = np.where(speaker_out, Direction.EGRESS, Direction.INGRESS)
    records["reply"] = told.answered
    return records
