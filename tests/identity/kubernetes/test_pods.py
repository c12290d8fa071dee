import json
import time
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.identity.facts import Address, ContainerCgroup, PodCgroup
from rubin.identity.kubernetes.pods import Pods, address_text
from rubin.identity.kubernetes.times import since_ns
from rubin.identity.kubernetes.workloads import workloads
from rubin.identity.told import Told
from rubin.model.tables import Container, Workload
from tests.identity.kubernetes.objects import SINCE, STARTED, container, container_id, namespace, pod, uid
from tests.identity.kubernetes.told import facts_of, read

NS = 1_000_000_000


def ns(text):
    return int(datetime.fromisoformat(text).timestamp()) * NS


def test_a_recorded_pod_of_this_node_is_told_by_address_cgroup_and_container():
    made = json.loads((Path(__file__).parent / "recorded" / "pod.json").read_text())
    address, group, container = facts_of(made)
    named = "c41ad7f4b7555d5462cb51f767c4b80e6f022384291b83aedd2a11fed9be5cff"
    assert address.where == Address("10.244.0.4")
    assert group.where == PodCgroup("0ac27a52-7ce8-473c-a385-960ea70a4f0a")
    assert container.where == ContainerCgroup(named)
    assert address.who == group.who
    assert (address.who.cluster_name, address.who.namespace, address.who.pod_name) == (
        "default",
        "demo",
        "web-9ccd8f67f-w6rxx",
    )
    assert address.who.workloads == (Workload("web", "Deployment"),)
    assert address.who.labels == (
        "k8s:app=web",
        "k8s:io.cilium.k8s.policy.cluster=default",
        "k8s:io.cilium.k8s.policy.serviceaccount=default",
        "k8s:io.kubernetes.pod.namespace=demo",
    )
    assert container.who.container == Container(named, "c", "docker.io/library/busybox:local")
    assert (address.local, group.local, container.local) == (True, True, True)


def test_times_say_from_when_an_address_and_a_container_are_the_pods():
    address, group, container = facts_of(pod("a", "10.0.0.1", containers=["c"]))
    assert address.since_ns == ns(SINCE)
    assert container.since_ns == ns(STARTED)
    assert group.since_ns == ns("2024-11-22T09:53:36Z")
    early = pod("a", "10.0.0.1")
    early["status"]["conditions"] = None
    assert facts_of(early)[0].since_ns == ns("2024-11-22T09:53:36Z")
    ended = pod("a", containers=["c"])
    ended["status"]["containerStatuses"][0]["state"] = {"terminated": {"startedAt": STARTED}}
    assert facts_of(ended)[1].since_ns == ns(STARTED)


@pytest.mark.parametrize("text", ["", None, "yesterday", "2024-13-01T00:00:00Z", "0001-01-01T00:00:00Z"])
def test_a_time_that_makes_no_sense_is_not_known(text):
    assert since_ns(text) == 0


def test_a_time_to_come_is_now():
    assert ns("2024-01-01T00:00:00Z") < since_ns("9999-12-31T23:59:59Z") <= time.time_ns()


@given(st.text() | st.datetimes().map(lambda one: one.isoformat()))
def test_any_text_is_a_time_or_none(text):
    assert 0 <= since_ns(text) < 1 << 62


@given(st.text() | st.ip_addresses().map(str))
def test_any_text_is_an_address_or_none(text):
    assert address_text(address_text(text)) == address_text(text)


def test_a_pod_elsewhere_is_told_by_its_addresses_only():
    facts = facts_of(pod("a", "10.0.0.1", "FD00::1", "nonsense", containers=["c"]), here=False)
    assert [fact.where for fact in facts] == [Address("10.0.0.1"), Address("fd00::1")]
    assert not any(fact.local for fact in facts)


@pytest.mark.parametrize("more", [{"host": True}, {"phase": "Succeeded"}, {"phase": "Failed"}])
def test_a_pod_that_shares_or_has_lost_its_address_has_none_but_keeps_its_cgroups(more):
    made = pod("a", "192.0.2.1", containers=["c"], **more)
    assert [fact.where for fact in facts_of(made)] == [PodCgroup(uid("demo/a")), ContainerCgroup(container_id("c"))]
    assert facts_of(made, here=False) == []


def test_containers_of_every_sort_are_told_once_they_have_an_id():
    made = pod("a", containers=["c"])
    made["status"]["initContainerStatuses"] = [container("sidecar"), {"name": "waiting", "state": {"waiting": {}}}]
    made["status"]["ephemeralContainerStatuses"] = [container("debug")]
    told = [fact.who.container.name for fact in facts_of(made)[1:]]
    assert told == ["c", "sidecar", "debug"]


def test_labels_are_those_that_hubble_shows():
    labels = {
        "app.kubernetes.io/name": "shop",
        "pod-template-hash": "5d4",
        "controller-revision-hash": "1",
        "statefulset.kubernetes.io/pod-name": "a-0",
        "topology.kubernetes.io/zone": "z",
        "kubernetes.io/os": "linux",
        "io.kubernetes.pod.namespace": "kube-system",
        "io.cilium.k8s.namespace.labels.team": "forged",
        "tier": "",
    }
    assert facts_of(pod("a", "10.0.0.1", labels=labels, account="runner"), cluster="blue")[0].who.labels == (
        "k8s:app.kubernetes.io/name=shop",
        "k8s:io.cilium.k8s.policy.cluster=blue",
        "k8s:io.cilium.k8s.policy.serviceaccount=runner",
        "k8s:io.kubernetes.pod.namespace=demo",
        "k8s:tier=",
        "k8s:topology.kubernetes.io/zone=z",
    )


@pytest.mark.parametrize(
    "value", ["x" * 10_240, "\x1b[31m\x00\n", "<script>alert(1)</script>", "=,!=k8s:", "\U0001f980"]
)
def test_label_values_of_any_kind_stay_as_they_are(value):
    labels = facts_of(pod("a", "10.0.0.1", labels={"app": value}))[0].who.labels
    assert f"k8s:app={value}" in labels


def test_pods_with_the_same_labels_share_them():
    told = Told()
    pods = Pods(told, "default")
    for name in ("a", "b"):
        pods.elsewhere.put(read("pod", pod(name, "10.0.0.1", labels={"app": "x"}, owner=("DaemonSet", "x"))))
    first, second = (facts[0].who for facts in told.take().values())
    assert first.labels is second.labels
    assert first.workloads is second.workloads


def test_a_namespaces_labels_are_its_pods_labels_whenever_they_change():
    told = Told()
    pods = Pods(told, "default")
    pods.here.put(read("pod here", pod("a", "10.0.0.1", containers=["c"])))
    pods.elsewhere.put(read("pod", pod("b", "10.0.0.2")))
    pods.elsewhere.put(read("pod", pod("c", "10.0.0.3", namespace="other")))
    told.take()

    def teams():
        changed = told.take()
        assert {key for key, facts in changed.items() if facts} <= {f"pod/{uid('demo/a')}", f"pod/{uid('demo/b')}"}
        texts = [text for facts in changed.values() for fact in facts for text in fact.who.labels]
        return sorted(text for text in texts if "namespace.labels.team" in text)

    pods.namespaces.put(read("namespace", namespace("demo", team="one")))
    assert teams() == ["k8s:io.cilium.k8s.namespace.labels.team=one"] * 4
    pods.namespaces.put(read("namespace", namespace("demo", team="one")))
    assert teams() == []
    pods.namespaces.put(read("namespace", namespace("demo", team="two")))
    assert teams() == ["k8s:io.cilium.k8s.namespace.labels.team=two"] * 4
    pods.here.put(read("pod here", pod("a", "10.0.0.9", containers=["c"])))
    assert teams() == ["k8s:io.cilium.k8s.namespace.labels.team=two"] * 3
    pods.namespaces.keep(set())
    assert "k8s:io.cilium.k8s.namespace.labels.team=two" not in teams()
    assert len(pods.namespaces) == 0


def test_what_says_nothing_new_is_not_told_again():
    told = Told()
    pods = Pods(told, "default")
    made = pod("a", "10.0.0.1", containers=["c"])
    pods.here.put(read("pod here", made))
    told.take()
    made["status"]["conditions"] = []
    pods.here.put(read("pod here", made))
    assert told.take() == {}


def test_a_pod_that_both_watches_know_is_not_lost_when_one_of_them_lets_it_go():
    told, key = Told(), f"pod/{uid('demo/a')}"
    pods = Pods(told, "default")
    pods.elsewhere.put(read("pod", pod("a", "10.0.0.1", node="")))
    pods.here.put(read("pod here", pod("a", "10.0.0.1")))
    pods.elsewhere.remove(read("pod", pod("a")))
    assert [fact.local for fact in told.take()[key]] == [True, True]
    pods.here.keep(set())
    assert told.take() == {key: ()}
    assert (len(pods.here), len(pods.elsewhere)) == (0, 0)


def test_a_pod_that_ends_and_one_that_loses_its_address_are_told_to_be_gone():
    told = Told()
    pods = Pods(told, "default")
    pods.elsewhere.put(read("pod", pod("a", "10.0.0.1")))
    pods.elsewhere.put(read("pod", pod("a", phase="Failed")))
    assert told.take() == {f"pod/{uid('demo/a')}": ()}


@pytest.mark.parametrize(
    ("owner", "labels", "expected"),
    [
        (("ReplicaSet", "web-9ccd8f67f"), {"pod-template-hash": "9ccd8f67f"}, ("web", "Deployment")),
        (("ReplicaSet", "web-9ccd8f67f"), {}, ("web-9ccd8f67f", "ReplicaSet")),
        (("ReplicaSet", "web-9ccd8f67f"), {"pod-template-hash": "other"}, ("web-9ccd8f67f", "ReplicaSet")),
        (("ReplicaSet", "web9ccd"), {"pod-template-hash": "9ccd"}, ("web9ccd", "Deployment")),
        (("Job", "backup-28123456"), {}, ("backup", "CronJob")),
        (("Job", "backup-1234567890"), {}, ("backup", "CronJob")),
        (("Job", "backup-1234567"), {}, ("backup-1234567", "Job")),
        (("Job", "backup-12345678901"), {}, ("backup-12345678901", "Job")),
        (("Job", "backup"), {}, ("backup", "Job")),
        (("ReplicationController", "shop-3"), {"deploymentconfig": "shop"}, ("shop", "DeploymentConfig")),
        (("ReplicationController", "shop-3"), {}, ("shop-3", "ReplicationController")),
        (("DaemonSet", "agent"), {}, ("agent", "DaemonSet")),
        (("StatefulSet", "db"), {}, ("db", "StatefulSet")),
        (("Rollout", "web"), {"pod-template-hash": "1"}, ("web", "Rollout")),
    ],
)
def test_the_workload_follows_from_the_owner(owner, labels, expected):
    assert workloads(read("pod", pod("a", labels=labels, owner=owner)).metadata) == (Workload(*expected),)


def test_a_pod_without_a_controller_or_a_generated_name_has_no_workload():
    assert workloads(read("pod", pod("a")).metadata) == ()
    made = pod("a", owner=("Node", "node1"))
    made["metadata"]["ownerReferences"][0]["controller"] = False
    assert workloads(read("pod", made).metadata) == ()
    static = pod("a", owner=("Node", "node1"))
    del static["metadata"]["generateName"]
    assert workloads(read("pod", static).metadata) == ()
