"""Nodes that a peer service tells of: Hubble's, and our own nodes'."""

import socket
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from rubin.api.target import ClientSettings
from rubin.relay.discovery.naming import Defaults
from rubin.relay.discovery.peers import Pace, PeerService
from rubin.relay.discovery.sources import sources_of
from rubin.relay.pool import Found, PoolSettings
from rubin.relay.settings import RelaySettings
from rubin.wire.pb.peer_pb2 import PEER_DELETED, PEER_UPDATED
from tests.relay.finding import finding
from tests.relay.peering import Peering, peer
from tests.relay.relayed import Node
from tests.waiting import wait_for

CERTIFICATES = Path(__file__).parents[1] / "api" / "certificates"
PACE = Pace(retry_s=0.1, settled_s=0.2, look_s=0.1)
HUBBLE_A = "a.default.hubble-grpc.cilium.io"


def source(address, pace=PACE, defaults=None, **client):
    return PeerService(address, defaults or Defaults(), PoolSettings(ClientSettings(**client)), pace)


@pytest.fixture
def peering():
    with Peering() as made:
        made.first = [peer("a", "10.0.0.1:4244"), peer("b", "10.0.0.2:4244")]
        yield made


def test_nodes_come_change_and_go(peering):
    with finding(source(peering.address)) as beside:
        assert beside.wait("10.0.0.1:4244", "10.0.0.2:4244")[0] == Found("10.0.0.1:4244", "a")
        peering.tell(peer("a", "10.0.0.9:4244", PEER_UPDATED, HUBBLE_A))
        assert beside.wait("10.0.0.9:4244", "10.0.0.2:4244")[0] == Found("10.0.0.9:4244", "a", HUBBLE_A, tls=True)
        peering.tell(peer("b", "", PEER_DELETED), peer("nobody", "", PEER_DELETED), peer("", ""), peer("x", "y:1", 0))
        beside.wait("10.0.0.9:4244")
        peering.tell(peer("c", "unix:///run/c.sock"), peer("d", "/run/d.sock"), peer("e", ""))
        assert beside.wait("10.0.0.9:4244", "unix:///run/c.sock", "unix:///run/d.sock", "")[-1] == Found("", "e")
        peering.tell(peer("default/f", "[fd00::1]:4244"))
        wait_for(lambda: beside.told[-1][-1].address == "[fd00::1]:4244", "f")
        wait_for(lambda: peering.looks >= 2, "looks at whether it is still there")
        assert (peering.streams, beside.trouble()) == (1, "")


def test_who_is_known_stays_while_the_service_is_away(peering):
    with finding(source(peering.address)) as beside:
        beside.wait("10.0.0.1:4244", "10.0.0.2:4244")
        peering.stop()
        beside.says("connection refused / is the agent running (`rubin agent`)? --peer-service names another")
        assert len(beside.told[-1]) == 2
        peering.first = [peer("b", "10.0.0.2:4244"), peer("c", "10.0.0.3:4244")]
        peering.start()
        beside.says("")
        beside.wait("10.0.0.2:4244", "10.0.0.3:4244")


def test_a_stream_that_ends_is_opened_again_at_once_but_only_once(peering):
    with finding(source(peering.address, replace(PACE, retry_s=3600))) as beside:
        beside.wait("10.0.0.1:4244", "10.0.0.2:4244")
        peering.end()
        wait_for(lambda: peering.streams == 2, "the second stream")
        wait_for(lambda: not beside.trouble(), "all to be well")
        peering.end()
        beside.says("tells of nodes no more")
        assert peering.streams == 2
        assert len(beside.told[-1]) == 2


def test_who_hangs_is_noticed(peering):
    silent = socket.create_server(("127.0.0.1", 0))
    with finding(source(peering.address, request_timeout_s=0.3)) as beside:
        beside.wait("10.0.0.1:4244", "10.0.0.2:4244")
        peering._status = lambda request, context: wait_for(lambda: not context.is_active(), "the end")
        beside.says("did not answer within 0.3 s")
        assert len(beside.told[-1]) == 2
    with silent, finding(source(f"127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)) as beside:
        beside.says("does not answer within 0.2 s")


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ([], "tells of no node"),
        ([b"\xff\xff\xff"], "makes no sense"),
        ([b""], "tells of no node"),
    ],
)
def test_answers_without_sense_are_said(peering, first, said):
    peering.first = first
    with finding(source(peering.address)) as beside:
        beside.says(said)
        peering.first = [peer("a", "10.0.0.1:4244")]
        peering.end()
        beside.wait("10.0.0.1:4244")
        beside.says("")


def test_with_tls_the_service_shows_the_certificate_of_a_node():
    pair = ((CERTIFICATES / "server.key").read_bytes(), (CERTIFICATES / "server.pem").read_bytes())
    credentials = grpc.ssl_server_credentials([pair], (CERTIFICATES / "ca.pem").read_bytes(), require_client_auth=True)
    trusted = {
        "tls_ca_cert_files": (str(CERTIFICATES / "ca.pem"),),
        "tls_client_cert_file": str(CERTIFICATES / "client.pem"),
    }
    trusted["tls_client_key_file"] = str(CERTIFICATES / "client.key")
    with Peering(credentials=credentials) as peering:
        peering.first = [peer("a", "10.0.0.1:4244", server_name=HUBBLE_A)]
        node_1 = f"{peering.address}?server-name=node-1.default.hubble-grpc.cilium.io"
        with finding(source(node_1, **trusted)) as beside:
            assert beside.wait("10.0.0.1:4244") == [Found("10.0.0.1:4244", "a", HUBBLE_A, tls=True)]
        with finding(source(f"tls://{peering.address}", **trusted)) as beside:
            beside.says("does not carry the name hubble-peer.default.hubble-grpc.cilium.io")
        with finding(source(peering.address, **trusted)) as beside:
            beside.says("may want TLS")


def test_our_own_nodes_tell_of_themselves():
    node = Node("a")
    try:
        with finding(sources_of(RelaySettings(peer_service=node.address))) as beside:
            assert beside.wait(node.address) == [Found(node.address, "a")]
    finally:
        node.close()


def test_a_socket_will_do(tmp_path):
    with Peering(f"unix:{tmp_path}/hubble.sock") as peering:
        peering.first = [peer("a", "10.0.0.1:4244", server_name="")]
        with finding(source(f"unix://{tmp_path}/hubble.sock", defaults=Defaults(tls=True))) as beside:
            assert beside.wait("10.0.0.1:4244") == [Found("10.0.0.1:4244", "a", tls=True)]
