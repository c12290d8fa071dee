"""Why flows ended as they did: made connections, and what is said of each."""

from dataclasses import replace

import numpy as np
import pytest

from rubin.errors import UsageError
from rubin.model.enums import Protocol
from rubin.model.tables import Contents, Endpoint, Link, Policy, Process, Tables
from rubin.query.explain import explain, text
from rubin.store.ring import Ring
from rubin.words.drop_reasons import _MEANINGS
from tests.flows import flows
from tests.query.explained import NAMES, NGINX, OWNERS, filtered, opened, packets, ring, sections, uuid

C, S = "10.0.0.1:4000", "10.0.0.2:80"
TITLES = [
    "Verdict", "Whose socket", "TCP", "DNS before it", "Listener", "Since when", "Affected", "Usual for this pair",
    "What to try",
]  # fmt: skip


def of(rows, number=0, **columns):
    """What is said of one of these rows."""
    return explain(ring(packets(*rows, **columns)), flow=uuid(number))


# name: rows, which of them is asked for, the kind, the verdict, and what else is said
CASES = {
    "dropped": (
        [f"0 {C} {S} SYN out", f"1 {C} {S} SYN in NETFILTER_DROP nft_do_chain+0x1"], 1, "dropped",
        f"A TCP SYN from {C} to {S} was dropped by the kernel, in nft_do_chain+0x1, at Nov 14 22:13:20.001.",
        {"Verdict": "NETFILTER_DROP. A rule of the packet filter", "TCP": "Established: no",
         "Listener": "Not known: since Nov 14 22:13:20.000", "Affected": "1 such drop for the same reason",
         "What to try": "On node-1: nft list ruleset"},
    ),
    "dropped, asked for by the packet that was sent": (
        [f"0 {C} {S} SYN out", f"1 {C} {S} SYN in NETFILTER_DROP nft_do_chain+0x1"], 0, "dropped",
        f"A TCP SYN from {C} to {S} was dropped by the kernel",
        {"Verdict": "The flow itself was forwarded, at Nov 14 22:13:20.000"},
    ),
    "nobody listens": (
        [f"0 {C} {S} SYN out", f"1 {S} {C} ACK,RST <out", f"1.1 {C} {S} SYN in NO_SOCKET tcp_v4_rcv+0x9",
         f"1.2 {S} {C} ACK,RST <in"], 3, "dropped",
        f"A TCP SYN from {C} to {S} was dropped by the kernel, in tcp_v4_rcv+0x9",
        {"Listener": f"No, as of Nov 14 22:13:20.001: on {S} nobody listened.", "TCP": "Reset: by 10.0.0.2:80",
         "What to try": "On node-1: ss -tlnp 'sport = :80' shows who listens there, if any.",
         "Since when": f"No working connection to {S} is held"},
    ),
    "refused by somebody who is not seen": (
        [f"0 {C} {S} SYN out", f"2 {S} {C} ACK,RST <in"], 0, "refused",
        f"{S} refused the connection from {C}: the SYN was answered by a reset after 2 ms.",
        {"Listener": "a reset came back: nobody listens, or a firewall answers so", "Affected": "1 such refusal",
         "What to try": "On the host of 10.0.0.2: ss -tlnp 'sport = :80'"},
    ),
    "reset by the server": (
        [*opened(0, 4000)[:4], f"9 {S} {C} ACK,RST <in"], 0, "reset",
        f"{S} reset its connection with {C}, at Nov 14 22:13:20.009.",
        {"TCP": "Established: yes.\nCarried: 60 B to the server, 60 B back.\nReset: by 10.0.0.2:80 at",
         "Affected": "1 such reset", "What to try": f"{S} ended it"},
    ),
    "reset by the client": (
        [*opened(0, 4000)[:4], f"9 {C} {S} RST out"], 4, "reset", f"{C} reset its connection with {S}",
        {"What to try": f"{C} ended it"},
    ),
    "a reset whose SYN is not held": (
        [f"0 {S} {C} ACK,RST <in"], 0, "reset", f"{S} reset its connection with {C}, at",
        {"TCP": "Its beginning is not held"},
    ),
    "never answered": (
        [f"0 {C} {S} SYN out", f"1000 {C} {S} SYN out"], 0, "unanswered",
        f"Nobody has answered the TCP SYN from {C} to {S}; the last was sent at Nov 14 22:13:21.000.",
        {"TCP": "SYN: sent by 10.0.0.1:4000 at Nov 14 22:13:20.000, 2 times until Nov 14 22:13:21.000.",
         "Affected": "2 unanswered SYNs", "What to try": "ip route get 10.0.0.2"},
    ),
    "all is well": (
        opened(0, 4000), 2, "forwarded", f"FORWARDED (to-stack): TCP packet (SYN, ACK) from {S} to {C}, at",
        {"TCP": "Answered: by 10.0.0.2:80, SYN and ACK 0.2 ms later.", "Listener": f"Yes: {S} accepted 1 connection",
         "Affected": "Nothing went wrong", "Usual for this pair": "Nothing to compare with",
         "What to try": "Nothing that follows"},
    ),
    "what is dropped after both have closed is no matter": (
        [*opened(0, 4000), f"4 {C} {S} ACK in NOT_SPECIFIED tcp_rcv_state_process+0x1"], 0, "forwarded",
        "FORWARDED (to-stack): TCP SYN", {"TCP": "Dropped: 1 packet of it: NOT_SPECIFIED (1)."},
    ),
    "unless it is asked for": (
        [*opened(0, 4000), f"4 {C} {S} ACK in NO_SOCKET tcp_v4_rcv+0x1"], 6, "dropped", f"A TCP packet (ACK) from {C}",
        {"Verdict": "a connection that the receiving host does not know", "Listener": "Yes:"},
    ),
    "its beginning is not held": (
        [f"0 {S} {C} ACK <in"], 0, "forwarded", f"FORWARDED (to-endpoint): TCP packet (ACK) from {S} to {C}",
        {"TCP": "Its beginning is not held: the first packet of it that is was seen at Nov 14 22:13:20.000."},
    ),
    "an answer is dropped": (
        [*opened(0, 4000)[:2], f"0.2 {S} {C} SYN,ACK out TC_EGRESS __dev_queue_xmit+0x1"], 2, "dropped",
        f"A TCP packet (SYN, ACK) from {S} to {C} was dropped",
        {"What to try": "On node-1: bpftool net show", "Affected": "1 such drop"},
    ),
    "no route": (
        [f"0 {C} {S} SYN out IP_OUTNOROUTES ip_output+0x1"], 0, "dropped", f"A TCP SYN from {C} to {S} was dropped",
        {"What to try": "On node-1: ip route get 10.0.0.2 shows"},
    ),
    "IPv6": (
        ["0 [fd00::1]:4000 [fd00::2]:80 SYN out", "1 [fd00::2]:80 [fd00::1]:4000 RST,ACK <in"], 0, "refused",
        "[fd00::2]:80 refused the connection from [fd00::1]:4000", {"Listener": "No, as of"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_is_said_what_happened(name):
    rows, number, kind, verdict, says = CASES[name]
    found = of(rows, number)
    assert (found["kind"], found["uuid"]) == (kind, uuid(number))
    said = sections(found)
    assert list(said) == TITLES
    assert said["Verdict"].startswith(verdict)
    for title, part in says.items():
        assert part in said[title]


def test_the_text_is_the_sections():
    found = of([f"0 {C} {S} SYN out"])
    assert found["text"] == text(found["sections"])
    assert found["text"].startswith("Verdict\n  Nobody has answered")
    assert "\n\nWhose socket\n  Client: 10.0.0.1:4000" in found["text"]
    assert set(found) == {"kind", "uuid", "time_ns", "sections", "text"}


def test_since_when_whom_else_and_what_is_usual():
    said = sections(explain(filtered(), source="curl", destination="shop/web:80"))
    before = "Before that it worked for this client: 10.0.0.2:80 answered, last at Nov 14 22:13:22.000"
    assert said["Since when"].splitlines() == [
        "First seen at Nov 14 22:14:20.000, 4 such drops until Nov 14 22:14:30.500.",
        "The ring reaches back to Nov 14 22:13:20.500; there was none before the first.",
        f"{before}; the change came within the 58s after.",
    ]
    assert said["Affected"].splitlines() == [
        "4 such drops for the same reason, to 10.0.0.2:80: 2 clients, 3 connections.",
        "That is 60 % of what asked 10.0.0.2:80: 3 of 5 connections.",
        "Whose: curl/9.",
    ]
    assert said["Usual for this pair"].splitlines() == [
        "Before: 3 connections since Nov 14 22:13:21.000, 2.6 a minute.",
        "Of 17 flows 88 % were forwarded, 2 dropped; 0 resets.",
        "Usually answers after 20 ms.",
    ]
    accepted = "Yes: 10.0.0.2:80 accepted 2 connections since Nov 14 22:13:20.500"
    assert said["Listener"].splitlines() == [
        f"{accepted}, where the ring begins, the last at Nov 14 22:13:22.000.",
        "The port belonged to nginx/10 www-data, as of Nov 14 22:13:22.003.",
    ]


def test_what_comes_and_goes_is_said_to():
    rows = [
        f"0 {C} {S} SYN in NETFILTER_DROP x",
        *opened(5_000, 4001),
        "9000 10.0.0.1:4002 10.0.0.2:80 SYN in NETFILTER_DROP x",
    ]
    said = sections(of([*rows, *opened(20_000, 4003)]))["Since when"]
    assert "The ring reaches back to Nov 14 22:13:20.000: it may have begun before." in said
    assert "Meanwhile it worked for this client, too (1 connection): it comes and goes" in said
    assert "Since then it has worked for this client, last at Nov 14 22:13:40.000." in said


def test_two_connections_on_the_same_ports_are_two():
    rows = [*opened(0, 4000), f"60000 {C} {S} SYN out", f"60001 {S} {C} RST,ACK <in"]
    assert of(rows, 0)["kind"] == "forwarded"
    assert of(rows, 6)["kind"] == "refused"


def test_udp_and_icmp_have_no_connection():
    udp = packets("0 10.0.0.1:4000 10.0.0.2:53 - out", "1 10.0.0.1:4000 10.0.0.2:53 - in NO_SOCKET __udp4_lib_rcv+0x4")
    found = explain(ring(udp.with_columns(protocol=np.full(2, Protocol.UDP))), flow=uuid(0))
    said = sections(found)
    assert said["Verdict"].startswith("A UDP packet from 10.0.0.1:4000 to 10.0.0.2:53 was dropped")
    assert "TCP" not in said
    assert "ss -ulnp 'sport = :53'" in said["What to try"]
    assert "nobody listened" in said["Listener"]
    later = "9000 10.0.0.1 10.0.0.2 - out IP_OUTNOROUTES x"
    icmp = packets("0 10.0.0.1 10.0.0.2 - out", "1 10.0.0.2 10.0.0.1 - <in", later)
    found = explain(ring(icmp.with_columns(protocol=np.full(3, 1), icmp_type=np.array([8, 0, 8]))), flow=uuid(0))
    assert found["kind"] == "forwarded"
    said = sections(found)
    assert said["Verdict"].startswith("FORWARDED (to-stack): ICMPv4 EchoRequest from 10.0.0.1 to 10.0.0.2")
    assert said["Listener"] == "This protocol has no ports: there is nobody to listen."


def test_a_frame_without_ip_belongs_to_no_connection():
    batch = packets("0 0.0.0.0 0.0.0.0 - in NEIGH_FAILED neigh_invalidate+0x1", "5000 0.0.0.0 0.0.0.0 - out")
    link = batch.tables.links.code(Link(2, "eth0", "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff"))
    batch = batch.with_columns(ip_version=np.zeros(2), protocol=np.zeros(2), link=np.full(2, link))
    (one,) = explain(ring(batch), flow=uuid(0))["sections"]
    assert one["lines"][0] == (
        "DROPPED: a frame without IP from 02:00:00:00:00:01 to ff:ff:ff:ff:ff:ff, at Nov 14 22:13:20.000."
    )
    assert one["lines"][1].startswith("Kernel's reason: NEIGH_FAILED. The next hop")
    assert explain(ring(batch), flow=uuid(1))["text"].startswith("Verdict\n  FORWARDED: a frame without IP from")


def test_whose_sockets():
    said = sections(explain(ring(packets(*opened(0, 4000), endpoints=NAMES, processes=OWNERS)), flow=uuid(0)))
    server = "Server: shop/web-7d4b:80 (10.0.0.2), process nginx/10 www-data"
    assert said["Whose socket"].splitlines() == [
        "Client: host/curl:4000 (10.0.0.1), process curl/9 me, identity (host).",
        f"{server}, pod shop/web-7d4b, Deployment/web, identity (ID:31573).",
    ]
    other = packets(*opened(0, 4000), "9 10.0.0.1:4001 10.0.0.2:80 SYN out", endpoints=NAMES, processes=OWNERS)
    assert (
        "  Its process is not known; at Nov 14 22:13:20.003 the port belonged to nginx/10 www-data."
        in sections(explain(ring(other), flow=uuid(6)))["Whose socket"].splitlines()
    )
    unknown = sections(of([f"0 {C} {S} SYN out"]))["Whose socket"]
    assert unknown.count("Its process is not known: the socket is on another host") == 2


def test_who_opened_it_is_not_made_up():
    batch = flows("src dst is_reply tcp_flags\n10.0.0.2:80 10.0.0.1:4000 -1 ACK").with_columns(
        uuid_high=np.array([1]), uuid_low=np.array([1])
    )
    said = sections(explain(ring(batch), flow="0000000000000001"))
    assert "Who opened it was not seen; by its port, 10.0.0.2:80 is taken for the server." not in said["Verdict"]
    far = flows("src dst is_reply tcp_flags\n10.0.0.2:80 10.0.0.1:40000 -1 ACK").with_columns(
        uuid_high=np.array([1]), uuid_low=np.array([1])
    )
    said = sections(explain(ring(far), flow="0000000000000001"))
    assert "Who opened it was not seen; by its port, 10.0.0.2:80 is taken for the server." in said["Verdict"]


def test_a_drop_of_hubble_with_the_policy_that_denied():
    tables = Tables()
    denied = Contents(ingress_denied_by=(Policy("deny-all", "shop", kind="CiliumNetworkPolicy"),))
    batch = flows("src dst verdict drop_reason tcp_flags\n10.0.0.1:4000 10.0.0.2:80 DROPPED POLICY_DENIED SYN", tables)
    batch = batch.with_columns(
        uuid_high=np.array([1]), uuid_low=np.array([1]), contents=np.array([tables.contents.code(denied)])
    )
    said = sections(explain(ring(batch), flow="0000000000000001"))
    assert said["Verdict"].splitlines()[1:3] == [
        "Hubble's reason: Policy denied.", "Denied by (ingress): CiliumNetworkPolicy shop/deny-all.",
    ]  # fmt: skip
    bare = batch.with_columns(contents=np.array([0]), drop_reason=np.array([0]), event_sub_type=np.array([0]))
    assert "Why is not known" in sections(explain(ring(bare), flow="0000000000000001"))["Verdict"]


def test_how_to_get_into_the_network_namespace_that_dropped():
    rows = [*opened(0, 4000), f"9 10.0.0.1:4001 {S} SYN in NETFILTER_DROP nft_do_chain+0x1"]
    batch = packets(*rows, processes={"10.0.0.2:80": replace(NGINX, netns=7)})
    links = np.where(np.arange(len(rows)) == 6, batch.tables.links.code(Link(2)), 0)
    nobody = batch.tables.processes.code(Process(netns=7))
    of_all = batch.with_columns(link=links, process=np.where(links > 0, nobody, batch["process"]))
    said = sections(explain(ring(of_all), flow=uuid(6)))
    assert "network namespace net:[7], not the agent's" in said["Verdict"]
    assert "On node-1: nsenter -t 10 -n nft list ruleset" in said["What to try"]
    alone = of_all.take(slice(6, 7))
    assert "On node-1, in that network namespace: nft list" in explain(ring(alone), flow=uuid(6))["text"]


@pytest.mark.parametrize("reason", ["", "999", "NEW_REASON", *_MEANINGS])
def test_no_reason_is_left_without_a_word(reason):
    found = of([f"0 {C} {S} SYN in {reason or '-'} place+0x1"])
    assert found["kind"] == "dropped"
    assert sections(found)["What to try"]


def test_names_from_the_network_cannot_play_with_the_terminal():
    bad = "x\x1b[31m\n\u202e"
    evil = Endpoint(namespace=bad, pod_name=bad, names=(bad,), unit=bad, cluster_name=bad)
    process = Process(1, bad, 1, user=bad, executable=bad, cgroup=bad)
    rows = packets(*opened(0, 4000), endpoints={"10.0.0.1": evil, "10.0.0.2": evil}, processes={"10.0.0.1": process})
    for found in (explain(ring(rows), flow=uuid(0)), explain(ring(rows), source=bad, destination=bad)):
        lines = [line for one in found["sections"] for line in one["lines"]]
        assert "^[[31m" in found["text"]
        assert not set("\x1b\u202e\n") & set("".join(lines))


def test_several_none_and_what_is_no_uuid():
    rows = ring(packets(f"0 {C} {S} SYN out", f"1 {C} {S} SYN out"))
    with pytest.raises(UsageError, match="2 flows have a UUID that begins or ends with '01234567'"):
        explain(rows, flow="01234567")
    with pytest.raises(UsageError, match="is no UUID"):
        explain(rows, flow="web")
    for asked in ({}, {"flow": uuid(0), "source": "a"}):
        with pytest.raises(UsageError, match="what is to be explained is not said"):
            explain(rows, **asked)
    found = explain(rows, flow="ffffffff")
    assert (found["kind"], found["uuid"]) == ("unknown", "")
    assert found["sections"][0]["lines"] == [
        "No flow that is held has the UUID 'ffffffff'.", "The ring reaches back to Nov 14 22:13:20.000 (2 flows).",
    ]  # fmt: skip
    assert explain(Ring(), flow="ffffffff")["sections"][0]["lines"][1] == "The ring holds no flows at all."
