"""Who is there, for `rubin list endpoints` and `rubin get`: as rows that JSON can hold."""

import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any

from rubin.identity.facts import (
    Address,
    Cgroup,
    ContainerCgroup,
    Interface,
    Network,
    NetworkNamespace,
    PodCgroup,
    ServicePort,
    Where,
)
from rubin.identity.table import Names
from rubin.model.tables import Endpoint, Process

Answer = dict[str, Any]


class Answers:
    """What the table of names knows; `process_of` finds a living process by its number."""

    def __init__(self, names: Names, process_of: Callable[[int], Process | None]) -> None:
        self._names, self._process_of = names, process_of

    def __call__(self, who: str, time_ns: int) -> list[Answer]:
        """All endpoints that are told of, or those that are `who`; `time_ns` 0 is now."""
        if not who:
            told = self._names.endpoints()
            return sorted((_row(*one) for one in told), key=lambda row: (row["namespace"], row["name"], row["where"]))
        return list(self._found(who.strip(), time_ns or time.time_ns()))

    def _found(self, who: str, time_ns: int) -> Iterable[Answer]:
        try:
            address = str(ip_address(who))
        except ValueError:
            yield from self._by_word(who)
            return
        yield _row(self._names.who(address, time_ns), [Address(address)], 0)

    def _by_word(self, who: str) -> Iterable[Answer]:
        process = self._process_of(int(who)) if who.isdigit() and len(who) < 10 else None
        if process is not None:
            row = _row(self._names.owner(process), [], 0)
            yield {**row, "where": [f"process {process.pid}"], "process": process.command, "user": process.user}
        for endpoint, places, since_ns in self._names.endpoints():
            if _is(endpoint, who):
                yield _row(endpoint, places, since_ns)


def _is(endpoint: Endpoint, who: str) -> bool:
    container = endpoint.container
    return (
        (who.isdigit() and endpoint.identity == int(who))
        or who in (endpoint.pod_name, f"{endpoint.namespace}/{endpoint.pod_name}", endpoint.unit, container.name)
        or (len(who) >= 4 and container.id.startswith(who))
        or (bool(endpoint.service.name) and who in (endpoint.service.name, _service(endpoint)))
    )


def _service(endpoint: Endpoint) -> str:
    return f"{endpoint.service.namespace}/{endpoint.service.name}" if endpoint.service.name else ""


def _row(endpoint: Endpoint, places: Iterable[Where], since_ns: int) -> Answer:
    row: Answer = {
        "namespace": endpoint.namespace,
        "name": endpoint.pod_name,
        "identity": endpoint.identity,
        "id": endpoint.id,
        "labels": list(endpoint.labels),
        "workloads": [f"{one.kind}/{one.name}" for one in endpoint.workloads],
        "service": _service(endpoint),
        "where": sorted(map(_place, places)),
        "since_ns": since_ns,
    }
    if endpoint.container.id:
        row["container"] = {
            "id": endpoint.container.id,
            "name": endpoint.container.name,
            "image": endpoint.container.image,
        }
    return row


def _place(where: Where) -> str:
    match where:
        case Address(address):
            return address
        case Network(cidr):
            return cidr
        case Interface(name):
            return f"interface {name}"
        case Cgroup(path):
            return f"cgroup {path}"
        case NetworkNamespace(name):
            return f"netns {name}"
        case ContainerCgroup(number):
            return f"container {number[:12]}"
        case PodCgroup(uid):
            return f"pod {uid}"
        case ServicePort(address, port, _):
            return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
