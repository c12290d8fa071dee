"""Who is there, for `rubin list endpoints` and `rubin get`: as rows that JSON can hold."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
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
_MOST_PIDS = 1 << 22  # PID_MAX_LIMIT of include/linux/threads.h
Living = Callable[[int, int], Process | None]
Seen = Callable[[int, int], tuple[Process, Endpoint, int] | None]


class Answers:
    """What the table of names knows.

    Of a process by its number, at a time: `living` finds it if it lives since, `seen` with who it was and when
    its last flow came.
    """

    def __init__(self, names: Names, living: Living, seen: Seen) -> None:
        self._names, self._living, self._seen = names, living, seen

    def __call__(self, who: str, time_ns: int) -> list[Answer]:
        """All endpoints that are told of, or those that are `who`; `time_ns` 0 is now."""
        if not who:
            told = self._names.endpoints(time_ns or None)
            return sorted((_row(*one) for one in told), key=lambda row: (row["namespace"], row["name"], row["where"]))
        return list(self._found(who.strip(), time_ns))

    def _found(self, who: str, time_ns: int) -> Iterable[Answer]:
        try:
            address = str(ip_address(who))
        except ValueError:
            if who.isdecimal() and 0 < int(who) < _MOST_PIDS:
                yield from self._process(int(who), time_ns or time.time_ns())
            for one in self._names.endpoints(time_ns or None):
                if _is(one[0], who):
                    yield _row(*one)
            return
        yield _row(self._names.who(address, time_ns or time.time_ns()), [Address(address)], 0)

    def _process(self, pid: int, time_ns: int) -> Iterable[Answer]:
        process, where = self._living(pid, time_ns), f"process {pid}"
        if process is not None:
            endpoint = self._names.owner(process)
        elif seen := self._seen(pid, time_ns):
            process, endpoint, last_ns = seen
            where += f", last seen {datetime.fromtimestamp(last_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"
        else:
            return
        yield {**_row(endpoint, [], 0), "where": [where], "process": process.command, "user": process.user}


def _is(endpoint: Endpoint, who: str) -> bool:
    container = endpoint.container
    return (
        (who.isdecimal() and endpoint.identity == int(who))
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
