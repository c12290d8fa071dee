"""What containers are called."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.identity.containers import naming, processes
from rubin.identity.containers.docker import container_facts, epoch_ns
from rubin.identity.containers.pb import cri_pb2
from rubin.identity.containers.sandbox import sandbox_facts
from rubin.identity.facts import Address, NetworkNamespace
from rubin.model.tables import Container, Workload

WEB = Container("0123456789ab", "web", "nginx:1.27")


@pytest.mark.parametrize(
    ("labels", "namespace", "name", "workload"),
    [
        ({}, "docker", "web", Workload("web", "Container")),
        ({"com.docker.compose.project": "shop"}, "shop", "web", Workload("web", "Container")),
        ({"com.docker.compose.service": "front"}, "docker", "web", Workload("front", "Service")),
    ],
)
def test_a_container_is_in_its_project_or_its_runtime(labels, namespace, name, workload):
    who = naming.container("docker", WEB, labels, "default")
    assert (who.namespace, who.pod_name, who.workloads, who.container) == (namespace, name, (workload,), WEB)
    assert who.cluster_name == ""


def test_labels_are_sorted_and_without_what_tools_write_for_themselves():
    labels = {
        "team": "a", "org.opencontainers.image.created": "2026-01-01", "org.label-schema.name": "x",
        "com.docker.compose.config-hash": "1f", "nerdctl/state-dir": "/x", "maintainer": "somebody",
        "name": "a lie", "long": "x" * 10_000, "odd": "a\nb<c>",
    }  # fmt: skip
    assert naming.container("docker", WEB, labels, "").labels == (
        "container:image=nginx:1.27", f"container:long={'x' * 10_000}", "container:name=web", "container:odd=a\nb<c>",
        "container:team=a",
    )  # fmt: skip


def test_a_container_of_a_pod_is_the_pods():
    labels = {
        "io.kubernetes.pod.name": "web-1", "io.kubernetes.pod.namespace": "demo", "app": "web",
        "io.kubernetes.container.name": "server", "pod-template-hash": "9ccd8f67f",
    }  # fmt: skip
    who = naming.container("docker", Container("id", "k8s_server_web-1_demo", "nginx"), labels, "kind")
    assert (who.namespace, who.pod_name, who.container.name, who.cluster_name) == ("demo", "web-1", "server", "kind")
    assert who.labels == (
        "k8s:app=web", "k8s:io.cilium.k8s.policy.cluster=kind", "k8s:io.kubernetes.pod.namespace=demo"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/run/netns/cni-1", [NetworkNamespace("cni-1")]), ("/var/run/netns/cni-1", [NetworkNamespace("cni-1")]),
        ("", []), ("/proc/1/ns/net", []), ("/run/netns/a/b", []), ("/run/docker/netns/not-there", []),
    ],
)  # fmt: skip
def test_a_network_namespace_is_known_by_its_path(path, found):
    assert list(naming.namespace_at(path)) == found


def test_addresses_are_those_that_are_some():
    texts = iter(("10.0.0.1", "", "fd00::0:1", "nonsense", "10.0.0.1/24"))
    assert list(naming.addresses(texts)) == [Address("10.0.0.1"), Address("fd00::1")]


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", 10**9), ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("2026-11-25T03:46:42.687863461Z", 1_795_578_402_687_863_461), ("1970-01-01T01:00:00.25+01:00", 250_000_000),
        ("0001-01-01T00:00:00Z", 0), ("", 0), ("soon", 0),
    ],
)  # fmt: skip
def test_a_time_is_read_to_the_nanosecond(text, ns):
    assert epoch_ns(text) == ns


_KEYS = (
    "Id", "State", "Running", "Config", "Labels", "Image", "HostConfig", "NetworkMode", "NetworkSettings", "Networks",
    "SandboxKey", "IPAddress", "StartedAt", "Name", "runtimeSpec", "linux", "namespaces", "type", "path",
)  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Id",
                    "State",
                    "Running",
                    "Config",
                    "Labels",
                    "Image",
                    "HostConfig",
                    "NetworkMode",
                    "NetworkSettings",
                    "Networks",
                    "SandboxKey",
                    "IPAddress",
                    "StartedAt",
                    "Name",
                    "runtimeSpec",
                    "linux",
                    "namespaces",
                    "type",
                    "path",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(_JSON)
def test_whatever_docker_answers_nothing_is_raised(answer):
    known = {"Id": "a", "State": {"Running": True}}
    for one in (answer, {**known, "NetworkSettings": answer}, {**known, "Config": answer}):
        list(container_facts(one if isinstance(one, dict) else {}, "docker", ""))


@given(st.text(max_size=40) | _JSON.map(str))
def test_whatever_a_runtime_says_of_a_sandbox_nothing_is_raised(info):
    sandbox_facts(cri_pb2.PodSandboxStatusResponse(info={"info": info}), "")


def test_a_process_in_our_own_network_has_none_of_its_own():
    assert processes.netns(os.getpid()) is None
    assert processes.netns(1 << 30) is None


def test_addresses_of_a_network_namespace_are_read_from_proc(tmp_path: Path):
    for pid in (1, 2):
        (tmp_path / str(pid) / "net").mkdir(parents=True)
        (tmp_path / str(pid) / "ns").mkdir()
        (tmp_path / str(pid) / "ns" / "net").touch()
    (tmp_path / "2" / "net" / "fib_trie").write_text(
        "Main:\n  +-- 0.0.0.0/0 2 0 2\n     |-- 10.0.0.0\n        /24 link UNICAST\n     |-- 10.0.0.7\n"
        "        /32 host LOCAL\n     |-- 10.0.0.255\n        /32 link BROADCAST\n     |-- 127.0.0.1\n"
        "        /32 host LOCAL\nLocal:\n     |-- 10.0.0.7\n        /32 host LOCAL\n"
    )
    (tmp_path / "2" / "net" / "if_inet6").write_text(
        "fd000000000000000000000000000007 02 40 00 80     eth0\n"
        "fe80000000000000644afafffe5e0d4e 02 40 20 80     eth0\n"
        "00000000000000000000000000000001 01 80 10 80       lo\n"
    )
    found = processes.netns(2, tmp_path)
    assert found is not None
    assert found.addresses == ("10.0.0.7", "fd00::7")


@pytest.mark.parametrize(
    ("text", "path", "of"),
    [
        ("0::/rubin/web\n", "/rubin/web", True), ("1:cpu:/rubin/web\n0::/\n", "", True),
        ("0::/web/x\n", "/web/x", True),
        ("0::/rubin/webs\n", "", False), ("0::/system.slice/nerdctl-web.scope\n", "", True), ("", "", False),
    ],
)  # fmt: skip
def test_a_process_is_a_containers_where_its_cgroup_names_it(tmp_path: Path, text, path, of):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(text)
    assert (processes.cgroup(7, "web", tmp_path), processes.is_of(7, "web", tmp_path)) == (path, of)
