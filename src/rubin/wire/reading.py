"""One `flow.Flow` as numbers for the columns and rows for the tables."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, NamedTuple, TypeVar

from rubin.model import addresses
from rubin.model.enums import Protocol, TCPFlags
from rubin.model.tables import Contents, Endpoint, Link, Policy, Process, Service, Tables, Workload
from rubin.wire import drop, summary
from rubin.wire.pb import flow_pb2
from rubin.wire.rows import POLICIES, dns_row, http_row, policy_row, tunnel_row
from rubin.wire.varint import LEN, VARINT, block, tag

_PROTOCOLS = {member.name: int(member) for member in Protocol if member}
_FLAGS = [(flag.name or "", int(flag)) for flag in TCPFlags]
_RARE = ("l7", "trace_context", "ip_trace_id", "tunnel")
_LISTS = ("node_labels", "policy_log", *POLICIES)
_NO_SUMMARY = tag(100_000, LEN) + b"\0"
_NO_REPLY = tag(16, VARINT) + b"\0"
_REPLIED = tag(16, VARINT) + b"\1"
_Value = TypeVar("_Value")


class Row(NamedTuple):
    """What a flow's columns hold; numbers may be beyond what the column can."""

    time_ns: int
    uuid_high: int
    uuid_low: int
    verdict: int
    flow_type: int
    event_type: int
    event_sub_type: int
    trace_point: int
    trace_reason: int
    traffic_direction: int
    is_reply: int
    ip_version: int
    source_high: int
    source_low: int
    destination_high: int
    destination_low: int
    source_xlated: int
    encrypted: int
    protocol: int
    source_port: int
    destination_port: int
    tcp_flags: int
    icmp_type: int
    icmp_code: int
    sctp_chunk_type: int
    drop_reason: int
    kernel_drop_reason: int
    drop_location: int
    policy_match_type: int
    auth_type: int
    socket_cookie: int
    process: int
    source_endpoint: int
    destination_endpoint: int
    link: int
    node_name: int
    contents: int


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

    def row(self, flow: flow_pb2.Flow) -> Row:
        """The numbers of this flow; what has a place in the tables is entered there."""
        event, ip, l4 = flow.event_type, self._ip(flow), self._l4(flow)
        is_reply = int(flow.is_reply.value) if flow.HasField("is_reply") else -1
        kernel = self._once(("file", flow.file.name), self._file, flow.file.name) if _is_ours(flow) else (0, 0)
        high, low = _uuid(flow.uuid)
        strings = self._tables.strings
        return Row(
            _time(flow), high, low, flow.verdict, flow.Type, event.type, event.sub_type, flow.trace_observation_point,
            flow.trace_reason, flow.traffic_direction, is_reply, *ip,
            strings.code(flow.IP.source_xlated), flow.IP.encrypted, *l4, flow.drop_reason_desc, *kernel,
            flow.policy_match_type, flow.auth_type, flow.socket_cookie,
            self._once(("cgroup", flow.cgroup_id), self._process, flow.cgroup_id),
            self._endpoint(flow.source, flow.source_names, flow.source_service),
            self._endpoint(flow.destination, flow.destination_names, flow.destination_service),
            self._link(flow), strings.code(flow.node_name), self._contents(flow, ip[0], l4, is_reply),
        )  # fmt: skip

    def _ip(self, flow: flow_pb2.Flow) -> tuple[int, int, int, int, int]:
        if not flow.HasField("IP"):
            return 0, 0, 0, 0, 0
        version, high, low = self._once(("ip", flow.IP.source), _address, flow.IP.source)
        other, to_high, to_low = self._once(("ip", flow.IP.destination), _address, flow.IP.destination)
        return flow.IP.ipVersion or version or other, high, low, to_high, to_low

    def _l4(self, flow: flow_pb2.Flow) -> tuple[int, int, int, int, int, int, int]:
        name = flow.l4.WhichOneof("protocol")
        match name:
            case None:
                return 0, 0, 0, 0, 0, 0, 0
            case "TCP":
                tcp = flow.l4.TCP
                flags = self._once(("flags", tcp.flags.SerializeToString()), _flags, tcp.flags)
                return 6, tcp.source_port, tcp.destination_port, flags, 0, 0, 0
            case "UDP":
                return 17, flow.l4.UDP.source_port, flow.l4.UDP.destination_port, 0, 0, 0, 0
            case "SCTP":
                sctp = flow.l4.SCTP
                return 132, sctp.source_port, sctp.destination_port, 0, 0, 0, sctp.chunk_type
            case "ICMPv4" | "ICMPv6":
                icmp = getattr(flow.l4, name)
                return _PROTOCOLS[name], 0, 0, 0, icmp.type, icmp.code, 0
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
        return self._once(("link", row), lambda: self._tables.links.code(Link(*row)))

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

    def _contents(self, flow: flow_pb2.Flow, ip_version: int, l4: tuple[int, ...], is_reply: int) -> int:
        protocol, _, _, tcp_flags, icmp_type, icmp_code, _ = l4
        shape = (flow.Type, flow.event_type.type, protocol, tcp_flags, icmp_type, icmp_code, ip_version)
        usual = self._once(("summary", shape), summary.of_packet, *shape)
        rest = block(41, flow.emitter.SerializeToString())
        if flow.reply != (is_reply == 1):
            rest += _REPLIED if flow.reply else _NO_REPLY
        own = "" if flow.Summary == usual else flow.Summary
        if usual and not flow.Summary:
            rest += _NO_SUMMARY
        has_more = flow.proxy_port or any(map(flow.HasField, _RARE)) or any(getattr(flow, name) for name in _LISTS)
        if not has_more:
            return self._once(("rest", rest, own), self._tables.contents.code, Contents(summary=own, rest=rest))
        return self._tables.contents.code(replace(_contents_of(flow), summary=own, rest=rest))


def _contents_of(flow: flow_pb2.Flow) -> Contents:
    return Contents(
        l7_type=flow.l7.type,
        latency_ns=flow.l7.latency_ns,
        http=http_row(flow.l7.http) if flow.l7.HasField("http") else None,
        dns=dns_row(flow.l7.dns) if flow.l7.HasField("dns") else None,
        trace_id=flow.trace_context.parent.trace_id,
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


def _time(flow: flow_pb2.Flow) -> int:
    """Nanoseconds; 0 for a time that int64 cannot hold or that is before 1970."""
    time = flow.time
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
