"""Containers of a real Docker and a real Podman, by Docker's API."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from demo import images
from rubin.identity.containers.docker import Docker
from rubin.identity.facts import Address, ContainerCgroup, NetworkNamespace
from rubin.model.tables import Container, Workload
from tests.containers import daemons
from tests.containers.daemons import SUBNET, SUBNET_6, Daemon
from tests.identity.containers.told import Told, told

_COMPOSE = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}


def _ask(daemon: Daemon, method: str, target: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    """What the runtime answers."""
    asking = HTTPConnection("localhost", timeout=20)
    asking.sock = socket.socket(socket.AF_UNIX)
    try:
        asking.sock.settimeout(20)
        asking.sock.connect(str(daemon.socket))
        asking.request(method, target, body, {"Content-Type": kind})
        answer = asking.getresponse()
        text = answer.read()
    finally:
        asking.close()
    assert answer.status < 400, text
    return text


_NETWORK = {"Name": "rubin-net", "EnableIPv6": True, "IPAM": {"Config": [{"Subnet": SUBNET}, {"Subnet": SUBNET_6}]}}


@pytest.fixture(scope="module", params=["docker", "podman"])
def runtime(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """One of them with a network and the image, which brings a label of its build."""
    start = {"docker": daemons.docker, "podman": daemons.podman}[request.param]
    with start() as daemon:
        path = daemon.folder / "image.tar"
        images.write(path, {"org.opencontainers.image.revision": "1f3c", "tier": "front"})
        _ask(daemon, "POST", "/images/load", path.read_bytes(), "application/x-tar")
        if start is daemons.docker:
            _ask(daemon, "POST", "/networks/create", json.dumps(_NETWORK).encode())
        yield daemon


def _name(runtime: Daemon) -> str:
    return runtime.name.removeprefix("rubin-")


@contextmanager
def _running(daemon: Daemon, name: str, network: str = "none", labels: dict[str, str] | None = None) -> Iterator[str]:
    """A container's id."""
    host = {"NetworkMode": network, "CgroupParent": f"/{daemon.name}"}
    made = {"Image": images.NAME, "Labels": labels or {}, "StopTimeout": 0, "HostConfig": host}
    answer = _ask(daemon, "POST", f"/containers/create?name={name}", json.dumps(made).encode())
    container = str(json.loads(answer)["Id"])
    try:
        _ask(daemon, "POST", f"/containers/{container}/start")
        yield container
    finally:
        _ask(daemon, "DELETE", f"/containers/{container}?force=true")


@contextmanager
def _known(daemon: Daemon) -> Iterator[Told]:
    with told(Docker((str(daemon.socket),))) as known:
        known.status(f"{_name(daemon)} ")
        yield known


def test_a_container_is_told_within_a_second_and_its_end_too(runtime: Daemon):
    with _known(runtime) as known:
        with _running(runtime, "web") as container:
            known.wait(lambda facts: container in facts, "the container", 1.0)
            (fact,) = known()[container]
            assert fact.where == ContainerCgroup(container)
            assert 0 <= time.time_ns() - fact.since_ns < 10e9
            assert "1 container since" in known.provider.status()
        known.wait(lambda facts: not facts, "the end", 2.0)
    who = fact.who
    assert (who.namespace, who.pod_name, who.workloads) == (_name(runtime), "web", (Workload("web", "Container"),))
    assert who.container == Container(container, "web", images.NAME)
    assert who.labels == (f"container:image={images.NAME}", "container:name=web", "container:tier=front")


def test_a_service_of_compose_is_the_workload_and_its_project_the_namespace(runtime: Daemon):
    with _running(runtime, "shop-web-1", labels=_COMPOSE) as container, _known(runtime) as known:
        known.wait(lambda facts: container in facts, "the container")
        who = known.who(container)
    assert (who.namespace, who.pod_name, who.workloads) == ("shop", "shop-web-1", (Workload("web", "Service"),))


def test_addresses_of_its_networks_are_its_own(runtime: Daemon):
    with _running(runtime, "web", "rubin-net") as container, _known(runtime) as known:
        known.wait(lambda facts: container in facts, "the container")
        where = known.where(container)
        names = [one.name for one in where if isinstance(one, NetworkNamespace)]  # Docker keeps its own in its folder
        assert all(Path(f"/proc/{runtime.pid}/root/run/netns/{name}").exists() for name in names)
        assert len(names) == (_name(runtime) == "podman")
    addresses = [one.address for one in where if isinstance(one, Address)]
    assert [one.rpartition("." if "." in one else "::")[0] for one in addresses] == ["10.213.7", "fd00:213:7"]


@pytest.mark.parametrize("network", ["host", "container:web"])
def test_addresses_of_others_are_not_its_own(runtime: Daemon, network: str):
    with (
        _running(runtime, "web", "rubin-net"),
        _running(runtime, "joined", network) as container,
        _known(runtime) as known,
    ):
        known.wait(lambda facts: container in facts, "the container")
        assert known.where(container) == [ContainerCgroup(container)]


def test_a_new_name_is_told(runtime: Daemon):
    with _running(runtime, "old") as container, _known(runtime) as known:
        known.wait(lambda facts: container in facts, "the container")
        _ask(runtime, "POST", f"/containers/{container}/rename?name=new")
        known.wait(lambda _: known.who(container).pod_name == "new", "the new name")


def test_a_container_that_is_started_again_holds_from_then(runtime: Daemon):
    with _running(runtime, "web") as container, _known(runtime) as known:
        known.wait(lambda facts: container in facts, "the container")
        before = known()[container][0].since_ns
        _ask(runtime, "POST", f"/containers/{container}/restart?t=0")
        known.wait(lambda facts: container in facts and facts[container][0].since_ns > before, "the start")


@pytest.mark.parametrize("runtime", ["podman"], indirect=True)
def test_names_outlive_a_runtime_that_dies(runtime: Daemon):
    with _running(runtime, "first") as first, _known(runtime) as known:
        known.wait(lambda facts: first in facts, "the container")
        runtime.end(signal.SIGKILL)
        status = known.status("; 1 container from before", 5.0)
        assert "closed the connection" in status or "nobody listens" in status  # a second later
        assert first in known()
        runtime.start()
        known.status("1 container since", 5.0)


def test_what_runs_is_known_when_a_runtime_is_back(runtime: Daemon):
    with _running(runtime, "first") as first, _known(runtime) as known:
        known.wait(lambda facts: first in facts, "the container")
        runtime.end()
        known.wait(lambda _: "since" not in known.provider.status(), "the end", 5.0)
        runtime.start()
        with _running(runtime, "second") as second:
            known.wait(lambda facts: second in facts, "the other container")
            listed = json.loads(_ask(runtime, "GET", "/containers/json"))  # Docker ends its containers, Podman does not
            known.wait(lambda facts: {one["Id"] for one in listed} == set(facts), "what runs, and nothing else")
