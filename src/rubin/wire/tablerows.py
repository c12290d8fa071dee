"""Rows of the tables as plain lists, for JSON, and back. The order is that of the fields in `model.tables`."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

from rubin.model.messages import DNS, Attributes
from rubin.model.tables import (
    Container,
    Contents,
    Endpoint,
    Link,
    Policy,
    Process,
    Service,
    Translation,
    Tunnel,
    Workload,
)
from rubin.wire.pb import flow_pb2

_POLICIES = ("egress_allowed_by", "ingress_allowed_by", "egress_denied_by", "ingress_denied_by")


def to_list(row: Any) -> Any:
    """A row as what JSON can hold: a string, or a list of the values of its fields."""
    match row:
        case str():
            return row
        case Endpoint():
            workloads = [[one.name, one.kind] for one in row.workloads]
            known = [row.id, row.identity, row.cluster_name, row.namespace, row.labels, row.pod_name]
            service, container = row.service, row.container
            local = [[container.id, container.name, container.image], row.unit]
            return [*known, workloads, row.names, [service.name, service.namespace], *local]
        case Contents():
            return _contents_list(row)
    return _values(row)


def _values(row: Any) -> list[Any]:
    return [getattr(row, one.name) for one in fields(row)]


def _contents_list(row: Contents) -> dict[str, Any]:
    """Most fields of most contents are empty: by name, then."""
    empty = Contents()
    every = [(one.name, getattr(row, one.name)) for one in fields(row)]
    made = {name: value for name, value in every if value != getattr(empty, name)}
    for name in ("tunnel", "translation"):
        if name in made:
            made[name] = to_list(made[name])
    for name in _POLICIES:
        if name in made:
            made[name] = [to_list(policy) for policy in made[name]]
    if "rest" in made:
        made["rest"] = b64encode(row.rest).decode()
    return made


def from_lists(table: str, lists: list[Any]) -> Iterable[Any]:
    """The rows of a table. Raises ValueError, TypeError, KeyError or DecodeError where a list is not its row."""
    return map(_FROM[table], lists)


def text(value: Any) -> str:
    """A string as it came. Raises TypeError or ValueError."""
    if type(value) is not str:
        raise TypeError("a string")
    if not value.isascii():
        value.encode()  # UnicodeEncodeError, a ValueError: half of a surrogate pair
    return value


def _texts(values: Any) -> tuple[str, ...]:
    if type(values) is not list:
        raise TypeError("a list of strings")
    return tuple(map(text, values))


def _number(least: int, beyond: int) -> Callable[[Any], int]:
    def number(value: Any) -> int:
        if type(value) is not int or not least <= value < beyond:
            raise ValueError("a number")
        return value

    return number


_u31, _u32, _u64 = _number(0, 1 << 31), _number(0, 1 << 32), _number(0, 1 << 64)
_i32, _uid = _number(-(1 << 31), 1 << 31), _number(-1, 1 << 32)


def _endpoint(value: Any) -> Endpoint:
    number, identity, cluster, namespace, labels, pod, workloads, names, service, container, unit = value
    return Endpoint(
        _u32(number), _u32(identity), text(cluster), text(namespace), _texts(labels), text(pod),
        tuple(Workload(*_of((text, text), one)) for one in workloads), _texts(names),
        Service(*_of((text, text), service)), Container(*_of((text, text, text), container)), text(unit),
    )  # fmt: skip


def _of(kinds: tuple[Callable[[Any], Any], ...], values: Any) -> list[Any]:
    if type(values) is not list:
        raise TypeError("a list")
    return [kind(value) for kind, value in zip(kinds, values, strict=True)]


def _process(value: Any) -> Process:
    return Process(*_of((_u32, text, _uid, _u64, text, _u64, _u32, text, text), value))


def _link(value: Any) -> Link:
    return Link(*_of((_u32, text, text, text, _u32), value))


def attributes(values: Any) -> Attributes:
    """A message's. Raises TypeError or ValueError."""
    return tuple((key, value) for key, value in (_of((text, text), one) for one in values))


def dns(value: Any) -> DNS:
    """What was asked and answered. Raises TypeError or ValueError."""
    return DNS(*_of((text, _texts, _u32, _texts, text, _u32, _texts, _texts), value))


def _tunnel(value: Any) -> Tunnel:
    return Tunnel(*_of((_u31, text, text, _u32, _u32, _u32), value))


def _translation(value: Any) -> Translation:
    return Translation(*_of((text, _u32), value))


def _policies(values: Any) -> tuple[Policy, ...]:
    return tuple(Policy(*_of((text, text, _texts, _u64, text), one)) for one in values)


def _rest(value: Any) -> bytes:
    rest = b64decode(text(value), validate=True)
    flow_pb2.Flow.FromString(rest)  # DecodeError: whoever reads it may rely on it
    return rest


_CONTENTS: dict[str, Callable[[Any], Any]] = {
    "ip_trace_id": _u64, "tunnel": _tunnel, "translation": _translation, "proxy_port": _u32, "summary": text,
    "node_labels": _texts, "policy_log": _texts,
    "rest": _rest, **dict.fromkeys(_POLICIES, _policies),
}  # fmt: skip


def _contents(value: Any) -> Contents:
    if type(value) is not dict:
        raise TypeError("contents")
    return Contents(**{name: _CONTENTS[name](one) for name, one in value.items()})


_FROM: dict[str, Callable[[Any], Any]] = {
    "strings": text, "endpoints": _endpoint, "processes": _process, "links": _link, "contents": _contents,
}  # fmt: skip
