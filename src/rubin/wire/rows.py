"""Rows of the tables as Hubble's messages. What one row says of a flow, and nothing else of it."""

from rubin.model.tables import DNS, HTTP, Contents, Endpoint, Link, Policy, Service, Tunnel
from rubin.wire.pb import flow_pb2

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


def put_contents(flow: flow_pb2.Flow, row: Contents, summary: str) -> None:
    """What only some flows carry, all but `rest`."""
    if row.l7_type or row.latency_ns or row.http or row.dns:
        _put_l7(flow.l7, row)
    if row.trace_id:
        flow.trace_context.parent.trace_id = row.trace_id
    if row.ip_trace_id:
        flow.ip_trace_id.trace_id = row.ip_trace_id
    if row.tunnel:
        _put_tunnel(flow.tunnel, row.tunnel)
    flow.proxy_port = row.proxy_port
    flow.Summary = summary
    flow.node_labels.extend(row.node_labels)
    flow.policy_log.extend(row.policy_log)
    for name in POLICIES:
        getattr(flow, name).extend(_policy(policy) for policy in getattr(row, name))


def _put_l7(l7: flow_pb2.Layer7, row: Contents) -> None:
    l7.SetInParent()
    l7.type = row.l7_type  # type: ignore[assignment]  # enums are open
    l7.latency_ns = row.latency_ns
    if row.http:
        l7.http.CopyFrom(_http(row.http))
    elif row.dns:
        l7.dns.CopyFrom(_dns(row.dns))


def _http(row: HTTP) -> flow_pb2.HTTP:
    headers = [flow_pb2.HTTPHeader(key=key, value=value) for key, value in row.headers]
    return flow_pb2.HTTP(code=row.code, method=row.method, url=row.url, protocol=row.protocol, headers=headers)


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


def http_row(http: flow_pb2.HTTP) -> HTTP:
    """The row of this message."""
    return HTTP(http.code, http.method, http.url, http.protocol, tuple((one.key, one.value) for one in http.headers))


def dns_row(dns: flow_pb2.DNS) -> DNS:
    """The row of this message."""
    return DNS(
        dns.query, tuple(dns.ips), dns.ttl, tuple(dns.cnames), dns.observation_source, dns.rcode, tuple(dns.qtypes),
        tuple(dns.rrtypes),
    )  # fmt: skip


def policy_row(policy: flow_pb2.Policy) -> Policy:
    """The row of this message."""
    return Policy(policy.name, policy.namespace, tuple(policy.labels), policy.revision, policy.kind)
