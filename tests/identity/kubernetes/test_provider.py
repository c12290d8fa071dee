import ssl
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rubin.identity.facts import Address, ContainerCgroup, PodCgroup, ServicePort
from rubin.identity.kubernetes.pace import Pace
from tests.identity.kubernetes.apiserver import ApiServer
from tests.identity.kubernetes.beside import PACE, provider_of
from tests.identity.kubernetes.objects import container_id, endpoint_slice, namespace, node, pod, service, uid

CERTIFICATES = Path(__file__).parents[2] / "api" / "certificates"


@pytest.fixture
def api():
    """A small cluster; this is node1."""
    with ApiServer() as server:
        world = server.world
        world.put("namespaces", namespace("demo", team="one"))
        world.put("nodes", node("node1", "192.0.2.1", zone="a"))
        world.put("nodes", node("node2", "192.0.2.2"))
        world.put("services", service("web", "10.96.0.10", ports=[(80, 30080, "TCP")]))
        world.put("services", service("kubernetes", "10.96.0.1", namespace="default"))
        world.put("endpointslices", endpoint_slice("kubernetes", "kubernetes", "192.0.2.2"))
        world.put("endpointslices", endpoint_slice("web-1", "web", "10.0.0.1", namespace="demo"))
        world.put("pods", pod("here", "10.0.0.1", labels={"app": "web"}, containers=["c"]))
        world.put("pods", pod("there", "10.0.1.1", node="node2", containers=["d"]))
        world.put("pods", pod("host", "192.0.2.1", host=True, containers=["h"]))
        world.put("pods", pod("done", "10.0.1.9", node="node2", phase="Succeeded"))
        world.put("pods", pod("waiting", node=""))
        yield server


def watches(api, resource="pods"):
    return [asked for asked in api.asked if asked.place.plural == resource and asked.verb == "watch"]


@pytest.mark.parametrize("streams_lists", [True, False])
def test_all_of_a_cluster_is_told_and_followed(api, tmp_path, streams_lists):
    api.streams_lists = streams_lists
    with provider_of(api, tmp_path) as beside:
        facts = {fact.where: fact for fact in beside.wait_read()}
        assert set(facts) == {
            Address("10.0.0.1"),
            Address("10.0.1.1"),
            Address("10.96.0.1"),
            Address("10.96.0.10"),
            Address("192.0.2.1"),
            Address("192.0.2.2"),
            ContainerCgroup(container_id("c")),
            ContainerCgroup(container_id("h")),
            PodCgroup(uid("demo/here")),
            PodCgroup(uid("demo/host")),
            ServicePort("192.0.2.1", 30080),
            ServicePort("192.0.2.2", 30080),
        }
        assert facts[Address("10.0.0.1")].local
        assert not facts[Address("10.0.1.1")].local
        assert facts[Address("192.0.2.2")].who.labels == ("reserved:kube-apiserver", "reserved:remote-node")
        assert beside.provider.node_labels() == ("kubernetes.io/hostname=node1", "zone=a")
        said = beside.provider.status()
        assert said.startswith("2 pods; 1 other pods; 2 services; 2 nodes; 1 namespaces; 1 endpointslices; since ")
        api.world.put("pods", pod("new", "10.0.1.2", node="node2"))
        api.world.delete("pods", "here", "demo")
        beside.wait(lambda: beside.who(Address("10.0.1.2")) and not beside.who(Address("10.0.0.1")), "both changes")
        api.world.put("namespaces", namespace("demo", team="two"))
        team = "k8s:io.cilium.k8s.namespace.labels.team=two"
        beside.wait(lambda: team in beside.who(Address("10.0.1.2"))[0].labels, "the namespace's new label")
    asked = {(one.verb, one.place.plural, one.place.namespace) for one in api.asked}
    assert {namespace for verb, plural, namespace in asked if plural == "endpointslices"} == {"default"}
    assert ("list" in {verb for verb, _, _ in asked}) == (not streams_lists)


def test_the_two_watches_of_pods_never_tell_of_the_same(api, tmp_path):
    with provider_of(api, tmp_path) as beside:
        beside.wait_read()
        api.world.put("pods", pod("waiting", "10.0.0.7"))  # it has found its node: this one
        beside.wait(lambda: beside.who(Address("10.0.0.7")), "the pod")
    asked = sorted(one.query["fieldSelector"] for one in watches(api))
    assert asked == [
        "spec.nodeName!=node1,spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed",
        "spec.nodeName=node1",
    ]


def test_an_address_that_another_pod_takes_at_once_is_the_others(api, tmp_path):
    with provider_of(api, tmp_path) as beside:
        beside.wait_read()
        api.world.put("pods", pod("there", "10.0.1.1", node="node2", phase="Failed"))
        api.world.put("pods", pod("heir", "10.0.1.1", node="node2"))
        beside.wait(
            lambda: [who.pod_name for who in beside.who(Address("10.0.1.1"))] == ["heir"], "the address's new owner"
        )


def test_long_lists_come_in_pages_of_one_moment(api, tmp_path):
    for number in range(20):
        api.world.put("pods", pod(f"many-{number}", f"10.0.2.{number}", node="node2"))
    api.streams_lists = False
    with provider_of(api, tmp_path, replace(PACE, page=6)) as beside:
        beside.wait_read()
        assert len({who.pod_name for number in range(20) for who in beside.who(Address(f"10.0.2.{number}"))}) == 20
    pages = [one for one in api.asked if one.verb == "list" and "!=" in one.query.get("fieldSelector", "")]
    assert [one.query["limit"] for one in pages] == ["6"] * 4
    assert [bool(one.query.get("continue")) for one in pages] == [False, True, True, True]


def test_a_list_whose_pages_expire_begins_anew(api, tmp_path):
    api.streams_lists = False
    for number in range(20):
        api.world.put("pods", pod(f"many-{number}", f"10.0.2.{number}", node="node2"))
    continued: list[str] = []

    def forget_once(asked):
        if "continue" in asked.query and not continued:
            api.world.forget()
        continued.extend(filter(None, [asked.query.get("continue")]))

    api.before = forget_once
    with provider_of(api, tmp_path, replace(PACE, page=6)) as beside:
        beside.wait_read()
        assert beside.who(Address("10.0.2.19"))
    assert continued


def test_a_watch_goes_on_from_the_last_bookmark(api, tmp_path):
    api.bookmark_s = 0.05
    with provider_of(api, tmp_path) as beside:
        beside.wait_read()
        begun = len(watches(api, "services"))
        api.world.put("pods", pod("new", "10.0.1.2", node="node2"))  # no service: only a bookmark tells of the version
        version = api.world.version
        asked_before = len(api.asked)
        beside.wait(lambda: _told_of_version(beside, version), "a bookmark")
        api.cut()
        beside.wait(lambda: len(watches(api, "services")) > begun, "the next watch")
        resumed = watches(api, "services")[-1].query
        assert int(resumed["resourceVersion"]) >= version
        assert "sendInitialEvents" not in resumed
        api.world.put("services", service("late", "10.96.0.11"))
        beside.wait(lambda: beside.who(Address("10.96.0.11")), "what came after")
    assert all(one.verb == "watch" for one in api.asked[asked_before:])


def _told_of_version(beside, version):
    """Whether all watches know of a version."""
    return all(int(one._version) >= version for one in beside.provider._watches)


def test_a_watch_from_too_long_ago_is_read_anew(api, tmp_path):
    with provider_of(api, tmp_path) as beside:
        beside.wait_read()
        api.stop()
        api.world.delete("pods", "there", "demo")
        api.world.put("pods", pod("new", "10.0.1.2", node="node2"))
        api.world.forget()
        beside.wait_status("nobody listens at")
        assert beside.who(Address("10.0.1.1"))
        api.start()
        beside.wait(lambda: beside.who(Address("10.0.1.2")), "what is new")
        beside.wait(lambda: not beside.who(Address("10.0.1.1")), "what is gone, which another watch tells")
        beside.wait_read()


def test_nearly_nothing_is_asked_while_nothing_changes(api, tmp_path):
    minute = 0.1
    api.bookmark_s = minute
    pace = Pace(watch_s=15 * minute, quiet_s=200 / 60 * minute, backoff_s=minute / 60, backoff_most_s=minute)
    with provider_of(api, tmp_path, pace) as beside:
        beside.wait_read()

        def is_quiet():
            asked, begun = len(api.asked), time.monotonic()
            beside.wait(lambda: len(api.asked) - asked >= 6, "the next round of watches")
            return len(api.asked) - asked <= (time.monotonic() - begun) / minute

        assert any(is_quiet() for _ in range(3))  # while the machine stands still the server looks as if it hung
        assert beside.provider.changes() == {}


def test_a_token_that_is_renewed_is_read_again(api, tmp_path):
    path = tmp_path / "token"
    path.write_text("first")
    api.tokens = {"first"}
    with provider_of(api, tmp_path, user={"tokenFile": str(path)}) as beside:
        beside.wait_read()
        api.tokens = {"second"}
        api.cut()
        beside.wait_status("401 Unauthorized: Unauthorized")
        path.write_text("second")
        beside.wait_read()
        api.world.put("pods", pod("new", "10.0.1.2", node="node2"))
        beside.wait(lambda: beside.who(Address("10.0.1.2")), "what is new")
    assert {one.token for one in api.asked} == {"first", "second"}


def server_tls(**files):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(CERTIFICATES / files["cert"], CERTIFICATES / files["key"])
    made.load_verify_locations(CERTIFICATES / "ca.pem")
    made.verify_mode = ssl.CERT_REQUIRED
    return made


def test_certificates_are_shown_and_checked(tmp_path):
    user = {
        "client-certificate": str(CERTIFICATES / "client.pem"),
        "client-key": str(CERTIFICATES / "client.key"),
    }
    trusted = {"certificate-authority": str(CERTIFICATES / "ca.pem")}
    with ApiServer(server_tls(cert="server.pem", key="server.key")) as api:
        api.world.put("pods", pod("here", "10.0.0.1"))
        with provider_of(api, tmp_path, PACE, user=user, **trusted) as beside:
            beside.wait_read()
            assert beside.who(Address("10.0.0.1"))
    with (
        ApiServer(server_tls(cert="other.pem", key="other.key")) as api,
        provider_of(api, tmp_path, PACE, user=user, **trusted) as beside,
    ):
        beside.wait_status(f"the certificate of 127.0.0.1:{api.port} is not trusted")


def test_threads_are_named_and_end_with_the_provider(api, tmp_path):
    def running():
        return {one.name for one in threading.enumerate() if one.name.startswith("rubin-kubernetes-")}

    with provider_of(api, tmp_path) as beside:
        beside.wait_read()
        assert running() == {
            f"rubin-kubernetes-{name}"
            for name in ("pods", "other-pods", "services", "nodes", "namespaces", "endpointslices")
        }
        begun = time.monotonic()
        beside.provider.close()
        assert time.monotonic() - begun < 1
        assert not running()


def test_a_node_that_the_cluster_does_not_know_is_said(api, tmp_path):
    api.world.delete("nodes", "node1")
    with provider_of(api, tmp_path) as beside:
        beside.wait_status("no node is named 'node1'")
        assert beside.provider.node_labels() == ()
