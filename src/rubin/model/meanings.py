"""The meaning of each field of a filter: its values in, a judgement of batches out.

Hubble's pkg/hubble/filters is the measure. Where the value of a field is not understood, UsageError
names the value and a way on.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from rubin.errors import UsageError
from rubin.model.enums import LAYER_7
from rubin.model.message_predicates import each, http, protocols, text, urls
from rubin.model.messages import HTTP, NUMBERS
from rubin.model.networks import Networks
from rubin.model.predicates import (
    Answers,
    Predicate,
    Rows,
    addresses,
    dropped_for,
    endpoint,
    event_types,
    local,
    one_of,
    ports,
    replies,
    tcp_flags,
    uuids,
)
from rubin.model.selectors import selector
from rubin.model.tables import Endpoint, Link, Process, Workload
from rubin.model.urls import request_path
from rubin.model.values import PROTOCOL_NAMES, PROTOCOLS

Meaning = Callable[[tuple[Any, ...]], Predicate]


def _names(side: str, field: str, name_of: Callable[[Endpoint], tuple[str, str]]) -> Meaning:
    """`namespace/prefix`; the namespace alone; `/prefix` in any; a prefix in `default`."""

    def compile_(values: tuple[str, ...]) -> Predicate:
        wanted = [_namespaced(value, f"{side}_{field}") for value in values]

        def test(row: Endpoint) -> bool:
            namespace, name = name_of(row)
            return bool(namespace or name) and any(
                (not space or space == namespace) and name.startswith(prefix) for space, prefix in wanted
            )

        return endpoint(side, test)

    return compile_


def _namespaced(value: str, field: str) -> tuple[str, str]:
    if not value:
        raise UsageError(f"{field} '' names nothing", "write namespace/name, namespace/ or name")
    namespace, slash, rest = value.partition("/")
    return (namespace, rest.partition("/")[0]) if slash else ("default", value)


def _addresses(side: str) -> Meaning:
    def compile_(values: tuple[str, ...]) -> Predicate:
        networks = Networks(values, f"{side}_ip")
        return addresses(side, networks.contains)

    return compile_


def _labels(side: str) -> Meaning:
    def compile_(values: tuple[str, ...]) -> Predicate:
        selectors = [selector(value) for value in values]
        return endpoint(side, lambda row: any(selects(row.labels) for selects in selectors))

    return compile_


def _node_labels(values: tuple[str, ...]) -> Predicate:
    selectors = [selector(value) for value in values]
    return Rows("contents", (lambda row: any(selects(row.node_labels) for selects in selectors),))


def _domain_names(side: str) -> Meaning:
    def compile_(values: tuple[str, ...]) -> Predicate:
        from rubin.model.patterns import domains

        matches = domains(values, f"{side}_fqdn")
        return endpoint(side, lambda row: any(map(matches, row.names)))

    return compile_


def _workloads(side: str) -> Meaning:
    def matches(row: Endpoint, wanted: Iterable[Workload]) -> bool:
        return any(
            (not want.name or want.name == has.name) and (not want.kind or want.kind == has.kind)
            for has in row.workloads
            for want in wanted
        )

    return lambda values: endpoint(side, lambda row: matches(row, values))


def _clusters(side: str) -> Meaning:
    def compile_(values: tuple[str, ...]) -> Predicate:
        if "" in values:
            raise UsageError(f"{side}_cluster_name '' names nothing", "write the whole name of a cluster")
        return endpoint(side, lambda row: row.cluster_name in values)

    return compile_


def _ports(side: str) -> Meaning:
    def number(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or int(text) > 65535:
            raise UsageError(f"{side}_port '{text}' is no port", "write a number from 0 to 65535")
        return int(text)

    return lambda values: ports(side, map(number, values))


def _protocol(values: tuple[str, ...]) -> Predicate:
    names = [value.lower() for value in values]
    for value, name in zip(values, names, strict=True):
        if name not in PROTOCOLS and name not in LAYER_7:
            raise UsageError(f"protocol '{value}' does not exist", f"one of {', '.join(PROTOCOL_NAMES)}")
    return protocols(
        [number for name in names for number in PROTOCOLS.get(name, ())], [name for name in names if name in LAYER_7]
    )


def _uuids(values: tuple[str, ...]) -> Predicate:
    pairs = []
    for value in values:
        try:
            uuid = UUID(value)
        except ValueError:
            continue  # any text is a legal question; no flow has this UUID
        if str(uuid) == value.lower():
            pairs.append((uuid.int >> 64, uuid.int & (1 << 64) - 1))
    return uuids(pairs)


def _xlated(values: tuple[str, ...]) -> Predicate:
    networks = Networks(values, "source_ip_xlated")
    return Rows("source_xlated", (networks.holds,))


def _interfaces(values: tuple[tuple[int, str], ...]) -> Predicate:
    def test(row: Link) -> bool:
        return bool(row.index or row.name) and any(
            (not index or index == row.index) and (not name or name == row.name) for index, name in values
        )

    return Rows("link", (test,))


def _http_status(values: tuple[str, ...]) -> Predicate:
    for value in values:
        if not re.fullmatch(r"[1-5](?:[0-9]{2}|[0-9]?\+)", value, re.ASCII):
            raise UsageError(
                f"http_status_code '{value}' is not understood", "write 404, or 4+ or 40+ as its beginning"
            )
    beginnings = tuple(value[:-1] for value in values if value.endswith("+"))

    def test(status: int) -> bool:
        code = f"{status:03d}"
        return status != 0 and (code in values or code.startswith(beginnings))

    return http(lambda _, told: each(told["status"], test))


def _http_method(values: tuple[str, ...]) -> Predicate:
    methods = {value.casefold() for value in values}
    return text("method", lambda method: bool(method) and method.casefold() in methods, of=HTTP)


def _http_url(values: tuple[str, ...]) -> Predicate:
    from rubin.model.patterns import search

    matches = search(values, "http_url")
    return urls(lambda url: bool(url) and matches(url))


def _http_path(values: tuple[str, ...]) -> Predicate:
    from rubin.model.patterns import search

    matches = search(values, "http_path")

    def test(url: str) -> bool:
        path = request_path(url)
        return path is not None and matches(path)

    return urls(test)


def _http_header(values: tuple[tuple[str, str], ...]) -> Predicate:
    wanted = set(values)
    answers = Answers((lambda headers: not wanted.isdisjoint(headers),))
    return http(lambda messages, told: answers(messages.attributes, told["attributes"]))


def _dns_query(values: tuple[str, ...]) -> Predicate:
    from rubin.model.patterns import search

    return text("target", search(values, "dns_query"), of=(NUMBERS["dns"],))


def _node_name(values: tuple[str, ...]) -> Predicate:
    from rubin.model.patterns import nodes

    return Rows("node_name", (nodes(values),))


def _process(side: str, test: Callable[[Process, tuple[Any, ...]], bool]) -> Meaning:
    return lambda values: local(side, lambda row: bool(row.pid) and test(row, values))


def _runs(row: Process, values: tuple[str, ...]) -> bool:
    return row.command in values or row.executable in values or row.executable.rpartition("/")[2] in values


def _belongs(row: Process, values: tuple[str, ...]) -> bool:
    return bool(row.user in values or (row.uid >= 0 and str(row.uid) in values))


def _containers(side: str) -> Meaning:
    def matches(row: Endpoint, values: tuple[str, ...]) -> bool:
        of = row.container
        return bool(of.id) and any(value == of.name or of.id.startswith(value) for value in values)

    return lambda values: endpoint(side, lambda row: matches(row, values))


def _images(side: str) -> Meaning:
    return lambda values: endpoint(side, lambda row: not set(values).isdisjoint(_image_names(row.container.image)))


def _image_names(image: str) -> tuple[str, ...]:
    """The whole name, and what people call it: without registry and path, without tag or digest."""
    if not image:
        return ()
    short = image.rpartition("/")[2]
    plain = short.partition("@")[0].partition(":")[0]
    return image, image[: len(image) - len(short)] + plain, short, plain


def _units(side: str) -> Meaning:
    def compile_(values: tuple[str, ...]) -> Predicate:
        wanted = {*values, *(f"{value}.service" for value in values)}
        return endpoint(side, lambda row: bool(row.unit) and row.unit in wanted)

    return compile_


def _cgroup(values: tuple[str, ...]) -> Predicate:
    paths = tuple(value.rstrip("/") for value in values)
    below = tuple(path + "/" for path in paths)
    return Rows("process", (lambda row: row.cgroup in paths or row.cgroup.startswith(below),))


def _kernel_drop_reason(values: tuple[str, ...]) -> Predicate:
    names = {value.upper().removeprefix("SKB_DROP_REASON_") for value in values}
    return Rows("kernel_drop_reason", (lambda text: text.upper() in names,))


MEANINGS: dict[str, Meaning] = {
    "uuid": _uuids,
    "source_ip": _addresses("source"),
    "source_ip_xlated": _xlated,
    "source_pod": _names("source", "pod", lambda row: (row.namespace, row.pod_name)),
    "source_fqdn": _domain_names("source"),
    "source_label": _labels("source"),
    "source_service": _names("source", "service", lambda row: (row.service.namespace, row.service.name)),
    "source_workload": _workloads("source"),
    "source_cluster_name": _clusters("source"),
    "destination_ip": _addresses("destination"),
    "destination_pod": _names("destination", "pod", lambda row: (row.namespace, row.pod_name)),
    "destination_fqdn": _domain_names("destination"),
    "destination_label": _labels("destination"),
    "destination_service": _names("destination", "service", lambda row: (row.service.namespace, row.service.name)),
    "destination_workload": _workloads("destination"),
    "destination_cluster_name": _clusters("destination"),
    "traffic_direction": lambda values: one_of("traffic_direction", values),
    "verdict": lambda values: one_of("verdict", values),
    "drop_reason_desc": dropped_for,
    "interface": _interfaces,
    "event_type": event_types,
    "http_status_code": _http_status,
    "protocol": _protocol,
    "source_port": _ports("source"),
    "destination_port": _ports("destination"),
    "reply": replies,
    "dns_query": _dns_query,
    "source_identity": lambda values: endpoint("source", lambda row: row.identity in values),
    "destination_identity": lambda values: endpoint("destination", lambda row: row.identity in values),
    "http_method": _http_method,
    "http_path": _http_path,
    "http_url": _http_url,
    "http_header": _http_header,
    "tcp_flags": tcp_flags,
    "node_name": _node_name,
    "node_labels": _node_labels,
    "ip_version": lambda values: one_of("ip_version", values),
    "trace_id": lambda values: text("trace_id", lambda trace_id: trace_id in values),
    "ip_trace_id": lambda values: Rows("contents", (lambda row: bool(row.ip_trace_id) and row.ip_trace_id in values,)),
    "encrypted": lambda values: one_of("encrypted", map(int, values)),
}
"""By field of `filter.FlowFilter`, but for `cel_expression` and `beyond`."""

_LOCAL: dict[str, Callable[[str], Meaning]] = {
    "process": lambda side: _process(side, _runs),
    "pid": lambda side: _process(side, lambda row, values: row.pid in values),
    "user": lambda side: _process(side, _belongs),
    "container": _containers,
    "image": _images,
    "unit": _units,
}
BEYOND_HUBBLE: dict[str, Meaning] = {
    **{f"{side}_{name}": meaning(side) for side in ("source", "destination") for name, meaning in _LOCAL.items()},
    "cgroup": _cgroup,
    "kernel_drop_reason": _kernel_drop_reason,
    "tcp_event": lambda values: one_of("tcp_event", values),
}
"""By field of `filter.BeyondHubble`."""
