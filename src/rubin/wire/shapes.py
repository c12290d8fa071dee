"""What happened, as bytes of a flow message: verdict, reasons, points, summary; once per distinct combination."""

from typing import Any

from rubin.model.enums import EventType
from rubin.model.tables import Tables
from rubin.wire import drop, summary
from rubin.wire.known import Known, record
from rubin.wire.mask import Tree, prune
from rubin.wire.pb import flow_pb2
from rubin.wire.skips import Skips

RECORD = record(
    {
        "verdict": "u1", "flow_type": "u1", "event_type": "u1", "event_sub_type": "u1", "trace_point": "u1",
        "trace_reason": "u1", "traffic_direction": "u1", "is_reply": "i1", "policy_match_type": "u1", "auth_type": "u1",
        "protocol": "u1", "icmp_type": "u1", "icmp_code": "u1", "ip_version": "u1", "drop_reason": "u2",
        "tcp_flags": "u2", "kernel_drop_reason": "u4", "drop_location": "u4", "skip": "u4",
    }
)  # fmt: skip
"""The columns of a shape; `skip` is of `Skips`."""

_CAPTURE_POINTS = frozenset(flow_pb2.DebugCapturePoint.values())


class Shapes(Known):
    """The shapes of the flows of one `Tables` under one mask."""

    def __init__(self, tables: Tables, wanted: Tree | None, skips: Skips, version: str) -> None:
        super().__init__(RECORD)
        self._strings, self._wanted, self._skips = tables.strings, wanted, skips
        self._emitter = flow_pb2.Emitter(name="Rubin", version=version)

    def _make(
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
            flow.file.name = drop.file_name(self._strings[kernel_reason], self._strings[location])
        return encoded(flow, self._skips.sets[skip], self._wanted), b""


def encoded(flow: flow_pb2.Flow, skip: frozenset[str], wanted: Tree | None) -> bytes:
    """The message without the fields of `skip`, and of the rest what the mask wants."""
    for name in skip:
        flow.ClearField(name)
    prune(flow, wanted)
    return flow.SerializeToString()
