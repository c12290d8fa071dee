import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.errors import RubinError, UsageError
from rubin.identity.facts import Address, Cgroup, Interface, Network, NetworkNamespace
from rubin.identity.names_file import facts_in
from rubin.identity.static import Static
from rubin.identity.table import Names
from rubin.model.batch import empty
from rubin.model.tables import Service, Workload

POD = """
cluster = "blue"
[namespaces.shop]
labels = { team = "one" }
[[pods]]
name = "pod-a-1"
namespace = "shop"
labels = { app = "pod-a", version = "2" }
workload = "Deployment/pod-a"
service_account = "runner"
addresses = ["10.0.0.1", "FD00::1"]
cidrs = ["10.1.0.7/16"]
interfaces = ["veth-a"]
cgroups = ["/pods/a/"]
netns = ["pod-a", 4026531840]
"""


def test_a_pod_is_told_at_all_its_places_with_hubbles_labels():
    facts = facts_in(POD, "names.toml")
    assert [fact.where for fact in facts] == [
        Address("10.0.0.1"),
        Address("fd00::1"),
        Network("10.1.0.0/16"),
        Interface("veth-a"),
        Cgroup("/pods/a"),
        NetworkNamespace("pod-a"),
        NetworkNamespace(4026531840),
    ]
    who = facts[0].who
    assert (who.cluster_name, who.namespace, who.pod_name) == ("blue", "shop", "pod-a-1")
    assert who.workloads == (Workload("pod-a", "Deployment"),)
    assert who.labels == (
        "k8s:app=pod-a",
        "k8s:io.cilium.k8s.namespace.labels.team=one",
        "k8s:io.cilium.k8s.policy.cluster=blue",
        "k8s:io.cilium.k8s.policy.serviceaccount=runner",
        "k8s:io.kubernetes.pod.namespace=shop",
        "k8s:version=2",
    )


def test_services_nodes_and_networks_read_as_in_hubble():
    facts = facts_in(
        """
        [[services]]
        name = "service-a"
        addresses = ["10.96.0.1"]
        [[nodes]]
        addresses = ["192.0.2.7"]
        [[nodes]]
        addresses = ["192.0.2.8"]
        kube_apiserver = true
        [[networks]]
        cidrs = ["198.51.100.0/24"]
        name = "office"
        """,
        "names.toml",
    )
    service, node, apiserver, network = (fact.who for fact in facts)
    assert (service.identity, service.service) == (2, Service("service-a", "default"))
    assert (node.identity, node.labels) == (6, ("reserved:remote-node",))
    assert (apiserver.identity, apiserver.labels) == (7, ("reserved:kube-apiserver", "reserved:remote-node"))
    assert network.labels == (
        "cidr:198.51.100.0/24",
        "cidrgroup:io.cilium.policy.cidrgroupname/office",
        "reserved:world",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[pods]\n", ["not valid TOML", "line 1"]),
        ("pods = 3", ["'pods' must be a list", "line 1"]),
        ("pods = [3]", ["pods is no list of tables", "[[pods]]"]),
        ("[[pods]]\nlabels = {}", ["an entry has no name", "line 1"]),
        ('[[pods]]\nname = "a"\nadresses = []', ["'adresses' does not exist", "line 3", "addresses"]),
        ('[[pods]]\nname = "a"\naddresses = "10.0.0.1"', ["'addresses' must be a list", "line 3"]),
        (
            '[[pods]]\nname = "a"\naddresses = ["10.0.0.300"]',
            ["'10.0.0.300' in addresses is not an IP address", "line 3"],
        ),
        ('[[pods]]\nname = "a"\naddresses = ["fe80::1%eth0"]', ["is not an IP address"]),
        ('[[pods]]\nname = "a"\ncidrs = ["10.0.0.0/40"]', ["is not a CIDR", "line 3"]),
        ('[[pods]]\nname = "a"\ncgroups = ["pods"]', ["is not a path"]),
        ('[[pods]]\nname = "a"\nnetns = [true]', ["is not a name under /run/netns"]),
        ('[[pods]]\nname = "a"\n[[pods]]\nname = "b"\nx = 1', ["'x' does not exist", "line 5"]),
        ("[namespaces.default]\nlables = {}\n[[pods]]\nname = 'a'", ["'lables' does not exist", "line 2"]),
        ("[[nodes]]\nkube_apiserver = 1", ["must be true or false"]),
    ],
)
def test_an_error_names_the_line_and_a_way_on(text, words):
    with pytest.raises(UsageError) as caught:
        facts_in(text, "names.toml")
    assert caught.value.way_on
    for word in ["names.toml", *words]:
        assert word in str(caught.value)


@given(st.text(max_size=60))
def test_whatever_the_file_holds_it_is_read_or_refused(text):
    with contextlib.suppress(UsageError):
        facts_in(text, "names.toml")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
    st.sampled_from(["pods", "services", "nodes", "networks", "namespaces", "cluster"]),
)
def test_whatever_stands_under_a_known_key_is_read_or_refused(value, key):
    from rubin.identity.names_file import _File

    with contextlib.suppress(UsageError):
        list(_File("", "names.toml", {key: value}).facts())


def test_a_changed_file_is_read_again_and_a_broken_one_leaves_the_last_names(tmp_path: Path):
    path, now = tmp_path / "names.toml", [0.0]

    def write(text):
        path.with_suffix(".new").write_text(text)
        os.replace(path.with_suffix(".new"), path)
        now[0] += 2

    write('[[pods]]\nname = "a"\naddresses = ["10.0.0.1"]')
    names = Names([Static(path, clock=lambda: now[0])], clock=lambda: now[0])
    assert names.who("10.0.0.1").pod_name == "a"
    write('[[pods]]\nname = "b"\naddresses = ["10.0.0.1"]')
    names.identify(empty())
    assert names.who("10.0.0.1").pod_name == "b"
    write("[[pods")
    names.identify(empty())
    assert names.who("10.0.0.1").pod_name == "b"
    assert "not valid TOML" in dict(names.status())["static"]
    path.unlink()
    now[0] += 2
    names.identify(empty())
    assert names.who("10.0.0.1").pod_name == "b"
    assert "cannot read" in dict(names.status())["static"]
    write('[[pods]]\nname = "c"\naddresses = ["10.0.0.1"]')
    names.identify(empty())
    assert names.who("10.0.0.1").pod_name == "c"
    assert "cannot" not in dict(names.status())["static"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"[[pods"])
def test_a_file_that_cannot_be_used_at_the_start_is_an_error(tmp_path: Path, content):
    path = tmp_path / "names.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RubinError) as caught:
        Static(path)
    assert str(path) in caught.value.sentence


def test_this_node_in_the_list_of_nodes_is_the_host():
    from rubin.identity.local import Local

    class File:
        name, rank = "static", 100

        def changes(self):
            return {"": facts_in('[[nodes]]\naddresses = ["192.0.2.1", "192.0.2.2"]', "names.toml")}

        def close(self):
            pass

        def status(self):
            return ""

    names = Names([File(), Local(lambda: ["192.0.2.1"])])
    assert names.who("192.0.2.1").labels == ("reserved:host",)
    assert names.who("192.0.2.2").labels == ("reserved:remote-node",)
