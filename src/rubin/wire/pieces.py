"""The parts of a flow message that many rows share, each encoded once per distinct combination.

*Shapes* say what happened (verdict, reasons, points, summary), *pairs* between whom (addresses,
endpoints, interface, node), *contents* what only some flows carry. All of it under one field mask
and for one `Tables`.

A row whose contents hold `rest` was not ours: whatever field `rest` has is taken from there as it
came, and left out of the other pieces (`skip`). An empty emitter in it means that there was none.
"""

from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.model import addresses
from rubin.model.enums import EventType
from rubin.model.tables import Tables
from rubin.wire import drop, summary
from rubin.wire.known import Known, record
from rubin.wire.mask import Tree, prune
from rubin.wire.pb import flow_pb2, observer_pb2
from rubin.wire.rows import put_contents, put_endpoint, put_link
from rubin.wire.varint import VARINT, block, fields, tag, varint

Array = npt.NDArray[Any]
Columns = dict[str, Array]

SHAPE = record(
    {
        "verdict": "u1", "flow_type": "u1", "event_type": "u1", "event_sub_type": "u1", "trace_point": "u1",
        "trace_reason": "u1", "traffic_direction": "u1", "is_reply": "i1", "policy_match_type": "u1", "auth_type": "u1",
        "protocol": "u1", "icmp_type": "u1", "icmp_code": "u1", "ip_version": "u1", "drop_reason": "u2",
        "tcp_flags": "u2", "kernel_drop_reason": "u4", "drop_location": "u4", "skip": "u4",
    }
)  # fmt: skip
PAIR = record(
    {
        "source_high": "u8", "source_low": "u8", "destination_high": "u8", "destination_low": "u8", "cgroup_id": "u8",
        "source_endpoint": "u4", "destination_endpoint": "u4", "source_xlated": "u4", "link": "u4", "node_name": "u4",
        "skip": "u4", "ip_version": "u1", "encrypted": "u1",
    }
)  # fmt: skip
COLUMNS = tuple(
    ({*(SHAPE.names or ()), *(PAIR.names or ())} - {"skip", "spare", "cgroup_id"}) | {"process", "contents"}
)
"""What the pieces are made of."""

_NUMBERS = {descriptor.name: descriptor.number for descriptor in flow_pb2.Flow.DESCRIPTOR.fields}
_CAPTURE_POINTS = frozenset(flow_pb2.DebugCapturePoint.values())
_IP = frozenset(("source", "destination", "ipVersion", "encrypted", "source_xlated"))


class Pieces:
    """Makes and keeps the pieces of the flows of one `Tables` under one mask."""

    def __init__(self, tables: Tables, wanted: Tree | None, version: str) -> None:
        self.tables = tables
        self.shapes, self.pairs = Known(), Known()
        self._wanted = wanted
        self._ip_wanted = (wanted or {}).get("IP") or _IP
        self._emitter = flow_pb2.Emitter(name="Rubin", version=version)
        self._skips: list[frozenset[str]] = [frozenset()]
        self._skip_codes: dict[frozenset[str], int] = {frozenset(): 0}
        self._skip_of = np.zeros(1, np.uint32)
        self._cgroup_of = np.zeros(1, np.uint64)
        self._sides: dict[tuple[str, int, frozenset[str]], bytes] = {}
        self._links: dict[tuple[int, frozenset[str]], bytes] = {}
        self._texts: dict[tuple[int, int, int], bytes] = {}
        self._contents: dict[int, tuple[bytes, bytes]] = {}

    # What rows say beyond their columns.

    def skip_codes(self, contents: Array) -> npt.NDArray[np.uint32]:
        """(n,) which set of fields the rests of these contents have; 0 is none."""
        rows, known = self.tables.contents.rows, len(self._skip_of)
        if len(rows) > known:
            more = [self._skip_code(row.rest) if row.rest else 0 for row in rows[known:]]
            self._skip_of = np.concatenate([self._skip_of, np.array(more, np.uint32)])
        return self._skip_of[contents]

    def _skip_code(self, rest: bytes) -> int:
        there = {number for number, _, _ in fields(rest)}
        skip = frozenset(name for name, number in _NUMBERS.items() if number in there)
        code = self._skip_codes.setdefault(skip, len(self._skips))
        if code == len(self._skips):
            self._skips.append(skip)
        return code

    def skipping(self, name: str, codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
        """(n,) bool: which rows have this field in their rest."""
        return np.array([name in skip for skip in self._skips])[codes]

    def cgroups(self, processes: Array) -> npt.NDArray[np.uint64]:
        """(n,) the cgroup id of each row's process."""
        rows, known = self.tables.processes.rows, len(self._cgroup_of)
        if len(rows) > known:
            more = np.array([row.cgroup_id for row in rows[known:]], np.uint64)
            self._cgroup_of = np.concatenate([self._cgroup_of, more])
        return self._cgroup_of[processes]

    # The pieces, by row.

    def shape_codes(self, columns: Columns, skip: Array) -> npt.NDArray[np.int64]:
        """(n,) the code of each row's shape in `shapes`."""
        return self.shapes.find(_records(SHAPE, columns, {"skip": skip}), self._shape)

    def pair_codes(self, columns: Columns, skip: Array) -> npt.NDArray[np.int64]:
        """(n,) the code of each row's pair in `pairs`."""
        derived = {"skip": skip, "cgroup_id": self.cgroups(columns["process"])}
        return self.pairs.find(_records(PAIR, columns, derived), self._pair)

    def _wants(self, name: str, skip: frozenset[str] = frozenset()) -> bool:
        return name not in skip and (self._wanted is None or name in self._wanted)

    def _pruned(self, flow: flow_pb2.Flow, skip: frozenset[str]) -> bytes:
        for name in skip:
            flow.ClearField(name)
        prune(flow, self._wanted)
        return flow.SerializeToString()

    def _shape(
        self, verdict: int, flow_type: int, event_type: int, sub_type: int, point: int, reason: int, direction: int,
        is_reply: int, match: int, auth: int, protocol: int, icmp_type: int, icmp_code: int, ip_version: int,
        drop_reason: int, tcp_flags: int, kernel_reason: int, location: int, skip: int,
    ) -> tuple[bytes, bytes]:  # fmt: skip
        words: dict[str, Any] = {
            "verdict": verdict, "Type": flow_type, "drop_reason_desc": drop_reason, "auth_type": auth,
            "trace_observation_point": point, "trace_reason": reason, "traffic_direction": direction,
        }  # fmt: skip  # enums are open: numbers
        flow = flow_pb2.Flow(
            **words, drop_reason=drop_reason, policy_match_type=match, reply=is_reply == 1, emitter=self._emitter,
            Summary=summary.of_packet(flow_type, event_type, protocol, tcp_flags, icmp_type, icmp_code, ip_version),
        )  # fmt: skip
        if is_reply >= 0:
            flow.is_reply.value = is_reply == 1
        if event_type or sub_type:
            flow.event_type.type, flow.event_type.sub_type = event_type, sub_type
        if event_type == EventType.TRACE_SOCK:
            flow.sock_xlate_point = sub_type  # type: ignore[assignment]
        if event_type == EventType.CAPTURE and sub_type in _CAPTURE_POINTS:
            flow.debug_capture_point = sub_type  # type: ignore[assignment]
        if kernel_reason or location:
            flow.file.name = drop.file_name(self.tables.strings[kernel_reason], self.tables.strings[location])
        return self._pruned(flow, self._skips[skip]), b""

    def _pair(
        self, source_high: int, source_low: int, destination_high: int, destination_low: int, cgroup_id: int,
        source: int, destination: int, xlated: int, link: int, node: int, skip_code: int, version: int, encrypted: int,
    ) -> tuple[bytes, bytes]:  # fmt: skip
        skip = self._skips[skip_code]
        parts = [self._side("source", source, skip), self._side("destination", destination, skip)]
        parts.append(self._link(link, skip))
        if version and self._wants("IP", skip):
            addresses = self._address(1, version, source_high, source_low)
            addresses += self._address(2, version, destination_high, destination_low)
            parts.append(self._ip(version, addresses, xlated, encrypted))
        if cgroup_id and self._wants("cgroup_id", skip):
            parts.append(tag(33, VARINT) + varint(cgroup_id))
        name = self.tables.strings[node].encode()
        if not name or not self._wants("node_name", skip):
            return b"".join(parts), b""
        return b"".join([*parts, block(11, name)]), block(1000, name)

    def _side(self, side: str, code: int, skip: frozenset[str]) -> bytes:
        made = self._sides.get((side, code, skip))
        if made is None:
            flow = flow_pb2.Flow()
            put_endpoint(flow, side, self.tables.endpoints[code])
            made = self._sides[side, code, skip] = self._pruned(flow, skip)
        return made

    def _link(self, code: int, skip: frozenset[str]) -> bytes:
        made = self._links.get((code, skip))
        if made is None:
            flow = flow_pb2.Flow()
            put_link(flow, self.tables.links[code])
            made = self._links[code, skip] = self._pruned(flow, skip)
        return made

    def _ip(self, version: int, addresses: bytes, xlated: int, encrypted: int) -> bytes:
        body = addresses
        if "ipVersion" in self._ip_wanted:
            body += b"\x18" + varint(version)
        if "encrypted" in self._ip_wanted and encrypted:
            body += b"\x20\x01"
        if "source_xlated" in self._ip_wanted and xlated:
            body += block(5, self.tables.strings[xlated].encode())
        return block(5, body)

    def _address(self, field: int, version: int, high: int, low: int) -> bytes:
        if ("source" if field == 1 else "destination") not in self._ip_wanted:
            return b""
        key = (high, low, field + 2 * version)
        made = self._texts.get(key)
        if made is None:
            if len(self._texts) > 4 * Known.LIMIT:
                self._texts.clear()
            text = "" if version == 1 and not high and not low else address_text(high, low)
            made = self._texts[key] = block(field, text.encode()) if text else b""
        return made

    def contents(self, code: int) -> tuple[bytes, bytes]:
        """What a row's contents add inside the flow, and around it. `skip_codes` has seen them."""
        made = self._contents.get(code)
        if made is None:
            if len(self._contents) > Known.LIMIT:
                self._contents.clear()
            made = self._contents[code] = self._new_contents(code)
        return made

    def _new_contents(self, code: int) -> tuple[bytes, bytes]:
        row = self.tables.contents[code]
        flow = flow_pb2.Flow()
        put_contents(flow, row, summary.of_contents(row))
        if not row.rest:
            return self._pruned(flow, frozenset()), b""
        skip = self._skips[self._skip_of[code]]
        self._pruned(flow, skip)
        flow.MergeFromString(row.rest)
        if "emitter" in skip and not flow.emitter.ByteSize():
            flow.ClearField("emitter")
        prune(flow, self._wanted)
        return flow.SerializeToString(), _around(flow)


def _around(flow: flow_pb2.Flow) -> bytes:
    """What a response repeats of its flow: time and node name."""
    response = observer_pb2.GetFlowsResponse(node_name=flow.node_name)
    if flow.HasField("time"):
        response.time.CopyFrom(flow.time)
    return response.SerializeToString()


def address_text(high: int, low: int) -> str:
    """As `addresses.text`, ten times as fast."""
    if not high:
        if low >> 32 == 0xFFFF:
            return inet_ntop(AF_INET, (low & 0xFFFFFFFF).to_bytes(4, "big"))
        return addresses.text(high, low)  # ::1.2.3.4 and its like, which the C library writes in another way
    return inet_ntop(AF_INET6, (high << 64 | low).to_bytes(16, "big"))


def _records(kind: np.dtype[np.void], columns: Columns, derived: Columns) -> Array:
    made = np.zeros(len(derived["skip"]), kind)
    for name in kind.names or ():
        if name != "spare":
            made[name] = derived[name] if name in derived else columns[name]
    return made
