"""What is said in a capture, as flows of layer 7: the same reading as at sockets, of packets out of a file."""

import numpy as np

from rubin.dissect.dissectors import dissectors
from rubin.dissect.found import Told
from rubin.dissect.packets import Packets
from rubin.dissect.redaction import REDACTION, Redaction
from rubin.dissect.segments import I64, U8, UNKNOWN, Segments
from rubin.dissect.stage import Stage
from rubin.model.batch import Array, FlowBatch
from rubin.model.codes import mix
from rubin.model.columns import DTYPES
from rubin.model.enums import EventType, FlowType, Protocol, Verdict
from rubin.model.tables import Tables

_ENDS = ("high", "low", "port")
FACTS = np.dtype(
    [
        *((f"{end}_{part}", "<u8") for end in ("one", "other") for part in _ENDS),  # the lesser address is `one`
        ("protocol", "u1"),
        ("ip_version", "u1"),
        ("pad", "V6"),
    ]
)
_TCP_HEADER, _UDP_HEADER = 20, 8  # bytes at least
_LONG_NS = 3600 * 1_000_000_000


class Heard:
    """Reads a capture's packets in order; of each first the request, then the answer, in one row."""

    def __init__(self, uuid_high: int, redaction: Redaction = REDACTION) -> None:
        """`uuid_high`: the first half of the UUIDs of this reading."""
        self._stage, self._uuid_high = Stage(dissectors(redaction), redaction), uuid_high
        self._last_ns = self._made = 0

    def read(self, data: U8, packets: Packets, columns: dict[str, Array], tables: Tables) -> FlowBatch | None:
        """The exchanges of these packets, whose `columns` have times; None: there are none."""
        segments = _segments(data, packets, columns)
        told = self._stage.read(segments, tables.messages)
        self._stage.wishes()  # a file holds what it holds
        self._last_ns = max(self._last_ns, int(columns["time_ns"].max(initial=0)))
        return self._batch(told.with_more(self._stage.tick(self._last_ns, tables.messages)), tables)

    def rest(self, tables: Tables) -> FlowBatch | None:
        """Requests that nobody has answered by the end."""
        return self._batch(self._stage.tick(self._last_ns + _LONG_NS, tables.messages), tables)

    def _batch(self, told: Told, tables: Tables) -> FlowBatch | None:
        if not len(told):
            return None
        columns = _columns(told)
        count = len(told)
        columns["uuid_high"] = np.full(count, self._uuid_high, np.uint64)
        numbers = np.arange(self._made, self._made + count, dtype=np.uint64)
        columns["uuid_low"] = numbers | np.uint64(1 << 63 | 1 << 60)  # packets count without the lower of the bits
        self._made += count
        return FlowBatch(columns, tables)


def _segments(data: U8, packets: Packets, columns: dict[str, Array]) -> Segments:
    """The TCP and UDP packets with something in them."""
    protocol, at = packets.columns["protocol"], packets.transport
    tcp = protocol == Protocol.TCP
    least = np.select([tcp, protocol == Protocol.UDP], [_TCP_HEADER, _UDP_HEADER], 1 << 30)
    rows = np.flatnonzero((at >= 0) & ~packets.broken & (packets.end - at >= least))
    at, tcp = at[rows], tcp[rows]
    header = np.where(tcp, (data[np.where(tcp, at + 12, at)] >> 4).astype(np.int64) * 4, _UDP_HEADER)
    start, end = at + header, np.minimum(packets.end, len(data))[rows]
    said = np.flatnonzero((start < end) & (packets.wire_end[rows] > start))
    rows, at, tcp, start, end = rows[said], at[said], tcp[said], start[said], end[said]
    facts, forward = _facts(packets, rows)
    return Segments(
        np.concatenate([data, np.zeros(16, np.uint8)]),
        start,
        end - start,
        packets.wire_end[rows] - start,
        columns["time_ns"][rows].astype(np.int64),
        mix(*(facts[f"{end}_{part}"] for end in ("one", "other") for part in _ENDS), facts["protocol"]),
        forward,
        np.full(len(rows), UNKNOWN, np.uint8),
        np.zeros(len(rows), np.bool_),
        np.zeros(len(rows), np.bool_),
        tcp,
        np.where(tcp, _number(data, at + 4), 0).astype(np.uint32),
        np.where(tcp, _number(data, at + 8), 0).astype(np.uint32),
        facts.view(np.dtype((np.void, FACTS.itemsize))),
    )


def _number(data: U8, at: I64) -> I64:
    """(n,) four bytes each, big-endian; where they lie beyond the data the last four."""
    found = np.zeros(len(at), np.int64)
    for place in range(4):
        found = found << 8 | data[np.minimum(at + place, len(data) - 1)]
    return found


def _facts(packets: Packets, rows: I64) -> tuple[Array, Array]:
    """Who the two ends are, and whether the packet goes from `one` to `other`."""
    columns = packets.columns
    source, destination = (
        [columns[f"{side}_{part}"][rows].astype(np.uint64) for part in _ENDS] for side in ("source", "destination")
    )
    forward = source[2] <= destination[2]
    for ours, theirs in ((source[1], destination[1]), (source[0], destination[0])):
        forward = np.where(ours == theirs, forward, ours < theirs)
    facts = np.zeros(len(rows), FACTS)
    for part, ours, theirs in zip(_ENDS, source, destination, strict=True):
        facts[f"one_{part}"], facts[f"other_{part}"] = np.where(forward, ours, theirs), np.where(forward, theirs, ours)
    facts["protocol"], facts["ip_version"] = packets.columns["protocol"][rows], packets.columns["ip_version"][rows]
    return facts, forward


def _columns(told: Told) -> dict[str, Array]:
    facts, n = told.facts.view(FACTS), len(told)
    speaks_one = told.client_out ^ told.answered
    columns: dict[str, Array] = {
        "time_ns": told.time_ns,
        "verdict": np.full(n, Verdict.FORWARDED),
        "flow_type": np.full(n, FlowType.L7),
        "event_type": np.full(n, EventType.L7),
        "is_reply": told.answered,
        "message": told.message,
        **{name: facts[name] for name in ("protocol", "ip_version")},
    }
    for part in _ENDS:
        one, other = facts[f"one_{part}"], facts[f"other_{part}"]
        columns[f"source_{part}"] = np.where(speaks_one, one, other)
        columns[f"destination_{part}"] = np.where(speaks_one, other, one)
    return {name: column.astype(DTYPES[name]) for name, column in columns.items()}
