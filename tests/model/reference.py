"""Hubble's filter rules once more, one flow at a time and as plainly as they can be said: the measure for the masks."""

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any
from uuid import UUID

from rubin.model import addresses
from rubin.model.batch import FlowBatch
from rubin.model.columns import COLUMNS
from rubin.model.enums import TracePoint, Verdict
from rubin.model.filter import BeyondHubble, FlowFilter
from tests.said import seen

Flow = dict[str, Any]


def flows_of(batch: FlowBatch) -> list[Flow]:
    """Each row as names and values; codes followed, addresses as text ("" where the packet has no IP header)."""
    return [_flow(batch, row) for row in range(len(batch))]


def _flow(batch: FlowBatch, row: int) -> Flow:
    flow: Flow = {}
    for name, column in COLUMNS.items():
        value = int(batch[name][row])
        flow[name] = batch.tables[column.table][value] if column.table else value
    flow["message"] = seen(flow["message"], flow["is_reply"])
    for side in ("source", "destination"):
        text = addresses.text(flow[f"{side}_high"], flow[f"{side}_low"])
        flow[f"{side}_ip"] = text if flow["ip_version"] else ""
    flow["uuid"] = str(UUID(int=flow["uuid_high"] << 64 | flow["uuid_low"]))
    return flow


def wanted(flow: Flow, allow: Sequence[FlowFilter], deny: Sequence[FlowFilter]) -> bool:
    return (not allow or any(passes(flow, each) for each in allow)) and not any(passes(flow, each) for each in deny)


def passes(flow: Flow, asked: FlowFilter) -> bool:
    rules = {
        **_RULES,
        **{name: (lambda f, v, n=name: f[n] in v) for name in ("traffic_direction", "verdict", "ip_version")},
    }
    for name, rule in rules.items():
        if getattr(asked, name) and not rule(flow, getattr(asked, name)):
            return False
    process, beyond = flow["process"], asked.beyond
    return (
        all(_local(flow, side, beyond) for side in ("source", "destination"))
        and (not beyond.cgroup or any((process.cgroup + "/").startswith(path + "/") for path in beyond.cgroup))
        and (not beyond.kernel_drop_reason or flow["kernel_drop_reason"] in beyond.kernel_drop_reason)
        and (not beyond.tcp_event or flow["tcp_event"] in beyond.tcp_event)
    )


def _local(flow: Flow, side: str, beyond: BeyondHubble) -> bool:
    """What is asked of the process and the container on a side."""
    point, way = (TracePoint.TO_STACK, 2) if side == "source" else (TracePoint.TO_ENDPOINT, 1)
    turned = 3 - way if flow["is_reply"] == 1 else way
    here = flow["trace_point"] == point or (flow["trace_point"] == 0 and flow["traffic_direction"] == turned)
    process, endpoint = flow["process"], flow[f"{side}_endpoint"]
    known, container = here and process.pid != 0, endpoint.container
    names = {process.command, process.executable, process.executable.split("/")[-1]}
    last = container.image.split("/")[-1]
    images = {container.image, container.image.removesuffix(last) + last.split(":")[0], last, last.split(":")[0]}

    def holds(name: str, test: Callable[[Any], bool]) -> bool:
        values = getattr(beyond, f"{side}_{name}")
        return not values or any(map(test, values))

    return (
        holds("process", lambda value: known and value in names)
        and holds("pid", lambda value: known and value == process.pid)
        and holds("user", lambda value: known and value in (process.user, str(process.uid)))
        and holds("container", lambda v: bool(container.id) and (v == container.name or container.id.startswith(v)))
        and holds("image", lambda value: bool(container.image) and value in images)
        and holds("unit", lambda value: bool(endpoint.unit) and endpoint.unit in (value, f"{value}.service"))
    )


def _ip(text: str, values: Sequence[str]) -> bool:
    if not text:
        return False
    return any(ip_address(text) in ip_network(value, strict=False) for value in values)


def _named(namespace: str, name: str, values: Sequence[str]) -> bool:
    if not namespace and not name:
        return False
    for value in values:
        space, prefix = value.split("/") if "/" in value else ("default", value)
        if space in ("", namespace) and name.startswith(prefix):
            return True
    return False


def _glob(text: str, pattern: str) -> bool:
    pattern = pattern.strip().lower().removesuffix(".")
    return re.fullmatch(re.escape(pattern).replace(r"\*", "[-.0-9a-z]*"), text) is not None


def _node(name: str, patterns: Sequence[str]) -> bool:
    if not name:
        return False
    cluster, node = name.split("/") if "/" in name else ("default", name)
    for pattern in patterns:
        want_cluster, want_node = pattern.split("/") if "/" in pattern else ("", pattern)
        if (not want_cluster or _glob(cluster, want_cluster)) and (not want_node or _glob(node, want_node)):
            return True
    return False


def _label(labels: Sequence[str], text: str) -> bool:
    """Only the forms `k`, `!k`, `k=v`, `k!=v`, `k in (a,b)` and `k notin (a,b)`, joined by `;` here."""
    return all(_requirement(labels, part) for part in text.split(";"))


def _requirement(labels: Sequence[str], text: str) -> bool:
    if match := re.fullmatch(r"(\S+) (in|notin) \((.*)\)", text):
        key, operator, values = match[1], match[2], match[3].split(",")
    elif "!=" in text:
        key, value = text.split("!=")
        operator, values = "notin", [value]
    elif "=" in text:
        key, value = text.split("=")
        operator, values = "in", [value]
    else:
        key, operator, values = text.lstrip("!"), "absent" if text.startswith("!") else "there", []
    found = None
    for label in labels:
        source, rest = label.split(":", 1)
        name, _, value = rest.partition("=")
        if found is None and (key == f"{source}:{name}" or key == name):
            found = value
    if operator == "there":
        return found is not None
    if operator == "absent":
        return found is None
    return found in values if operator == "in" else found is None or found not in values


def _labels(labels: Sequence[str], values: Sequence[str]) -> bool:
    return any(_label(labels, value.replace(", ", ";")) for value in values)


def _workload(has: Sequence[Any], values: Sequence[Any]) -> bool:
    for workload in has:
        for want in values:
            if want.name in ("", workload.name) and want.kind in ("", workload.kind):
                return True
    return False


def _event_type(flow: Flow, values: Sequence[tuple[int, bool, int]]) -> bool:
    if flow["event_type"] == 0:
        return False
    for kind, match_sub_type, sub_type in values:
        if kind in (0, flow["event_type"]) and (not match_sub_type or sub_type == flow["event_sub_type"]):
            return True
    return False


def _protocol(flow: Flow, values: Sequence[str]) -> bool:
    of = {
        "tcp": [6],
        "udp": [17],
        "icmp": [1, 58],
        "icmpv4": [1],
        "icmpv6": [58],
        "sctp": [132],
        "vrrp": [112],
        "igmp": [2],
    }
    for value in values:
        if flow["protocol"] in of.get(value.lower(), []):
            return True
        if flow["message"].protocol == value.lower():
            return True
        if value.lower() == "http" and flow["message"].protocol == "grpc":
            return True
    return False


def _port(flow: Flow, side: str, values: Sequence[str]) -> bool:
    return flow["protocol"] in (6, 17, 132) and flow[f"{side}_port"] in [int(value) for value in values]


def _reply(flow: Flow, values: Sequence[bool]) -> bool:
    if flow["is_reply"] == -1:
        return flow["verdict"] == Verdict.DROPPED and False in values
    return bool(flow["is_reply"]) in values


def _flags(flow: Flow, values: Sequence[int]) -> bool:
    return flow["protocol"] == 6 and any(flow["tcp_flags"] & value == value for value in values)


def _http(flow: Flow, field: str, values: Sequence[Any]) -> bool:
    http = flow["message"]
    if http.protocol not in ("http", "grpc"):
        return False
    if field == "status":
        code = f"{http.status:03d}"
        return http.status != 0 and any(code.startswith(v[:-1]) if v.endswith("+") else code == v for v in values)
    if field == "method":
        return bool(http.method) and http.method.lower() in [value.lower() for value in values]
    if field == "header":
        return any(header in values for header in http.attributes)
    text = http.url if field == "url" else re.sub(r"^http://[^/]*", "", http.url).split("?")[0]
    return any(re.search(value, text) for value in values)


def _interface(flow: Flow, values: Sequence[tuple[int, str]]) -> bool:
    link = flow["link"]
    if not link.index and not link.name:
        return False
    return any(index in (0, link.index) and name in ("", link.name) for index, name in values)


_RULES: dict[str, Any] = {
    "uuid": lambda f, v: f["uuid"] in v,
    "source_ip": lambda f, v: _ip(f["source_ip"], v),
    "destination_ip": lambda f, v: _ip(f["destination_ip"], v),
    "source_ip_xlated": lambda f, v: _ip(f["source_xlated"], v),
    "source_pod": lambda f, v: _named(f["source_endpoint"].namespace, f["source_endpoint"].pod_name, v),
    "destination_pod": lambda f, v: _named(f["destination_endpoint"].namespace, f["destination_endpoint"].pod_name, v),
    "source_service": lambda f, v: _named(f["source_endpoint"].service.namespace, f["source_endpoint"].service.name, v),
    "destination_service": lambda f, v: _named(
        f["destination_endpoint"].service.namespace, f["destination_endpoint"].service.name, v
    ),
    "source_fqdn": lambda f, v: any(_glob(name, p) for name in f["source_endpoint"].names for p in v),
    "destination_fqdn": lambda f, v: any(_glob(name, p) for name in f["destination_endpoint"].names for p in v),
    "source_label": lambda f, v: _labels(f["source_endpoint"].labels, v),
    "destination_label": lambda f, v: _labels(f["destination_endpoint"].labels, v),
    "node_labels": lambda f, v: _labels(["x:" + label for label in f["contents"].node_labels], v),
    "source_workload": lambda f, v: _workload(f["source_endpoint"].workloads, v),
    "destination_workload": lambda f, v: _workload(f["destination_endpoint"].workloads, v),
    "source_cluster_name": lambda f, v: f["source_endpoint"].cluster_name in v,
    "destination_cluster_name": lambda f, v: f["destination_endpoint"].cluster_name in v,
    "source_identity": lambda f, v: f["source_endpoint"].identity in v,
    "destination_identity": lambda f, v: f["destination_endpoint"].identity in v,
    "drop_reason_desc": lambda f, v: f["verdict"] == Verdict.DROPPED and f["drop_reason"] in v,
    "event_type": _event_type,
    "interface": _interface,
    "protocol": _protocol,
    "source_port": lambda f, v: _port(f, "source", v),
    "destination_port": lambda f, v: _port(f, "destination", v),
    "reply": _reply,
    "tcp_flags": _flags,
    "http_status_code": lambda f, v: _http(f, "status", v),
    "http_method": lambda f, v: _http(f, "method", v),
    "http_path": lambda f, v: _http(f, "path", v),
    "http_url": lambda f, v: _http(f, "url", v),
    "http_header": lambda f, v: _http(f, "header", v),
    "dns_query": lambda f, v: f["message"].dns is not None and any(re.search(p, f["message"].dns.query) for p in v),
    "node_name": lambda f, v: _node(f["node_name"], v),
    "trace_id": lambda f, v: f["message"].trace_id in v,
    "ip_trace_id": lambda f, v: f["contents"].ip_trace_id != 0 and f["contents"].ip_trace_id in v,
    "encrypted": lambda f, v: bool(f["encrypted"]) in v,
}
