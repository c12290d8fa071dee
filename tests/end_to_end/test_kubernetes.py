"""An agent with a cluster: pods on the flows of their processes, also when the API tells late."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rubin.kernel import cgroups
from tests.end_to_end.agents import Agent
from tests.identity.kubernetes import objects
from tests.identity.kubernetes.apiserver import ApiServer
from tests.identity.kubernetes.beside import kubeconfig
from tests.waiting import wait_for

NODE = "rubin-node"
TALK = """
import socket
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
client.sendall(b"x")
print(client.getsockname()[1])
"""


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        server.world.put("namespaces", objects.namespace("demo", team="shop"))
        server.world.put("nodes", objects.node(NODE, "192.0.2.1", zone="a"))
        yield server


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """The cgroup of the container `web` of the pod `web`, as a kubelet makes it."""
    pod = Path(cgroups.mount()) / f"rubin-kubepods/pod{objects.uid('demo/web')}"
    container = pod / objects.container_id("web")
    container.mkdir(parents=True)
    yield container
    wait_for(lambda: not (container / "cgroup.procs").read_text(), "its processes to end", 10)
    for folder in (container, pod, pod.parent):
        folder.rmdir()


def talk(cgroup: Path) -> int:
    """A process of the container that talks to itself and goes; the port of its client."""
    command = ["sh", "-c", f'echo $$ > {cgroup}/cgroup.procs && exec "$@"', "sh", sys.executable, "-c", TALK]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def pods_of(agent: Agent, port: int) -> set[str]:
    """The pods at the client's own socket, as they are known now."""
    flows = agent.observe("--port", str(port), "--last", "100")
    sides = [
        flow["source"]
        for flow in flows
        if flow.get("trace_observation_point") == "TO_STACK" and flow["l4"]["TCP"].get("source_port") == port
    ]
    return {f"{side.get('namespace', '')}/{side.get('pod_name', '')}" for side in sides}


def test_a_pod_is_on_its_flows_within_a_second_and_on_those_that_came_before(
    api: ApiServer, cgroup: Path, start: Callable[..., Agent], tmp_path: Path
) -> None:
    agent = start(flags=["--kubeconfig", str(kubeconfig(tmp_path, api.url)), "--node-name", NODE])
    agent.wait_until_it_observes()
    port = talk(cgroup)
    wait_for(lambda: pods_of(agent, port) == {"/"}, "the flows of a container that nobody has told of", 5)
    api.world.put("pods", objects.pod("web", "10.244.0.2", node=NODE, labels={"app": "web"}))
    answers: list[set[str]] = []

    def is_named() -> bool:
        answers.append(pods_of(agent, port))
        return answers[-1] == {"demo/web"}

    wait_for(is_named, "the pod on the flows that came before it", 5)
    assert len(answers) <= 3  # to ask takes a third of a second, where nothing else is to do
    (flow, *_) = agent.observe("--pod", "demo/web", "--port", str(port))
    assert "k8s:app=web" in flow["source"]["labels"]
    assert "k8s:io.cilium.k8s.namespace.labels.team=shop" in flow["source"]["labels"]
    assert "zone=a" in flow["node_labels"]
    assert 256 <= flow["source"]["identity"] < 65_536
    (pod,) = json.loads(agent.rubin("get", "demo/web", "-o", "json"))
    assert "10.244.0.2" in pod["where"]
    assert "kubernetes" in agent.rubin("status").lower()


def test_without_an_api_server_flows_go_on_and_the_status_says_why(
    cgroup: Path, start: Callable[..., Agent], tmp_path: Path
) -> None:
    agent = start(flags=["--kubeconfig", str(kubeconfig(tmp_path, "http://127.0.0.1:9")), "--node-name", NODE])
    agent.wait_until_it_observes()
    port = talk(cgroup)
    wait_for(lambda: pods_of(agent, port) == {"/"}, "the flows of the container", 5)
    wait_for(lambda: "nobody listens at 127.0.0.1:9" in agent.rubin("status"), "the status to say what is wrong", 5)
