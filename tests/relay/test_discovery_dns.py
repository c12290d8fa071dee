"""Nodes that DNS knows, from a DNS server on loopback."""

from dataclasses import replace

import dns.rcode
import pytest

from rubin.errors import UsageError
from rubin.relay.discovery.dns import Named, Pace
from rubin.relay.discovery.naming import Defaults
from rubin.relay.pool import Found
from tests.relay.finding import finding
from tests.relay.nameserver import NameServer
from tests.waiting import wait_for

PACE = Pace(least_s=0.05, most_s=0.2, answer_s=2, keep_s=60)


@pytest.fixture
def server():
    with NameServer() as made:
        yield made


def named(server, what, pace=PACE, scheme="dns", **defaults):
    return Named(f"{scheme}://127.0.0.1:{server.port}/{what}", Defaults(**defaults), pace)


def test_every_address_of_a_name_is_a_node_and_is_followed(server):
    server.put("nodes.test", "A", "10.0.0.2", "10.0.0.1")
    with finding(named(server, "nodes.test:4244")) as beside:
        assert beside.wait("10.0.0.1:4244", "10.0.0.2:4244")[0] == Found("10.0.0.1:4244")
        server.put("nodes.test", "AAAA", "2001:db8::1")
        server.put("nodes.test", "A", "10.0.0.2")
        beside.wait("10.0.0.2:4244", "[2001:db8::1]:4244")
        server.put("nodes.test", "AAAA")
        beside.wait("10.0.0.2:4244")
        assert not beside.trouble()
        asked, told = len(server.asked), len(beside.told)
        wait_for(lambda: len(server.asked) > asked + 6, "more questions")
        assert len(beside.told) == told


def test_a_name_is_asked_for_again_when_its_time_is_over(server):
    server.put("long.test", "A", "10.0.0.1", ttl=3_600)
    server.put("short.test", "A", "10.0.0.1", ttl=1)
    limits = Pace(least_s=0.02, most_s=4, answer_s=2)
    with finding(named(server, "long.test:1", limits)), finding(named(server, "short.test:1", limits)):
        wait_for(lambda: len(server.times("long.test")) == 2, "the long one to be asked for twice")
    long, short = server.times("long.test"), server.times("short.test")
    assert 0.9 < short[1] - short[0] < long[1] - long[0]
    assert long[1] - long[0] > 3.9


def test_more_addresses_than_a_datagram_holds_are_all_found(server):
    server.put("many.test", "A", *(f"10.0.{at}.1" for at in range(200)))
    with finding(named(server, "many.test:4244")) as beside:
        wait_for(lambda: beside.found(), "the nodes")
        assert len(beside.told[-1]) == 200


def test_srv_records_name_hosts_and_ports(server):
    server.put("_hubble._tcp.test", "SRV", "0 0 4244 Node-1.test.", "9 1 4245 node-2.test.", "0 0 1 .", "0 0 0 c.test.")
    with finding(named(server, "_hubble._tcp.test", scheme="srv")) as beside:
        assert beside.wait("node-1.test:4244", "node-2.test:4245")[0] == Found("node-1.test:4244")
        server.put("_hubble._tcp.test", "SRV", "0 0 4244 node-1.test.")
        beside.wait("node-1.test:4244")


def test_certificates_carry_the_name_of_every_node_or_the_hosts(server):
    server.put("nodes.test", "A", "10.0.0.1")
    server.put("_hubble._tcp.test", "SRV", "0 0 4244 node-1.test.")
    every = "hubble-peer.default.hubble-grpc.cilium.io"
    for source, found in (
        (named(server, "nodes.test:1", tls=True), Found("10.0.0.1:1", "", every, tls=True)),
        (named(server, "nodes.test:1?tls"), Found("10.0.0.1:1", "", every, tls=True)),
        (named(server, "nodes.test:1", tls=True, server_name="all"), Found("10.0.0.1:1", "", "all", tls=True)),
        (named(server, "nodes.test:1?server-name=a.b"), Found("10.0.0.1:1", "", "a.b", tls=True)),
        (named(server, "_hubble._tcp.test?tls", scheme="srv"), Found("node-1.test:4244", tls=True)),
    ):
        with finding(source) as beside:
            beside.wait(found.address)
            assert beside.found() == [found]


def silence(_):
    return None


def garbage(answer):
    return answer[:2] + b"\xff" * 40


TROUBLES = [
    (bytes, dns.rcode.NXDOMAIN, "DNS knows no name nodes.test; kept from before: 1 / check how it is written: dig"),
    (bytes, dns.rcode.NOERROR, "nodes.test has no A or AAAA records; kept from before: 1 / dig nodes.test"),
    (bytes, dns.rcode.SERVFAIL, "the DNS server has no answer for nodes.test: SERVFAIL; kept from before: 1"),
    (bytes, dns.rcode.REFUSED, "the DNS server has no answer for nodes.test: REFUSED; kept from before: 1"),
    (silence, None, "no DNS server answers for nodes.test; kept from before: 1 / another server: dns://"),
    (garbage, None, "no DNS server answers for nodes.test; kept from before: 1"),
]


def test_what_was_said_holds_on_whatever_is_wrong(server):
    server.put("nodes.test", "A", "10.0.0.1")
    with finding(named(server, "nodes.test:4244", replace(PACE, answer_s=0.3))) as beside:
        beside.wait("10.0.0.1:4244")
        for twist, rcode, said in TROUBLES:
            server.twist, server.rcode = twist, {} if rcode is None else dict.fromkeys(("A", "AAAA"), rcode)
            beside.says(said)
            server.twist, server.rcode = bytes, {}
            beside.says("")
        assert len(beside.told) == 1


def test_what_nobody_says_any_more_is_let_go_after_a_while(server):
    server.put("nodes.test", "A", "10.0.0.1")
    with finding(named(server, "nodes.test:4244", replace(PACE, keep_s=0.3))) as beside:
        beside.wait("10.0.0.1:4244")
        server.records.clear()
        beside.wait()
        assert "kept" not in beside.trouble()
        server.put("nodes.test", "A", "10.0.0.1")
        beside.wait("10.0.0.1:4244")
        beside.says("")


def test_servers_that_fail_for_one_family_do_no_harm(server):
    server.put("nodes.test", "A", "10.0.0.1")
    server.rcode["AAAA"] = dns.rcode.SERVFAIL
    with finding(named(server, "nodes.test:4244")) as beside:
        beside.wait("10.0.0.1:4244")
        assert not beside.trouble()
        server.rcode.clear()
        server.put("nodes.test", "AAAA", "2001:db8::1")
        beside.wait("10.0.0.1:4244", "[2001:db8::1]:4244")
        server.rcode["AAAA"] = dns.rcode.SERVFAIL
        server.put("nodes.test", "A", "10.0.0.2")
        beside.wait("10.0.0.2:4244", "[2001:db8::1]:4244")
        beside.says("SERVFAIL; kept from before: 2")


def test_a_name_that_nobody_knows_is_said_at_the_start(server):
    with finding(named(server, "nodse.test:4244")) as beside:
        beside.says("DNS knows no name nodse.test / check how it is written: dig nodse.test")
        assert beside.found() == []


def test_names_in_hosts_come_before_dns(tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("10.0.0.1 one nodes.lan # the first\n10.0.0.2\tNodes.lan\nfd00::1 nodes.lan\nno nodes.lan\n")
    with finding(Named("dns:///nodes.lan:4244", Defaults(), PACE, hosts)) as beside:
        beside.wait("10.0.0.1:4244", "10.0.0.2:4244", "[fd00::1]:4244")
        hosts.write_text("10.0.0.2 nodes.lan\n")
        beside.wait("10.0.0.2:4244")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dns:web:4244", "names nothing to ask DNS for"),
        ("dns:///", "names nothing to ask DNS for"),
        ("dns:///web", "is no host:port"),
        ("dns:///10.0.0.1:4244", "10.0.0.1 is an address"),
        (f"dns:///{'a' * 70}:4244", "can be no name in DNS"),
        ("dns:///we b:4244", "'we b' is no host"),
        ("dns://ns.example.com:53/web:4244", "'ns.example.com' is none"),
        ("dns://10.0.0.1:x/web:4244", "is no host:port"),
        ("dns:///web:4244?family=4", "option 'family' does not exist"),
        ("srv:///_hubble._tcp.test:4244", "SRV records themselves say the port"),
        ("srv:///a b", "'a b' is no host's name"),
    ],
)
def test_nonsense_is_refused_with_a_way_on(text, said):
    with pytest.raises(UsageError) as refused:
        Named(text, Defaults())
    assert said in refused.value.sentence
    assert refused.value.way_on
