"""What the kernel drops, and what it only frees."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest

from rubin.kernel import btf
from rubin.kernel.symbols import Symbols
from tests.kernel.programs import DROP, Programs, Records, World, acknowledged, address, attached, of_port, world
from tests.waiting import wait_for

STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
INGRESS, EGRESS = 1, 2


@pytest.fixture(scope="module")
def lab() -> Iterator[World]:
    with world() as built:
        yield built


@pytest.fixture
def loaded() -> Iterator[Programs]:
    with attached("sockets", "drops") as those:
        yield those


def reason(name: str) -> int:
    """The running kernel's number."""
    with btf.of_kernel() as types:
        return next(number for number, text in types.enum("skb_drop_reason").items() if text == name)


def drops(loaded: Programs, port: int, count: int = 1) -> Records:
    def those(records: Records) -> Records:
        return of_port(records[records["kind"] == DROP], port)

    return those(loaded.wait(lambda records: len(those(records)) >= count, f"{count} drops"))


@pytest.mark.parametrize(
    ("family", "kind", "bytes_"),
    [
        (socket.AF_INET, DATAGRAM, 128),
        (socket.AF_INET6, DATAGRAM, 148),
        (socket.AF_INET, STREAM, 60),
        (socket.AF_INET6, STREAM, 80),
    ],
    ids=["UDP", "UDP over IPv6", "TCP", "TCP over IPv6"],
)
def test_nobody_listens(lab: World, loaded: Programs, family: int, kind: int, bytes_: int) -> None:
    there = "10.77.0.2" if family == socket.AF_INET else "fd77::2"
    with lab.socket(lab.near, family, kind) as client:
        if kind == STREAM:
            with pytest.raises(ConnectionRefusedError):
                client.connect((there, 8001))
        else:
            client.sendto(bytes(100), (there, 8001))
        (record,) = drops(loaded, 8001)
    assert record["drop_reason"] == reason("SKB_DROP_REASON_NO_SOCKET")
    assert (address(record["destination"]), record["destination_port"]) == (there, 8001)
    assert (record["bytes"], record["packets"], record["direction"]) == (bytes_, 1, INGRESS)
    assert record["location"] > 1 << 63
    assert record["ifindex"] > 0
    assert record["netns_cookie"] > 0


def test_a_full_receive_buffer_has_an_owner(lab: World, loaded: Programs) -> None:
    with btf.of_kernel() as types:
        told = types.tracepoint_arguments("kfree_skb") >= 4  # since 6.11
    with (
        lab.socket(lab.far, socket.AF_INET, DATAGRAM) as server,
        lab.socket(lab.near, socket.AF_INET, DATAGRAM) as client,
    ):
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        server.bind(("10.77.0.2", 8002))
        for _ in range(50):
            client.sendto(bytes(1000), ("10.77.0.2", 8002))
        records = drops(loaded, 8002, 10)
    assert set(records["drop_reason"]) == {reason("SKB_DROP_REASON_SOCKET_RCVBUFF")}
    assert set(records["bytes"]) == {1028}
    if told:
        assert set(records["pid"]) == {os.getpid()}


def test_no_way_to_the_neighbour(lab: World, loaded: Programs) -> None:
    with lab.socket(lab.near, socket.AF_INET, DATAGRAM) as client:
        client.connect(("10.77.0.99", 8003))
        client.send(b"anybody?")
        (record,) = drops(loaded, 8003)
        assert record["drop_reason"] == reason("SKB_DROP_REASON_NEIGH_FAILED")
        assert (record["direction"], record["pid"]) == (EGRESS, os.getpid())


def test_a_route_into_a_blackhole_drops(lab: World, loaded: Programs) -> None:
    inside = ["ip", "netns", "exec", lab.far, "sysctl", "-qw", "net.ipv4.ip_forward=1"]
    subprocess.run(inside, check=True)
    subprocess.run(["ip", "-n", lab.far, "route", "add", "blackhole", "10.78.0.0/24"], check=True)
    subprocess.run(["ip", "-n", lab.near, "route", "add", "10.78.0.0/24", "via", "10.77.0.2"], check=True)
    with lab.socket(lab.near, socket.AF_INET, DATAGRAM) as client:
        client.sendto(b"anybody?", ("10.78.0.1", 8006))
        (record,) = drops(loaded, 8006)
    assert (address(record["destination"]), record["direction"]) == ("10.78.0.1", INGRESS)


@pytest.mark.parametrize("kind", [DATAGRAM, STREAM], ids=["UDP", "TCP"])
@pytest.mark.parametrize(("family", "there"), [(socket.AF_INET, "10.77.0.2"), (socket.AF_INET6, "fd77::2")])
def test_a_rule_against_sending_names_the_sender(
    lab: World, loaded: Programs, kind: int, family: int, there: str
) -> None:
    rules = "add table inet rubin; add chain inet rubin out { type filter hook output priority 0; };"
    rules += "add rule inet rubin out meta l4proto { tcp, udp } th dport 8009 drop"
    inside = ["ip", "netns", "exec", lab.near, "nft"]
    if subprocess.run([*inside, rules], capture_output=True, check=False).returncode:
        pytest.skip("nft or its kernel side is missing")
    try:
        with lab.socket(lab.near, family, kind) as client:
            client.setblocking(False)
            with suppress(BlockingIOError, PermissionError):
                client.connect((there, 8009))
                client.send(b"anybody?")
            record = drops(loaded, 8009)[0]
    finally:
        subprocess.run([*inside, "delete table inet rubin"], check=True)
    assert record["drop_reason"] == reason("SKB_DROP_REASON_NETFILTER_DROP")
    assert (record["direction"], record["pid"], record["uid"]) == (EGRESS, os.getpid(), os.getuid())
    assert record["cgroup_id"] > 0


def test_a_sweep_is_no_drop(loaded: Programs) -> None:
    symbols = Symbols()
    for _ in range(10):
        loaded.sweep("sweep_sockets")
    names = [symbols.name(int(record["location"])) for record in loaded.records() if record["kind"] == DROP]
    assert not [name for name in names if name.startswith("bpf_prog_test_run")]


def converse(lab: World, family: int, there: str) -> None:
    """Connections that end in every usual way, and datagrams that are never read."""
    with lab.socket(lab.far, family, STREAM) as server:
        server.bind((there, 8007))
        server.listen()
        for number in range(24):
            client = lab.socket(lab.near, family, STREAM)
            client.connect((there, 8007))
            handler, _ = server.accept()
            client.sendall(b"question")
            assert handler.recv(8) == b"question"
            first, second = (client, handler) if number & 1 else (handler, client)
            first.shutdown(socket.SHUT_WR)  # who closes first is in TIME_WAIT when the other's FIN comes
            assert not second.recv(1)
            if number & 2:  # an answer after the question's end: its ACK comes to who has closed for half
                second.sendall(b"answer")
                assert first.recv(6) == b"answer"
                wait_for(partial(acknowledged, second), "the answer to have arrived")
            second.close()
            first.close()
    with lab.socket(lab.far, family, DATAGRAM) as server, lab.socket(lab.near, family, DATAGRAM) as client:
        server.bind((there, 8007))
        for _ in range(5):
            client.sendto(b"never read", (there, 8007))


def test_a_healthy_conversation_drops_nothing(lab: World, loaded: Programs) -> None:
    for family, there in ((socket.AF_INET, "10.77.0.2"), (socket.AF_INET6, "fd77::2")):
        converse(lab, family, there)
    with lab.socket(lab.far, socket.AF_INET, STREAM) as server:
        server.bind(("10.77.0.2", 8004))
        server.listen()
        for _ in range(20):
            client = lab.socket(lab.near, socket.AF_INET, STREAM)
            client.connect(("10.77.0.2", 8004))
            handler, _ = server.accept()
            client.sendall(bytes(10_000))
            handler.recv(10)
            wait_for(partial(acknowledged, client), "all to have arrived")  # later it would be a drop
            handler.close()  # with most of it unread
            client.close()
    watcher = lab.socket(lab.near, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    never_reads = lab.socket(lab.near, socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    for there in ("10.77.0.2", "fd77::2"):
        ping = ["ip", "netns", "exec", lab.near, "ping", "-c2", "-i0.1", there]
        subprocess.run(ping, check=True, stdout=subprocess.DEVNULL)
    with lab.socket(lab.near, socket.AF_INET, DATAGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.sendto(b"everybody", ("10.77.0.255", 8008))
    watcher.close()
    never_reads.close()
    with lab.socket(lab.near, socket.AF_INET, DATAGRAM) as client:  # the sentinel: a real drop, after all that
        client.sendto(b"", ("10.77.0.2", 8005))
        records = loaded.wait(lambda all_: len(of_port(all_[all_["kind"] == DROP], 8005)) > 0, "the sentinel")
    dropped = records[records["kind"] == DROP]
    symbols, others = Symbols(), dropped[dropped["destination_port"] != 8005]
    places = [(symbols.name(int(r["location"])), int(r["drop_reason"]), address(r["destination"])) for r in others]
    assert places == []
    assert loaded.tallies()[3] > 0
