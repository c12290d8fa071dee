"""The CRI's provider, against recorded answers and against what is no runtime."""

from pathlib import Path

import pytest

from rubin.identity.containers.cri import Cri
from rubin.identity.facts import Address, ContainerCgroup, NetworkNamespace, PodCgroup
from tests.identity.containers import servers
from tests.identity.containers.crio import Node
from tests.identity.containers.told import told


def _cri(path: Path) -> Cri:
    return Cri((str(path),))


def test_the_pods_of_a_recorded_node_are_named_where_they_are(tmp_path: Path):
    node, path = Node("told"), tmp_path / "crio.sock"
    with servers.grpc(path, node), told(_cri(path)) as known:
        known.wait(lambda facts: len(facts) == 8, "four pods and four containers")
        (web,) = [one.status.id for one in node.pods if one.status.metadata.name == "web-9ccd8f67f-667p5"]
        (agent,) = [one.status.id for one in node.pods if one.status.metadata.name == "agent-jg6dt"]
        assert known.where(web) == [
            ContainerCgroup(web), PodCgroup("78cf2df7-f968-4f1f-95c8-a54b91226b01"), Address("10.244.0.3"),
            Address("fd00::3"), NetworkNamespace("cni-6ef54d28-83c1-1277-dce5-ea1ff5f3e397"),
        ]  # fmt: skip
        assert known.where(agent) == [ContainerCgroup(agent), PodCgroup("62ed89a4-b5ce-4416-a942-ceb4ae51d5e7")]
        assert known.who(web).labels == (
            "k8s:app=web", "k8s:io.cilium.k8s.policy.cluster=default", "k8s:io.kubernetes.pod.namespace=demo"
        )  # fmt: skip
        inside = [key for key in known() if known.who(key).container.name == "c" and known.who(key).pod_name == "p1"]
        assert known.where(inside[0]) == [ContainerCgroup(inside[0])]
        assert known.provider.status().startswith(f"cri-o 1.31.0 at {path}: 4 containers since 20")


def test_an_event_is_followed_by_a_look_which_tells_only_what_has_changed(tmp_path: Path):
    node, path = Node("told"), tmp_path / "crio.sock"
    with servers.grpc(path, node) as loop, told(_cri(path)) as known:
        known.wait(lambda facts: len(facts) == 8, "all pods")
        gone = node.containers.pop()
        node.happen(loop, gone.id)
        known.wait(lambda facts: gone.id not in facts, "the end of one")
        assert known.changes == 9
        assert node.asked.count("PodSandboxStatus") == 4


@pytest.mark.parametrize("events", ["none", "ended"])
def test_a_runtime_that_tells_no_events_is_asked_every_second(tmp_path: Path, events: str):
    node, path = Node(events), tmp_path / "crio.sock"
    with servers.grpc(path, node), told(_cri(path)) as known:
        known.status("cri-o 1.31.0, asked every second")
        gone = node.containers.pop()
        known.wait(lambda facts: facts and gone.id not in facts, "the end of one", 3.0)


def test_a_pod_that_goes_while_it_is_asked_for_is_left_out(tmp_path: Path):
    node, path = Node("told"), tmp_path / "crio.sock"
    node.gone = node.pods[0].status.id
    with servers.grpc(path, node), told(_cri(path)) as known:
        known.wait(lambda facts: len(facts) == 6, "the other pods and their containers")
        assert node.gone not in known()


def test_a_grpc_server_without_the_cri_is_said_to_be_without(tmp_path: Path):
    class Other:
        def __mapping__(self) -> dict[str, object]:
            return {}

    path = tmp_path / "other.sock"
    with servers.grpc(path, Other()), told(_cri(path)) as known:
        assert known.status("CRI") == f"{path} offers no CRI v1"
