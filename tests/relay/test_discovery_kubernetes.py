"""Nodes that are the ready endpoints of a Kubernetes service, from the tests' API server."""

from pathlib import Path

import pytest

from rubin.errors import RubinError, UsageError
from rubin.identity.kubernetes.settings import KubernetesSettings
from rubin.relay.discovery.kubernetes import Endpoints, _slices
from rubin.relay.discovery.naming import Defaults
from rubin.relay.pool import Found
from tests.identity.kubernetes.apiserver import ApiServer, refusing
from tests.identity.kubernetes.beside import PACE, kubeconfig
from tests.identity.kubernetes.objects import uid
from tests.relay.finding import finding

# Of Kubernetes 1.34, as the recorded answers of tests/identity/kubernetes
RECORDED = Path(__file__).parent / "recorded" / "endpointslices.json"
GRPC = ("grpc", 4244, "TCP")
METRICS = ("metrics", 9965, "TCP")


def piece(name, *endpoints, family="IPv4", ports=(GRPC,), service="rubin", namespace="observing"):
    """A slice; each endpoint is (address, node, pod, ready)."""
    labels = {"kubernetes.io/service-name": service}
    metadata = {"name": name, "namespace": namespace, "uid": uid(f"slice/{name}"), "labels": labels}
    made = [
        {
            "addresses": [address],
            "conditions": {"ready": ready, "serving": True, "terminating": False},
            "nodeName": node or None,
            "targetRef": {"kind": "Pod", "name": pod, "namespace": namespace, "uid": uid(pod)} if pod else None,
        }
        for address, node, pod, ready in endpoints
    ]
    named = [dict(zip(("name", "port", "protocol"), port, strict=True)) for port in ports]
    return {"metadata": metadata, "addressType": family, "endpoints": made or None, "ports": named or None}


@pytest.fixture
def api():
    with ApiServer() as server:
        yield server


def endpoints(api, folder, text="observing/rubin", **defaults):
    return Endpoints(text, Defaults(**defaults), KubernetesSettings(str(kubeconfig(folder, api.url))), PACE)


@pytest.mark.parametrize("streams_lists", [True, False])
def test_ready_endpoints_of_a_service_are_nodes_and_are_followed(api, tmp_path, streams_lists):
    api.streams_lists = streams_lists
    first, second = ("10.0.0.1", "node1", "a", True), ("10.0.1.1", "node2", "b", None)
    put = lambda *what, **more: api.world.put("endpointslices", piece(*what, **more))  # noqa: E731
    put("one", first, second, ("10.0.2.1", "node3", "c", False))
    put("other", ("10.9.9.9", "node9", "z", True), service="web")
    put("away", ("10.9.9.8", "node8", "y", True), namespace="elsewhere")
    with finding(endpoints(api, tmp_path)) as beside:
        assert beside.wait("10.0.0.1:4244", "10.0.1.1:4244") == [
            Found("10.0.0.1:4244", "node1"),
            Found("10.0.1.1:4244", "node2"),
        ]
        put("one", first, ("10.0.2.1", "node3", "c", True))
        put("two", ("10.0.3.1", "node4", "d", True))
        beside.wait("10.0.0.1:4244", "10.0.2.1:4244", "10.0.3.1:4244")
        api.stop()
        api.world.delete("endpointslices", "two", "observing")
        api.world.forget()
        api.start()
        beside.wait("10.0.0.1:4244", "10.0.2.1:4244")
        beside.says("")
    asked = {(one.place.plural, one.place.namespace, one.query["labelSelector"]) for one in api.asked}
    assert asked == {("endpointslices", "observing", "kubernetes.io/service-name=rubin")}


def test_a_node_with_both_families_is_reached_by_ipv4(api, tmp_path):
    api.world.put("endpointslices", piece("six", ("fd00::1", "node1", "a", True), family="IPv6"))
    with finding(endpoints(api, tmp_path)) as beside:
        beside.wait("[fd00::1]:4244")
        api.world.put("endpointslices", piece("four", ("10.0.0.1", "node1", "a", True), ("10.0.0.2", "", "", True)))
        beside.wait("10.0.0.1:4244", "10.0.0.2:4244")
        twice = piece("again", ("fd00::3", "node3", "", True), ("fd00::1", "node1", "a", True), family="IPv6")
        api.world.put("endpointslices", twice)
        api.world.put("endpointslices", piece("host", ("a.example.com", "node4", "", True), family="FQDN"))
        beside.wait("10.0.0.1:4244", "10.0.0.2:4244", "[fd00::3]:4244")


@pytest.mark.parametrize(
    ("port", "ports", "found", "said"),
    [
        ("", (GRPC,), "10.0.0.1:4244", ""),
        ("", (("", 4244, "TCP"),), "10.0.0.1:4244", ""),
        ("", (GRPC, ("dns", 53, "UDP")), "10.0.0.1:4244", ""),
        (":metrics", (GRPC, METRICS), "10.0.0.1:9965", ""),
        (":4245", (GRPC, METRICS), "10.0.0.1:4245", ""),
        (":4245", (), "10.0.0.1:4245", ""),
        ("", (GRPC, METRICS), None, "service observing/rubin has the ports grpc, metrics / observing/rubin:grpc"),
        (":web", (GRPC,), None, "has no port 'web'; it has the ports grpc / observing/rubin:grpc"),
        ("", (), None, "service observing/rubin has no port for TCP / observing/rubin:4244"),
    ],
)
def test_the_port_is_the_only_one_or_is_said(api, tmp_path, port, ports, found, said):
    api.world.put("endpointslices", piece("one", ("10.0.0.1", "node1", "a", True), ports=ports))
    with finding(endpoints(api, tmp_path, f"observing/rubin{port}")) as beside:
        beside.wait(*([found] if found else []))
        beside.says(said)


def test_certificates_carry_the_names_of_their_nodes(api, tmp_path):
    api.world.put("endpointslices", piece("one", ("10.0.0.1", "n.1", "a", True)))
    for text, defaults, server_name in (
        ("observing/rubin?tls", {"cluster": "east"}, "n-1.east.hubble-grpc.cilium.io"),
        ("observing/rubin", {"tls": True, "server_name": "all"}, "all"),
        ("observing/rubin?server-name=b.example.com", {}, "b.example.com"),
    ):
        with finding(endpoints(api, tmp_path, text, **defaults)) as beside:
            assert beside.wait("10.0.0.1:4244") == [Found("10.0.0.1:4244", "n.1", server_name, tls=True)]


def test_what_is_wrong_is_said_until_it_is_over(api, tmp_path):
    api.forbidden = {"endpointslices"}
    with finding(endpoints(api, tmp_path)) as beside:
        assert "a role that may list and watch endpointslices in observing" in beside.says("403 Forbidden")
        assert beside.found() is None
        api.forbidden = set()
        beside.says(
            "no endpoint that is ready / kubectl -n observing get endpointslices -l kubernetes.io/service-name="
        )
        api.world.put("endpointslices", piece("one", ("10.0.0.1", "node1", "a", True)))
        beside.wait("10.0.0.1:4244")
        beside.says("")
        api.trouble(refusing(500))
        api.cut()
        beside.says("500 InternalError")
        api.stop()
        beside.says("nobody listens at 127.0.0.1")
        assert beside.addresses() == ["10.0.0.1:4244"]
        api.trouble(None)
        api.start()
        api.world.put("endpointslices", piece("one", ("10.0.0.2", "node1", "a", True)))
        beside.wait("10.0.0.2:4244")
        beside.says("")


def test_a_renewed_token_is_read(api, tmp_path):
    api.tokens = {"second"}
    token = tmp_path / "token"
    token.write_text("first")
    config = kubeconfig(tmp_path, api.url, {"tokenFile": str(token)})
    api.world.put("endpointslices", piece("one", ("10.0.0.1", "node1", "a", True)))
    with finding(Endpoints("observing/rubin", Defaults(), KubernetesSettings(str(config)), PACE)) as beside:
        beside.says("401 Unauthorized")
        token.write_text("second")
        beside.wait("10.0.0.1:4244")


def test_the_answer_of_a_real_server_is_understood(api, tmp_path):
    _, slices = _slices("demo", "web").items(RECORDED.read_bytes())
    of_web = [one for one in slices if one.metadata.namespace == "demo"]
    found = endpoints(api, tmp_path, "demo/web")._nodes(of_web)
    assert [(one.address, one.name) for one in found] == [
        ("10.244.0.2:8080", "node1"),
        ("10.244.0.3:8080", "node1"),
        ("10.244.0.4:8080", "node1"),
        ("10.244.1.2:8080", "node2"),
    ]


@pytest.mark.parametrize(
    "text", ["", "rubin", "a/b/c", "Observing/rubin", "observing/rubin:", "observing/-", "a/b:99999"]
)
def test_nonsense_is_refused_with_a_way_on(api, tmp_path, text):
    with pytest.raises(UsageError) as refused:
        endpoints(api, tmp_path, text)
    assert refused.value.way_on


def test_no_cluster_is_said_at_the_start(tmp_path):
    with pytest.raises(RubinError, match="cannot read"):
        Endpoints("observing/rubin", Defaults(), KubernetesSettings(str(tmp_path / "none")))
