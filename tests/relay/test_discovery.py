"""Lists of nodes, files of them, and all sources together."""

import asyncio

import pytest

from rubin.errors import RubinError, UsageError
from rubin.relay.discovery.listed import InFile, Listed
from rubin.relay.discovery.naming import Defaults, node
from rubin.relay.discovery.sources import Sources, sources_of, union
from rubin.relay.pool import Found
from rubin.relay.settings import RelaySettings
from tests.relay.finding import finding
from tests.relay.relayed import nodes, relaying
from tests.waiting import wait_for

NODE_A = "a.default.hubble-grpc.cilium.io"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("web-1:4244", Found("web-1:4244")),
        ("Web-1.example.com:4244", Found("web-1.example.com:4244")),
        ("10.0.0.1:4244", Found("10.0.0.1:4244")),
        ("[0:0::1]:4244", Found("[::1]:4244")),
        ("tls://web-1:4244", Found("web-1:4244", tls=True)),
        ("unix:///run/rubin/rubin.sock", Found("unix:///run/rubin/rubin.sock")),
        ("unix:/run/a=b.sock", Found("unix:///run/a=b.sock")),
        ("a=10.0.0.1:4244", Found("10.0.0.1:4244", "a")),
        ("a=tls://10.0.0.1:4244", Found("10.0.0.1:4244", "a", NODE_A, tls=True)),
        ("a=unix:///run/a.sock", Found("unix:///run/a.sock", "a")),
        ("a=10.0.0.1:4244?server-name=b.example.com", Found("10.0.0.1:4244", "a", "b.example.com", tls=True)),
        ("10.0.0.1:4244?tls", Found("10.0.0.1:4244", tls=True)),
    ],
)
def test_a_node_is_written_plainly(text, found):
    assert node(text, Defaults()) == found


def test_tls_of_all_nodes_holds_for_each_but_sockets():
    both = Defaults(tls=True)
    assert node("a=web-1:4244", both) == Found("web-1:4244", "a", NODE_A, tls=True)
    assert node("web-1:4244", both) == Found("web-1:4244", tls=True)
    assert node("unix:///run/s", both) == Found("unix:///run/s")
    assert node("a=web-1:4244", Defaults(tls=True, server_name="all")) == Found("web-1:4244", "a", "all", tls=True)
    assert node("a=web-1:4244", Defaults(tls=True, cluster="east")).server_name == "a.east.hubble-grpc.cilium.io"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is no host:port"),
        ("web-1", "'web-1' is no host:port"),
        (":4244", "':4244' names no host"),
        ("web-1:0", "nothing can listen on port 0"),
        ("web-1:99999", "is no host:port"),
        ("web 1:4244", "'web 1' is no host"),
        ("10.0.0.300:4244", "'10.0.0.300' is no host"),
        ("::1:4244", "is no host:port"),
        ("http://web-1:4244", "is no address of a node"),
        ("web-1:4244/path", "is no address of a node"),
        ("unix://", "names no socket"),
        ("unix:run/s", "names no socket"),
        ("=web-1:4244", "'=web-1' is no host"),
        ("web-1:4244?", "option '' does not exist"),
        ("web-1:4244?color=red", "option 'color' does not exist"),
        ("web-1:4244?server-name=", "'' is no name of a server"),
        ("web-1:4244?tls=perhaps", "tls cannot be 'perhaps'"),
    ],
)
def test_nonsense_is_refused_with_a_way_on(text, said):
    with pytest.raises(UsageError) as refused:
        Listed([text], Defaults())
    assert said in refused.value.sentence
    assert refused.value.way_on


def test_two_nodes_cannot_have_one_name():
    with pytest.raises(UsageError, match="2 nodes are called 'a'"):
        Listed(["a=web-1:4244", "a=web-2:4244"], Defaults())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"peers": ("@",)}, "'@' names no file"),
        ({"peers": ("dns:///web",)}, "'dns:///web' is no host:port"),
        ({"peer_service": "nobody"}, "'nobody' is no host:port"),
        ({"kubernetes_service": "web"}, "'web' is no service in Kubernetes"),
    ],
)
def test_settings_without_sense_are_refused_at_the_start(settings, said):
    with pytest.raises(UsageError) as refused:
        sources_of(RelaySettings(**settings))
    assert said in refused.value.sentence
    assert refused.value.way_on


def test_a_file_is_read_again_when_it_has_changed(tmp_path):
    path = tmp_path / "nodes"
    with pytest.raises(RubinError, match="No such file"):
        InFile(str(path), Defaults())
    path.write_text("# the web's\nweb-1:4244\n\na=tls://10.0.0.1:4244  # the first\n")
    with finding(InFile(str(path), Defaults(), look_s=0.02)) as beside:
        assert beside.wait("web-1:4244", "10.0.0.1:4244")[1].name == "a"
        path.write_text("web-2:4244\n")
        beside.wait("web-2:4244")
        path.write_text("web-2:4244\nweb 3:4244\n")
        assert f"{path}: 'web 3:4244': 'web 3' is no host / host:port" in beside.says("is no host")
        path.unlink()
        beside.says(f"cannot read {path}: No such file")
        path.write_bytes(b"\xff\xfe")
        beside.says("it is not UTF-8")
        path.unlink()
        path.mkdir()
        beside.says("is no file")
        beside.wait("web-2:4244")
        path.rmdir()
        path.write_text("# none\n")
        beside.says("names no node")
        beside.wait()
        path.write_text("web-4:4244\n")
        beside.wait("web-4:4244")
        beside.says("")


def test_an_address_that_two_tell_of_is_one_node():
    assert union(
        [
            Found("10.0.0.1:4244"),
            Found("", "b"),
            Found("", "c"),
            Found("10.0.0.1:4244", "a", NODE_A, tls=True),
            Found("10.0.0.2:4244", "b"),
            Found("", "c"),
        ]
    ) == [Found("10.0.0.1:4244", "a", NODE_A, tls=True), Found("", "c"), Found("10.0.0.2:4244", "b")]


def test_a_pool_follows_all_sources_together(tmp_path):
    path = tmp_path / "nodes"
    with nodes("a", "b", "c") as (a, b, c), relaying() as relayed:
        path.write_text(f"{b.address}\n{c.address}\n")
        sources = sources_of(RelaySettings(peers=(f"a={a.address}", b.address, f"@{path}")))
        running = asyncio.run_coroutine_threadsafe(sources.run(relayed.relay.pool.update), relayed._loop)
        relayed.ready(3)
        peers = {peer.found.address: peer for peer in relayed.relay.pool.peers.values()}
        assert {address: peer.name for address, peer in peers.items()} == {
            a.address: "a",
            b.address: "b",
            c.address: "c",
        }
        path.write_text("# gone\n")
        wait_for(lambda: c.address not in relayed.states(), "c to go")
        assert relayed.relay.pool.peers[b.address] is peers[b.address]
        assert sources.status() == [
            {"source": "list", "nodes": 2, "trouble": "", "way_on": ""},
            {
                "source": f"@{path}",
                "nodes": 0,
                "trouble": f"{path} names no node",
                "way_on": "a node a line: host:port, tls://host:port, unix:///path or name=host:port",
            },
        ]
        running.cancel()


def test_what_is_told_at_once_is_passed_on_once():
    with finding(Sources([Listed([f"10.0.0.{at}:4244"], Defaults()) for at in range(1, 40)])) as beside:
        wait_for(lambda: beside.told, "all")
        assert len(beside.told[0]) == 39


def test_tls_of_the_relay_is_tls_of_its_nodes():
    settings = RelaySettings(peers=("a=web-1:4244",), tls_node_ca_files=("ca.pem",), cluster_name="east")
    with finding(sources_of(settings)) as beside:
        assert beside.wait("web-1:4244") == [Found("web-1:4244", "a", "a.east.hubble-grpc.cilium.io", tls=True)]
