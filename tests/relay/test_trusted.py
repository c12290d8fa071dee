"""A relay and nodes that know each other by certificates."""

from pathlib import Path

import pytest

from rubin.api.client import Client
from rubin.api.target import ClientSettings
from rubin.relay.pool import Found, PoolSettings
from tests.relay.relayed import Follower, Node, ask, relaying
from tests.relay.test_relay import fill, times
from tests.trust.made import DAY, NOW, authority, issue, of_client, of_server
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority and what it has signed, and a certificate of another."""
    here = tmp_path_factory.mktemp("ours")
    for name, at in (("good", NOW), ("expired", NOW - 20 * DAY), ("revoked", NOW), ("foreign", NOW)):
        issue(here if name != "foreign" else here / "other", name, "node", at)
    issue(here, "relay", "relay")
    issue(here, "reader", "client")
    authority(here).revoke(["revoked"])
    return here


def node(place: Path, name: str) -> Node:
    """A node with that certificate that asks relays for theirs."""
    own = place / "other" / name if name == "foreign" else place / name
    return Node(name, **of_server(own) | {"tls_client_ca_files": (str(place / "ca.crt"),)})


def test_nodes_whose_certificates_do_not_do_are_said_and_the_others_answer(place: Path) -> None:
    settings = ClientSettings(tls=True, **of_client(place / "relay", tls_crl_file=str(place / "crl.pem")))
    made = {name: node(place, name) for name in ("good", "expired", "revoked", "foreign")}
    addresses = {name: one.address for name, one in made.items()}
    wanted = [Found(address, name, "localhost", True) for name, address in addresses.items()]
    wanted.append(Found(made["good"].address.replace("127.0.0.1", "localhost"), "other-name", "else.example", True))
    try:
        with relaying(settings=PoolSettings(settings)) as relayed:
            relayed.update(wanted)
            relayed.ready(1)
            peers = {peer.name: peer for peer in relayed.relay.pool.peers.values()}
            wait_for(lambda: all(peers[name].sentence for name in peers if name != "good"), "what is wrong with them")
            for name, words in {
                "expired": "expired",
                "revoked": "revoked",
                "foreign": "not trusted",
                "other-name": "else.example",
            }.items():
                assert words in peers[name].sentence, peers[name].sentence
            held = fill([made["good"]], 10)
            follower = Follower(relayed.relay.address)
            follower.wait()
            assert times(follower.batches) == held
    finally:
        for one in made.values():
            one.close()


def test_a_relay_whose_certificate_is_revoked_is_not_let_in(place: Path, tmp_path: Path) -> None:
    issue(tmp_path, "node", "node")
    issue(tmp_path, "relay", "relay")
    authority(tmp_path).revoke(["relay"])
    one = Node("a", **of_server(tmp_path / "node", tls_crl_file=str(tmp_path / "crl.pem")))
    try:
        with relaying(settings=PoolSettings(ClientSettings(tls=True, **of_client(tmp_path / "relay")))) as relayed:
            relayed.update([Found(one.address, tls=True)])
            wait_for(lambda: relayed.relay.pool.peers[one.address].sentence, "what is wrong")
            assert "revoked" in relayed.relay.pool.peers[one.address].sentence
    finally:
        one.close()


def test_clients_reach_a_relay_by_certificates_and_the_relay_its_nodes(place: Path) -> None:
    one = node(place, "good")
    settings = PoolSettings(ClientSettings(tls=True, **of_client(place / "relay")))
    try:
        with relaying(settings=settings, **of_server(place / "relay")) as relayed:
            relayed.update([one.address])
            relayed.ready(1)
            held = fill([one], 10)
            reader = ClientSettings(relayed.relay.address, tls=True, **of_client(place / "reader"))
            follower = Follower(reader)
            follower.wait()
            assert times(follower.batches) == held
            listed = ask(reader, Client.nodes)
            assert [(each.name, each.tls.enabled) for each in listed] == [("good", True)]
            with pytest.raises(Exception, match="client certificate"):
                Follower(ClientSettings(relayed.relay.address, tls=True, tls_allow_insecure=True)).wait()
    finally:
        one.close()
