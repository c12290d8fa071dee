"""One flow in full: what is known of it, each value with the filter that asks for its like."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from rubin import __version__
from rubin.errors import RubinError
from rubin.model import addresses
from rubin.model.batch import FlowBatch
from rubin.model.enums import Direction, Protocol, TCPEvent, Verdict
from rubin.model.messages import PROTOCOLS, request
from rubin.model.tables import Endpoint, Process
from rubin.query.drops import uuid_text
from rubin.query.finding import Digits
from rubin.query.places import sound
from rubin.store.ring import Ring
from rubin.wire import json as jsonpb
from rubin.wire.flows import FlowEncoder
from rubin.words import facts, hubble
from rubin.words.drop_reasons import meaning
from rubin.words.rcodes import ended
from rubin.words.terms import Term
from rubin.words.text import clean
from rubin.words.times import Clock
from rubin.words.units import BYTES, latency, scaled

Answer = dict[str, Any]
Filter = tuple[str, str]
Row = tuple[str, str, Filter | None]

_SIDES = (("Source", "source", "from"), ("Destination", "destination", "to"))


def flow(ring: Ring, uuid: str) -> Answer:
    """`sections` of rows, and Hubble's `json`. Raises UsageError for what is no UUID, RubinError where none has it."""
    found = find(ring, uuid)
    sections: list[tuple[str, Iterable[Row]]] = [
        ("Flow", _about(found)),
        *((title, _end(found, side, way)) for title, side, way in _SIDES),
        ("Request", _said(found)),
        ("Connection", _connection(found)),
        ("Drop", _drop(found)),
        ("Seen at", _seen(found)),
    ]
    (line,) = jsonpb.lines(found, FlowEncoder((), __version__))
    return {
        "sections": [
            {"title": title, "rows": told}
            for title, rows in sections
            if (told := [_row(*row) for row in rows if row[1]])
        ],
        "json": json.loads(line),
    }


def find(ring: Ring, uuid: str) -> FlowBatch:
    """The newest flow with that UUID, one row. Raises UsageError for what is no UUID, RubinError where none has it."""
    digits = Digits(uuid)
    for view in ring.scan(newest_first=True):
        rows = np.flatnonzero(digits.mask(view))
        if len(rows):
            return view.take(rows[-1:]).without_lost()
    raise RubinError(f"no flow with the UUID {clean(uuid[:40])} is held", "it may be older than what the ring reaches")


def _row(title: str, value: str, asked: Filter | None) -> Answer:
    usable = asked is not None and bool(sound([Term(*asked)]))
    return {
        "title": title,
        "value": clean(value),
        "filter": {"name": asked[0], "value": asked[1]} if asked and usable else None,
    }


def _about(one: FlowBatch) -> Iterator[Row]:
    verdict = int(one["verdict"][0])
    protocol = int(one["protocol"][0])
    known = Protocol(protocol).name if protocol in Protocol._value2member_map_ else str(protocol or "")
    yield "Time", Clock("RFC3339Nano").text(int(one["time_ns"][0])), None
    name = hubble.verdict(verdict, int(one["event_type"][0]))
    yield "Verdict", name, ("verdict", Verdict(verdict).name) if verdict in Verdict._value2member_map_ else None
    yield "Protocol", known, ("protocol", known.lower()) if known else None
    direction = int(one["traffic_direction"][0])
    if direction in (Direction.INGRESS, Direction.EGRESS):
        name = Direction(direction).name.lower()
        yield "Direction", name, ("traffic-direction", name)
    reply = int(one["is_reply"][0])
    yield "Answers", {1: "yes", 0: "no"}.get(reply, ""), {1: ("reply", ""), 0: ("not-reply", "")}.get(reply)
    uuid = uuid_text(int(one["uuid_high"][0]), int(one["uuid_low"][0]))
    yield "UUID", uuid, ("uuid", uuid) if uuid else None


def _end(one: FlowBatch, side: str, way: str) -> Iterator[Row]:
    endpoint: Endpoint = one.rows(f"{side}_endpoint")[0]
    yield "Name", endpoint.called, None
    if endpoint.pod_name:
        yield "Pod", endpoint.pod_name, (f"{way}-pod", f"{endpoint.namespace}/{endpoint.pod_name}")
    yield "Namespace", endpoint.namespace, (f"{way}-namespace", endpoint.namespace)
    for workload in endpoint.workloads:
        text = f"{workload.kind}/{workload.name}" if workload.kind else workload.name
        yield "Workload", text, (f"{way}-workload", text)
    if endpoint.service.name:
        text = f"{endpoint.service.namespace or 'default'}/{endpoint.service.name}"
        yield "Service", text, (f"{way}-service", text)
    for name in endpoint.names:
        yield "DNS name", name, (f"{way}-fqdn", name.rstrip("."))
    if one["ip_version"][0]:
        address = addresses.text(one[f"{side}_high"][0], one[f"{side}_low"][0])
        yield "Address", address, (f"{way}-ip", address)
    port = int(one[f"{side}_port"][0])
    yield "Port", str(port or ""), (f"{way}-port", str(port))
    yield "Identity", hubble.identity(endpoint.identity), (f"{way}-identity", str(endpoint.identity))
    yield "Container", endpoint.container.name or endpoint.container.id[:12], (
        f"{way}-container", endpoint.container.name or endpoint.container.id[:12],
    )  # fmt: skip
    yield "Image", endpoint.container.image, (f"{way}-image", endpoint.container.image)
    yield "Unit", endpoint.unit, (f"{way}-unit", endpoint.unit)
    for label in endpoint.labels:
        yield "Label", label, (f"{way}-label", label)


def _said(one: FlowBatch) -> Iterator[Row]:
    if not one["message"][0]:
        return
    (message,) = one.tables.messages.read(one["message"], one["is_reply"])
    http = message.protocol in ("http", "grpc")
    yield "Protocol", message.protocol, ("protocol", message.protocol) if message.protocol in PROTOCOLS[1:] else None
    yield "Asked", request(message.method, message.target), None
    yield "Method", message.method if http else "", ("http-method", message.method)
    yield "Host", message.authority, None
    status = ended(message) if message.protocol == "dns" else str(message.status or "")
    yield "Status", status, ("http-status", str(message.status)) if http else None
    yield "Failed", (message.error or "yes") if message.failed else "", None
    yield "Latency", latency(max(1, message.latency_ns // 1_000)) if message.latency_ns else "", None
    for title, size in (("Request", message.request_bytes), ("Response", message.response_bytes)):
        yield title, scaled(size, 1024, BYTES) if size else "", None
    if message.dns is not None:
        yield "Name asked for", message.dns.query, None
        yield "Addresses", ", ".join(message.dns.ips), None
    yield "Trace", message.trace_id, ("trace-id", message.trace_id)
    for name, value in message.attributes:
        yield name, value, ("http-header", f"{name}:{value}") if http else None


def _connection(one: FlowBatch) -> Iterator[Row]:
    event = int(one["tcp_event"][0])
    yield "Packets", f"{int(one['packets'][0]):,}" if one["packets"][0] else "", None
    yield "Bytes", scaled(int(one["bytes"][0]), 1024, BYTES) if one["bytes"][0] else "", None
    if event and event in TCPEvent._value2member_map_:
        yield "TCP", TCPEvent(event).name.lower(), ("tcp-event", TCPEvent(event).name)
    for title, name in (("Connected in", "connect_latency_us"), ("Round trip", "srtt_us")):
        yield title, latency(int(one[name][0])) if one[name][0] else "", None
    yield "Sent again", f"{int(one['retransmits'][0]):,}" if one["retransmits"][0] else "", None
    yield "Encrypted", "yes" if one["encrypted"][0] == 1 else "", ("encrypted", "")
    yield "NAT", facts.asked(one.rows("contents")[0]), None


def _drop(one: FlowBatch) -> Iterator[Row]:
    if one["verdict"][0] != Verdict.DROPPED:
        return
    reason = int(one["event_sub_type"][0])
    yield "Reason", hubble.drop(reason) if reason else "", None
    (kernel,), (place,) = one.rows("kernel_drop_reason"), one.rows("drop_location")
    yield "Kernel's reason", kernel, ("kernel-drop-reason", kernel)
    yield "In words", meaning(kernel) if kernel else "", None
    yield "Where", place, None


def _seen(one: FlowBatch) -> Iterator[Row]:
    (node,), (link,) = one.rows("node_name"), one.rows("link")
    process: Process = one.rows("process")[0]
    yield "Node", node, ("node-name", node)
    point = int(one["event_sub_type"][0])
    yield "Point", hubble.POINTS.get(point, "") if one["trace_point"][0] else "", None
    yield "Interface", link.name, ("interface", link.name)
    yield "Process", facts.owner(process), ("process", process.command)
    yield "User", process.user or (str(process.uid) if process.pid and process.uid >= 0 else ""), (
        "user", process.user or str(process.uid),
    )  # fmt: skip
    yield "Executable", process.executable, ("process", process.executable)
    yield "cgroup", process.cgroup, ("cgroup", process.cgroup)
