"""Rows of the tables as Hubble's messages. What one row says of a flow, and nothing else of it."""

from typing import Any

from rubin.model.messages import DNS, Message, MessageType
from rubin.model.tables import Contents, Endpoint, Link, Policy, Service, Tunnel
from rubin.wire import summary
from rubin.wire.pb import flow_pb2

_TYPES = frozenset((MessageType.REQUEST, MessageType.RESPONSE, MessageType.SAMPLE))  # an exchange is ours alone
_MOST_STATUS = (1 << 31) - 1
POLICIES = ("egress_allowed_by", "ingress_allowed_by", "egress_denied_by", "ingress_denied_by")


def put_endpoint(flow: flow_pb2.Flow, side: str, row: Endpoint) -> None:
    """Who is behind `side` ("source" or "destination"); nothing is set where nothing is known."""
    workloads = [flow_pb2.Workload(name=workload.name, kind=workload.kind) for workload in row.workloads]
    message = flow_pb2.Endpoint(
        ID=row.id, identity=row.identity, cluster_name=row.cluster_name, namespace=row.namespace,
        labels=row.labels, pod_name=row.pod_name, workloads=workloads,
    )  # fmt: skip
    if message.ByteSize():
        getattr(flow, side).CopyFrom(message)
    getattr(flow, f"{side}_names").extend(row.names)
    if row.service != Service():
        service = flow_pb2.Service(name=row.service.name, namespace=row.service.namespace)
        getattr(flow, f"{side}_service").CopyFrom(service)


def put_link(flow: flow_pb2.Flow, row: Link) -> None:
    """The interface and the frame."""
    if row.source_mac or row.destination_mac:
        flow.ethernet.source = row.source_mac
        flow.ethernet.destination = row.destination_mac
    if row.index or row.name:
        flow.interface.index = row.index
        flow.interface.name = row.name


def put_message(flow: flow_pb2.Flow, row: Message) -> None:
    """What was said above layer 4, as a flow of its direction shows it, and the summary of it where there is one."""
    if row.type or row.protocol or row.latency_ns:
        _put_l7(flow.l7, row)
    if row.trace_id:
        flow.trace_context.parent.trace_id = row.trace_id
    flow.Summary = summary.of_message(row)


def put_contents(flow: flow_pb2.Flow, row: Contents) -> None:
    """What only some flows carry, all but `rest`."""
    if row.ip_trace_id:
        flow.ip_trace_id.trace_id = row.ip_trace_id
    if row.tunnel:
        _put_tunnel(flow.tunnel, row.tunnel)
    flow.proxy_port = row.proxy_port
    flow.Summary = row.summary
    flow.node_labels.extend(row.node_labels)
    flow.policy_log.extend(row.policy_log)
    for name in POLICIES:
        getattr(flow, name).extend(_policy(policy) for policy in getattr(row, name))


def _put_l7(l7: flow_pb2.Layer7, row: Message) -> None:
    l7.SetInParent()
    l7.type = row.type  # type: ignore[assignment]  # enums are open
    l7.latency_ns = row.latency_ns
    if row.protocol in ("http", "grpc"):
        l7.http.CopyFrom(_http(row))
    elif row.dns is not None:
        l7.dns.CopyFrom(_dns(row.dns))


def _http(row: Message) -> flow_pb2.HTTP:
    headers = [flow_pb2.HTTPHeader(key=key, value=value) for key, value in row.attributes]
    return flow_pb2.HTTP(
        code=max(row.status, 0), method=row.method, url=row.url, protocol=summary.http_version(row), headers=headers
    )


def _dns(row: DNS) -> flow_pb2.DNS:
    return flow_pb2.DNS(
        query=row.query, ips=row.ips, ttl=row.ttl, cnames=row.cnames, rcode=row.rcode,
        observation_source=row.observation_source, qtypes=row.qtypes, rrtypes=row.rrtypes,
    )  # fmt: skip


def _policy(row: Policy) -> flow_pb2.Policy:
    return flow_pb2.Policy(
        name=row.name, namespace=row.namespace, labels=row.labels, revision=row.revision, kind=row.kind
    )


def _put_tunnel(tunnel: flow_pb2.Tunnel, row: Tunnel) -> None:
    tunnel.SetInParent()
    tunnel.protocol = row.protocol  # type: ignore[assignment]  # enums are open
    tunnel.vni = row.vni
    if row.source or row.destination:
        tunnel.IP.source = row.source
        tunnel.IP.destination = row.destination
        tunnel.IP.ipVersion = flow_pb2.IPv6 if ":" in row.source + row.destination else flow_pb2.IPv4
    if row.source_port or row.destination_port:
        tunnel.l4.UDP.source_port = row.source_port
        tunnel.l4.UDP.destination_port = row.destination_port


def tunnel_row(tunnel: flow_pb2.Tunnel) -> Tunnel:
    """The row that `put_contents` would make this message of."""
    udp = tunnel.l4.UDP
    return Tunnel(
        tunnel.protocol, tunnel.IP.source, tunnel.IP.destination, udp.source_port, udp.destination_port, tunnel.vni
    )


def message_row(flow: flow_pb2.Flow) -> Message:
    """The row of `l7` and `trace_context`; numbers and texts that have no room in it are left out."""
    l7, trace_id = flow.l7, flow.trace_context.parent.trace_id
    common: dict[str, Any] = {
        "type": int(l7.type) if int(l7.type) in _TYPES else 0, "latency_ns": l7.latency_ns, "trace_id": trace_id
    }  # fmt: skip
    if l7.HasField("http"):
        http = l7.http
        headers = tuple((one.key, one.value) for one in http.headers)
        status = http.code if http.code <= _MOST_STATUS else 0
        return Message(
            protocol="http", method=http.method, target=http.url, version=http.protocol, status=status,
            attributes=headers, **common,
        )  # fmt: skip
    if l7.HasField("dns"):
        return Message(protocol="dns", target=l7.dns.query, dns=_dns_row(l7.dns), **common)
    return Message(**common)


def _dns_row(dns: flow_pb2.DNS) -> DNS:
    return DNS(
        dns.query, tuple(dns.ips), dns.ttl, tuple(dns.cnames), dns.observation_source, dns.rcode, tuple(dns.qtypes),
        tuple(dns.rrtypes),
    )  # fmt: skip


def policy_row(policy: flow_pb2.Policy) -> Policy:
    """The row of this message."""
    return Policy(policy.name, policy.namespace, tuple(policy.labels), policy.revision, policy.kind)
