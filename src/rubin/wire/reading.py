"""One `flow.Flow` as numbers for the columns and rows for the tables."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from rubin.model import addresses
from rubin.model.enums import Protocol, TCPFlags
from rubin.model.messages import Message
from rubin.model.tables import Contents, Endpoint, Link, Policy, Process, Service, Tables, Workload
from rubin.wire import drop, summary
from rubin.wire.pb import flow_pb2
from rubin.wire.rows import policy_row, tunnel_row
from rubin.wire.varint import LEN, VARINT, block, tag

_PROTOCOLS = {member.name: int(member) for member in Protocol if member}
_FLAGS = [(flag.name or "", int(flag)) for flag in TCPFlags]
_NO_IP = (0, 0, 0, 0, 0, 0, 0)
_NO_SUMMARY = tag(100_000, LEN) + b"\0"
_NO_REPLY = tag(16, VARINT) + b"\0"
_REPLIED = tag(16, VARINT) + b"\1"
_Value = TypeVar("_Value")


COLUMNS = (
    "time_ns", "uuid_high", "uuid_low", "verdict", "flow_type", "event_type", "event_sub_type", "trace_point",
    "trace_reason", "traffic_direction", "is_reply",
    "ip_version", "source_high", "source_low", "destination_high", "destination_low", "source_xlated", "encrypted",
    "protocol", "source_port", "destination_port", "tcp_flags", "icmp_type", "icmp_code", "sctp_chunk_type",
    "drop_reason", "kernel_drop_reason", "drop_location", "policy_match_type", "auth_type", "socket_cookie", "process",
    "source_endpoint", "destination_endpoint", "link", "node_name", "contents",
)  # fmt: skip
"""What `Reader.row` gives, in this order; numbers may be beyond what the column can."""


class Reader:
    """Reads flows into rows of these tables. What repeats is read once."""

    _KEPT = 100_000

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._kept: dict[Any, Any] = {}

    def _once(self, key: Any, make: Callable[..., _Value], *arguments: Any) -> _Value:
        value = self._kept.get(key)
        if value is None:
            if len(self._kept) > self._KEPT:
                self._kept.clear()
            value = self._kept[key] = make(*arguments)
        made: _Value = value
        return made

    def row(self, flow: flow_pb2.Flow, message: Message) -> tuple[int, ...]:
        """The numbers of this flow for `COLUMNS`, what has a place in the tables is entered there; all but its message,
        of which only the summary counts here.
        """
        event, ip, l4 = flow.event_type, flow.IP.SerializeToString(), self._l4(flow.l4)
        addresses = self._once(ip, self._ip, flow.IP) if ip else _NO_IP
        kind, is_reply = event.type, flow.is_reply.value if flow.HasField("is_reply") else -1
        kernel = self._once(("file", flow.file.name), self._file, flow.file.name) if _is_ours(flow) else (0, 0)
        return (
            _time(flow.time), *_uuid(flow.uuid), flow.verdict, flow.Type, kind, event.sub_type,
            flow.trace_observation_point, flow.trace_reason, flow.traffic_direction, is_reply, *addresses, *l4,
            flow.drop_reason_desc, *kernel, flow.policy_match_type, flow.auth_type, flow.socket_cookie,
            self._once(flow.cgroup_id, self._process, flow.cgroup_id),
            self._endpoint(flow.source, flow.source_names, flow.source_service),
            self._endpoint(flow.destination, flow.destination_names, flow.destination_service),
            self._link(flow), self._tables.strings.code(flow.node_name),
            self._contents(flow, _expected(message, flow.Type, kind, l4, addresses[0]), is_reply),
        )  # fmt: skip

    def _ip(self, ip: flow_pb2.IP) -> tuple[int, ...]:
        version, high, low = _address(ip.source)
        other, to_high, to_low = _address(ip.destination)
        xlated = self._tables.strings.code(ip.source_xlated)
        return ip.ipVersion or version or other, high, low, to_high, to_low, xlated, ip.encrypted

    def _l4(self, l4: flow_pb2.Layer4) -> tuple[int, int, int, int, int, int, int]:
        match l4.WhichOneof("protocol"):
            case None:
                return 0, 0, 0, 0, 0, 0, 0
            case "TCP":
                tcp = l4.TCP
                flags = self._once(("flags", tcp.flags.SerializeToString()), _flags, tcp.flags)
                return 6, tcp.source_port, tcp.destination_port, flags, 0, 0, 0
            case "UDP":
                return 17, l4.UDP.source_port, l4.UDP.destination_port, 0, 0, 0, 0
            case "SCTP":
                return 132, l4.SCTP.source_port, l4.SCTP.destination_port, 0, 0, 0, l4.SCTP.chunk_type
            case "ICMPv4":
                return 1, 0, 0, 0, l4.ICMPv4.type, l4.ICMPv4.code, 0
            case "ICMPv6":
                return 58, 0, 0, 0, l4.ICMPv6.type, l4.ICMPv6.code, 0
            case name:
                return _PROTOCOLS[name], 0, 0, 0, 0, 0, 0

    def _file(self, name: str) -> tuple[int, int]:
        reason, location = drop.from_file_name(name)
        return self._tables.strings.code(reason), self._tables.strings.code(location)

    def _process(self, cgroup_id: int) -> int:
        return self._tables.processes.code(Process(cgroup_id=cgroup_id))

    def _link(self, flow: flow_pb2.Flow) -> int:
        if not (flow.HasField("interface") or flow.HasField("ethernet")):
            return 0
        row = (flow.interface.index, flow.interface.name, flow.ethernet.source, flow.ethernet.destination)
        return self._once(row, lambda: self._tables.links.code(Link(*row)))

    def _endpoint(self, endpoint: flow_pb2.Endpoint, names: Any, service: flow_pb2.Service) -> int:
        key = (endpoint.SerializeToString(), tuple(names), service.SerializeToString())
        return self._once(key, self._new_endpoint, endpoint, key[1], service)

    def _new_endpoint(self, endpoint: flow_pb2.Endpoint, names: tuple[str, ...], service: flow_pb2.Service) -> int:
        row = Endpoint(
            endpoint.ID, endpoint.identity, endpoint.cluster_name, endpoint.namespace, tuple(endpoint.labels),
            endpoint.pod_name, tuple(Workload(one.name, one.kind) for one in endpoint.workloads), names,
            Service(service.name, service.namespace),
        )  # fmt: skip
        return self._tables.endpoints.code(row)

    def _contents(self, flow: flow_pb2.Flow, expected: str, is_reply: int) -> int:
        text = flow.Summary
        said = None if text == expected else text
        key = (flow.emitter.SerializeToString(), said, flow.reply, is_reply == 1)
        usual = self._once(key, self._usual, *key)
        if not _has_more(flow):
            return usual
        row = self._tables.contents[usual]
        return self._tables.contents.code(replace(_contents_of(flow), summary=row.summary, rest=row.rest))

    def _usual(self, emitter: bytes, text: str | None, reply: bool, is_reply: bool) -> int:
        """The contents of a flow that has no more of them; what columns say is not said again.

        `text` is its summary, None where that is as expected.
        """
        rest = block(41, emitter)
        if reply != is_reply:
            rest += _REPLIED if reply else _NO_REPLY
        if text == "":
            rest += _NO_SUMMARY
        return self._tables.contents.code(Contents(summary=text or "", rest=rest))


def _expected(message: Message, flow_type: int, event_type: int, l4: tuple[int, ...], ip_version: int) -> str:
    """The summary that a flow has by its message and columns."""
    packet = flow_type, event_type, l4[0], l4[3], l4[4], l4[5], ip_version
    return summary.of_message(message) or summary.of_packet(*packet)


def _has_more(flow: flow_pb2.Flow) -> bool:
    return bool(
        flow.HasField("ip_trace_id") or flow.HasField("tunnel") or flow.proxy_port
        or flow.node_labels or flow.policy_log
        or flow.egress_allowed_by or flow.ingress_allowed_by or flow.egress_denied_by or flow.ingress_denied_by
    )  # fmt: skip


def _contents_of(flow: flow_pb2.Flow) -> Contents:
    return Contents(
        ip_trace_id=flow.ip_trace_id.trace_id,
        tunnel=tunnel_row(flow.tunnel) if flow.HasField("tunnel") else None,
        proxy_port=flow.proxy_port,
        node_labels=tuple(flow.node_labels),
        policy_log=tuple(flow.policy_log),
        egress_allowed_by=_policies(flow.egress_allowed_by),
        ingress_allowed_by=_policies(flow.ingress_allowed_by),
        egress_denied_by=_policies(flow.egress_denied_by),
        ingress_denied_by=_policies(flow.ingress_denied_by),
    )


def _policies(policies: Iterable[flow_pb2.Policy]) -> tuple[Policy, ...]:
    return tuple(map(policy_row, policies))


def _is_ours(flow: flow_pb2.Flow) -> bool:
    """True where `file` is the kernel's words, written by `drop.file_name`."""
    return flow.emitter.name == "Rubin" and not flow.file.line


def _time(time: Timestamp) -> int:
    """Nanoseconds; 0 for a time that int64 cannot hold or that is before 1970."""
    return time.seconds * 1_000_000_000 + time.nanos if 0 <= time.seconds < 9_000_000_000 else 0


def _uuid(text: str) -> tuple[int, int]:
    if len(text) != 36:
        return 0, 0
    try:
        number = int(text.replace("-", ""), 16)
    except ValueError:
        return 0, 0
    return number >> 64 & 0xFFFF_FFFF_FFFF_FFFF, number & 0xFFFF_FFFF_FFFF_FFFF


def _address(text: str) -> tuple[int, int, int]:
    """(version, high, low); zeros for what is no address."""
    try:
        return 2 if ip_address(text).version == 6 else 1, *addresses.pair(text)
    except ValueError:
        return 0, 0, 0


def _flags(flags: flow_pb2.TCPFlags) -> int:
    return sum(bit for name, bit in _FLAGS if getattr(flags, name))
