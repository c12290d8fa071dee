"""Hubble's rules flow by flow, as its handlers have them: what the columns must agree with."""

from collections import Counter
from functools import cached_property

import numpy as np

from rubin.model.addresses import text as address_text
from rubin.model.enums import DropReason, EventType, Protocol, TCPFlags, TracePoint, Verdict
from rubin.model.icmp import text as icmp_text
from rubin.model.messages import MessageType

_APPS = ("k8s:app.kubernetes.io/name=", "k8s:k8s-app=", "k8s:app=")
_LABELS = ("ip", "pod", "namespace", "workload", "workload_kind", "app")


class Row:
    """One flow, by column."""

    def __init__(self, batch, at):
        self._batch, self._at, self._turned = batch, at, False

    @cached_property
    def said(self):
        """The message as this flow shows it."""
        return self._batch.tables.messages.read(np.array([self.message]), np.array([self.is_reply]))[0]

    @property
    def l7(self):
        return {"dns": "DNS", "http": "HTTP", "grpc": "HTTP"}.get(self.said.protocol, "")

    @property
    def is_exchange(self):
        return self._batch.tables.messages[self.message].type == MessageType.EXCHANGE

    def turned(self):
        """The same flow with source and destination changed."""
        other = Row(self._batch, self._at)
        other._turned = not self._turned
        return other

    def _side(self, side):
        return {"source": "destination", "destination": "source"}[side] if self._turned else side

    def __getattr__(self, name):
        return int(self._batch[name][self._at])

    def endpoint(self, side):
        return self._batch.tables.endpoints[int(self._batch[f"{self._side(side)}_endpoint"][self._at])]

    def ip(self, side):
        if not self.ip_version:
            return ""
        side = self._side(side)
        return address_text(self._batch[f"{side}_high"][self._at], self._batch[f"{side}_low"][self._at])

    @property
    def l4(self):
        return Protocol(self.protocol).name if self.protocol in set(Protocol) - {0} else ""

    @property
    def flow_protocol(self):
        if self.event_type == EventType.L7:
            return self.l7 or "Unknown L7"
        if self.event_type in (EventType.DROP, EventType.TRACE, EventType.POLICY_VERDICT, EventType.CAPTURE):
            return self.l4 or "Unknown L4"
        return "Unknown flow"

    @property
    def verdict_name(self):
        return Verdict(self.verdict).name

    @property
    def family(self):
        return {1: "IPv4", 2: "IPv6"}[self.ip_version]

    @property
    def let_through(self):
        return self.verdict in (Verdict.FORWARDED, Verdict.REDIRECTED)


def _app(endpoint):
    for label in endpoint.labels:
        for start in _APPS:
            if label.startswith(start) and label != start:
                return label.removeprefix(start)
    return ""


def _word(row, side, identifier):
    end = row.endpoint(side)
    workload = end.workloads[0].name if end.workloads else ""
    reserved = [label for label in end.labels if label.startswith("reserved:")]
    return {
        "identity": ",".join(end.labels),
        "namespace": end.namespace,
        "pod": f"{end.namespace}/{end.pod_name}" if end.namespace else end.pod_name,
        "pod-name": end.pod_name,
        "dns": ",".join(end.names),
        "ip": row.ip(side),
        "reserved-identity": "reserved:kube-apiserver"
        if "reserved:kube-apiserver" in reserved
        else (reserved or [""])[0],
        "workload": f"{end.namespace}/{workload}" if end.namespace and workload else workload,
        "workload-name": workload,
        "app": _app(end),
    }[identifier]


def _label(row, name):
    if name == "traffic_direction":
        return {0: "unknown", 1: "ingress", 2: "egress"}[row.traffic_direction]
    side, _, what = name.partition("_")
    if what == "workload_kind":
        workloads = row.endpoint(side).workloads
        return workloads[0].kind if workloads else ""
    return _word(row, side, {"pod": "pod-name", "workload": "workload-name"}.get(what, what))


def context(row, options):
    """The labels that context options give; `options` is a mapping as in the dynamic configuration."""
    asked = options.get("labelsContext", ())
    order = [f"{side}_{name}" for side in ("source", "destination") for name in _LABELS] + ["traffic_direction"]
    labels = {name: _label(row, name) for name in order if name in asked}
    for side in ("source", "destination"):
        chains = {when: options.get(f"{side}{when}Context") for when in ("", "Egress", "Ingress")}
        if any(chains.values()):
            when = {1: "Ingress", 2: "Egress"}.get(row.traffic_direction, "")
            chain = chains[when] or chains[""] or ()
            labels[side] = next((word for name in chain if (word := _word(row, side, name))), "")
    return labels


def flow(row, flags):
    kinds = {1: "Drop", 3: "Capture", 4: "Trace", 5: "PolicyVerdict", 129: "L7"}
    kind = kinds.get(row.event_type, "Unknown")
    sub = ""
    if kind == "Trace":
        points = {point.sub_type: point.name.lower().replace("_", "-") for point in TracePoint if point}
        sub = points.get(row.event_sub_type, "")
    elif kind == "L7":
        sub = row.l7
    elif kind == "Unknown":
        sub = str(row.event_type)
    yield {"protocol": row.flow_protocol, "type": kind, "subtype": sub, "verdict": row.verdict_name}


def drop(row, flags):
    if row.verdict == Verdict.DROPPED:
        reason = DropReason(row.drop_reason).name if row.drop_reason in set(DropReason) else str(row.drop_reason)
        yield {"reason": reason, "protocol": row.flow_protocol}


def tcp(row, flags):
    if row.let_through and row.l4 == "TCP" and row.ip_version:
        for flag in (TCPFlags.FIN, TCPFlags.SYN, TCPFlags.RST):
            if row.tcp_flags & flag:
                name = "SYN-ACK" if flag == TCPFlags.SYN and row.tcp_flags & TCPFlags.ACK else flag.name
                yield {"flag": name, "family": row.family}


def flows_to_world(row, flags):
    world = {"reserved:world", "reserved:world-ipv4", "reserved:world-ipv6"}
    if not world & set(row.endpoint("destination").labels) or not row.event_type or not row.l4:
        return
    dropped, reply = row.verdict == Verdict.DROPPED, row.is_reply == 1
    if dropped and "any-drop" not in flags and row.drop_reason != DropReason.POLICY_DENIED:
        return
    if not dropped and reply:
        return
    if "syn-only" in flags and not (row.l4 == "TCP" and row.tcp_flags & TCPFlags.SYN and not reply):
        return
    labels = {"protocol": row.flow_protocol, "verdict": row.verdict_name}
    if "port" in flags:
        labels["port"] = str(row.destination_port) if row.l4 in ("TCP", "UDP", "SCTP") else ""
    yield labels


def port_distribution(row, flags):
    if row.let_through and row.is_reply == 0 and row.l4:
        yield {"protocol": row.l4, "port": str(row.destination_port) if row.l4 in ("TCP", "UDP", "SCTP") else "0"}


def icmp(row, flags):
    if row.l4 in ("ICMPv4", "ICMPv6"):
        v6 = row.l4 == "ICMPv6"
        yield {"family": "IPv6" if v6 else "IPv4", "type": icmp_text(v6, row.icmp_type, row.icmp_code)}


def sctp(row, flags):
    chunks = ("", "INIT", "INIT_ACK", "SHUTDOWN", "SHUTDOWN_ACK", "SHUTDOWN_COMPLETE", "ABORT")
    if row.let_through and row.l4 == "SCTP" and row.ip_version and row.sctp_chunk_type:
        yield {"chunk_type": chunks[row.sctp_chunk_type], "family": row.family}


def policy(row, flags):
    direction = ("traffic_direction_unknown", "ingress", "egress")[row.traffic_direction]
    matches = ("none", "l3-only", "l3-l4", "l4-only", "all", "l3-proto", "proto-only")
    if row.event_type == EventType.L7:
        match = "l7/" + row.l7.lower()
    elif row.event_type == EventType.POLICY_VERDICT and row.endpoint("source").identity != 1:
        match = matches[row.policy_match_type] if row.policy_match_type < len(matches) else "unknown"
    else:
        return
    yield {"direction": direction, "match": match, "action": row.verdict_name.lower()}


RULES = {
    "flow": ("hubble_flows_processed_total", flow),
    "drop": ("hubble_drop_total", drop),
    "tcp": ("hubble_tcp_flags_total", tcp),
    "flows-to-world": ("hubble_flows_to_world_total", flows_to_world),
    "port-distribution": ("hubble_port_distribution_total", port_distribution),
    "icmp": ("hubble_icmp_total", icmp),
    "sctp": ("hubble_sctp_chunk_types_total", sctp),
    "policy": ("hubble_policy_verdicts_total", policy),
}


def counted(batch, name, options=None, flags=()):
    """The series of a metric after these flows: {frozenset of labels: count}."""
    series: Counter = Counter()
    for at in range(len(batch)):
        row = Row(batch, at)
        for labels in RULES[name][1](row, flags):
            series[frozenset((labels | context(row, options or {})).items())] += 1
    return series
