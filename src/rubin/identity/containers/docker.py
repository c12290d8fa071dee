"""Names from runtimes that speak Docker's API: Docker, and Podman's socket.

https://docs.docker.com/reference/api/engine/version/v1.41/
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from rubin.identity.containers import naming
from rubin.identity.containers.follow import Follower, Sockets, looks
from rubin.identity.containers.http_unix import Asking, Lines, parsed
from rubin.identity.containers.trouble import Trouble
from rubin.identity.facts import Address, ContainerCgroup, Fact, NetworkNamespace
from rubin.model.tables import Container

SOCKETS = ("/run/docker.sock", "/run/podman/podman.sock")

_NOT_FOUND = 404
# Health checks run commands all the time: of those nothing is told.
_FILTERS = {
    "type": ["container", "network"],
    "event": ["start", "die", "died", "rename", "connect", "disconnect"],
}
_EVENTS = f"/events?filters={quote(json.dumps(_FILTERS))}"


class Docker(Sockets):
    """The provider of what Docker and Podman know. It keeps quiet where no socket is there."""

    name, rank = "docker", 40

    def __init__(self, sockets: Sequence[str] = SOCKETS, cluster: str = "default") -> None:
        super().__init__("rubin-docker", sockets, partial(_follow, cluster))


def _follow(cluster: str, follower: Follower) -> None:
    with ExitStack() as stack:
        asking = stack.enter_context(follower.holding(Asking(follower.path)))
        name, version = _version(asking)
        events = _Events(stack.enter_context(follower.holding(Lines(follower.path, _EVENTS))))
        runtime = Runtime(asking, name, cluster)
        for _ in looks(events):
            facts = runtime.facts(events.take())
            follower.tell(f"{name} {version}", facts, len(facts))


def _version(asking: Asking) -> tuple[str, str]:
    """The runtime's name and version."""
    answer = _object(asking.get("/version"))
    version = answer.get("Version")
    if not isinstance(version, str) or "ApiVersion" not in answer:
        raise Trouble("is no container runtime: it does not speak Docker's API")
    components = answer.get("Components")
    names = [_object(one).get("Name") for one in components] if isinstance(components, list) else []
    return "podman" if "Podman Engine" in names else "docker", version


class _Events:
    """Which containers something happened to."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._ids: set[str] = set()

    def wait(self, timeout_s: float) -> bool:
        lines = self._lines.lines(timeout_s)
        for line in lines:
            actor = _object(_object(parsed(line)).get("Actor"))
            # of a network's events the actor is the network
            self._ids |= {str(actor.get("ID")), str(_object(actor.get("Attributes")).get("container"))}
        return bool(lines)

    def take(self) -> set[str]:
        """Their ids, since the last call."""
        ids, self._ids = self._ids, set()
        return ids


class Runtime:
    """What a runtime has at the moment. A container is asked for when it is new, or something happened to it."""

    def __init__(self, asking: Asking, name: str, cluster: str) -> None:
        self._asking, self._name, self._cluster = asking, name, cluster
        self._known: dict[str, Sequence[Fact]] = {}

    def facts(self, changed: set[str]) -> dict[str, Sequence[Fact]]:
        """The facts by the ids of running containers. Raises OSError and Trouble."""
        listed = self._asking.get("/containers/json")
        ids = [_object(one).get("Id") for one in listed] if isinstance(listed, list) else []
        there = [one for one in ids if isinstance(one, str)]
        self._known = {one: facts for one in there if (facts := self._of(one, one in changed))}
        return self._known

    def _of(self, container_id: str, changed: bool) -> Sequence[Fact]:
        if container_id in self._known and not changed:
            return self._known[container_id]
        try:
            answer = self._asking.get(f"/containers/{quote(container_id, safe='')}/json")
        except Trouble as trouble:
            if trouble.code == _NOT_FOUND:
                return ()
            raise
        return tuple(container_facts(_object(answer), self._name, self._cluster))


def container_facts(answer: dict[str, Any], runtime: str, cluster: str) -> Iterator[Fact]:
    """The facts of a container as `/containers/ID/json` describes it; nothing where it does not run."""
    state, settings = _object(answer.get("State")), _object(answer.get("Config"))
    container_id = answer.get("Id")
    if not isinstance(container_id, str) or state.get("Running") is not True:
        return
    name = str(answer.get("Name", "")).removeprefix("/") or container_id[:12]
    who = Container(container_id, name, str(settings.get("Image", "")))
    labels = {key: str(value) for key, value in _object(settings.get("Labels")).items()}
    endpoint = naming.container(runtime, who, labels, cluster)
    since_ns = epoch_ns(str(state.get("StartedAt", "")))
    yield Fact(ContainerCgroup(container_id), endpoint, since_ns=since_ns)
    mode = str(_object(answer.get("HostConfig")).get("NetworkMode", ""))
    if mode != "host" and not mode.startswith("container:"):  # the host's, or another container's
        for where in _network(_object(answer.get("NetworkSettings"))):
            yield Fact(where, endpoint, since_ns=since_ns)


def _network(settings: dict[str, Any]) -> Iterator[Address | NetworkNamespace]:
    networks = [_object(one) for one in _object(settings.get("Networks")).values()]
    keys = ("IPAddress", "GlobalIPv6Address")
    yield from naming.addresses(str(network.get(key, "")) for network in networks for key in keys)
    yield from naming.namespace_at(str(settings.get("SandboxKey", "")))


def epoch_ns(text: str) -> int:
    """ns since the Unix epoch of a time as RFC 3339 writes it; 0 where it is none, or before the epoch."""
    try:
        whole = datetime.fromisoformat(text)
        fraction = text.partition(".")[2].rstrip("Z").partition("+")[0].partition("-")[0]
        return max(int(whole.replace(microsecond=0).timestamp()) * 10**9 + int(f"{fraction:0<9}"[:9] or 0), 0)
    except (ValueError, OverflowError):
        return 0


def _object(value: Any) -> dict[str, Any]:
    """An object of JSON, {} where it is something else."""
    return value if isinstance(value, dict) else {}
