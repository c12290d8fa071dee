"""The programs on real traffic between network namespaces: owners, life of connections, exact bytes."""

import os
import socket
import struct
import subprocess
import time
from collections.abc import Iterator

import numpy as np
import pytest

from rubin.kernel.attach import run_iterator
from tests.kernel.programs import (
    FLUSH,
    TCP,
    TICKS,
    TRACE,
    Records,
    World,
    acknowledged,
    address,
    attached,
    flags,
    of_port,
    world,
)
from tests.waiting import wait_for

STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
CONNECT, ACCEPT, CLOSE, RESET = 1, 2, 3, 4
TO_STACK, TO_ENDPOINT = 3, 101
TCP_HEADERS, SYN_OPTIONS = 52, 8  # with time stamps; a SYN has 8 bytes of options more


@pytest.fixture(scope="module")
def lab() -> Iterator[World]:
    with world() as built:
        yield built


def listener(lab: World, port: int, family: int = socket.AF_INET) -> socket.socket:
    server = lab.socket(lab.far, family, STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("10.77.0.2" if family == socket.AF_INET else "fd77::2", port))
    server.listen()
    return server


def connection(lab: World, server: socket.socket) -> tuple[socket.socket, socket.socket]:
    client = lab.socket(lab.near, server.family, STREAM)
    client.connect(server.getsockname())
    return client, server.accept()[0]


def receive(end: socket.socket, size: int) -> None:
    while size:
        piece = end.recv(min(size, 1 << 20))
        assert piece
        size -= len(piece)


def closed(records: Records) -> bool:
    return bool((records["tcp_event"] == CLOSE).sum() >= 2)


def while_it_lived(side: Records) -> Records:
    """Without what the kernel answers out of TIME_WAIT (before 6.13) when the socket has told its end."""
    lived, late = np.split(side, [np.flatnonzero(side["kind"] == TCP)[-1] + 1])
    assert {(flags(row["tcp_flags"]), int(row["pid"])) for row in late} <= {("ACK", 0)}
    return lived


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_the_life_of_a_connection(lab: World, family: int) -> None:
    with attached("sockets", "tcp") as loaded, listener(lab, 7001, family) as server:
        client, handler = connection(lab, server)
        client.sendall(b"question")
        receive(handler, 8)
        handler.sendall(b"answer")
        receive(client, 6)
        client.close()
        assert not handler.recv(1)
        handler.close()
        records = of_port(loaded.wait(lambda all_: closed(of_port(all_, 7001)), "both closes"), 7001)
    own = (records["point"] == TO_STACK) & (records["destination_port"] == 7001)
    own |= (records["point"] == TO_ENDPOINT) & (records["source_port"] == 7001)
    here, there = while_it_lived(records[own]), while_it_lived(records[~own])
    for side, opened in ((here, CONNECT), (there, ACCEPT)):
        assert [int(event) for event in side["tcp_event"] if event] == [opened, CLOSE]
        assert (side["pid"] == os.getpid()).all()
        assert (side["uid"] == os.getuid()).all()
        assert (side["cgroup_id"] > 0).all()
        assert len(set(side["netns_cookie"])) == 1
        assert (side["reply"] == (side["source_port"] == 7001)).all()
    assert set(here["netns_cookie"]) != set(there["netns_cookie"])
    assert (here["connect_latency_us"][here["tcp_event"] == CONNECT] > 0).all()
    assert (records["srtt_us"][records["kind"] == TCP] > 0).all()
    assert [flags(number) for number in here["tcp_flags"][:3]] == ["SYN", "SYN,ACK", "ACK"]
    ip = 20 if family == socket.AF_INET6 else 0
    for side in (here, there):
        sent = side[side["destination_port"] == 7001]
        assert sent["bytes"].sum() == 8 + sent["packets"].sum() * (TCP_HEADERS + ip) + SYN_OPTIONS


def test_a_connection_that_stands_is_told_whatever_flags_are_news(lab: World) -> None:
    with attached("sockets", "tcp", report_flags=4) as loaded, listener(lab, 7010) as server:
        client, handler = connection(lab, server)
        for _ in range(3):
            client.sendall(b"question")
            receive(handler, 8)
        client.close()
        handler.close()
        records = of_port(loaded.wait(lambda all_: closed(of_port(all_, 7010)), "both closes"), 7010)
    traces = records[records["kind"] == TRACE]
    late = traces["pid"] == 0  # what the kernel answers out of TIME_WAIT (before 6.13)
    assert {flags(number) for number in traces["tcp_flags"][late]} <= {"ACK"}
    told = [(int(r["point"]), flags(r["tcp_flags"]), int(r["tcp_event"])) for r in traces[~late]]
    assert told == [
        (TO_STACK, "SYN", 0),  # the first packet of each direction is told in any case
        (TO_ENDPOINT, "SYN", 0),
        (TO_STACK, "SYN,ACK", 0),
        (TO_ENDPOINT, "SYN,ACK", CONNECT),
        (TO_ENDPOINT, "ACK", ACCEPT),
    ]


def test_an_ipv6_socket_that_talks_ipv4(lab: World) -> None:
    with attached("sockets", "tcp") as loaded, lab.socket(lab.far, socket.AF_INET6, STREAM) as server:
        server.bind(("::", 7009))
        server.listen()
        client = lab.socket(lab.near, socket.AF_INET6, STREAM)
        client.connect(("::ffff:10.77.0.2", 7009))
        handler, _ = server.accept()
        client.close()
        handler.close()
        records = of_port(loaded.wait(lambda all_: closed(of_port(all_, 7009)), "both closes"), 7009)
    assert set(records["ip_version"]) == {1}
    assert sorted(records["tcp_event"][records["tcp_event"] > 0]) == [CONNECT, ACCEPT, CLOSE, CLOSE]


def sent_again(client: socket.socket) -> tuple[int, int]:
    """Segments and bytes, by the kernel's own count (tcpi_total_retrans, tcpi_bytes_retrans)."""
    information = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return struct.unpack_from("=I", information, 100)[0], struct.unpack_from("=Q", information, 208)[0]


def test_bytes_are_right_under_segmentation(lab: World) -> None:
    size = 8 << 20
    # A SYN-ACK sent twice is not answered with an option that other acknowledgements have not.
    subprocess.run(["ip", "netns", "exec", lab.near, "sysctl", "-qw", "net.ipv4.tcp_dsack=0"], check=True)
    with attached("sockets", "tcp", "interfaces") as loaded, listener(lab, 7002) as server:
        with lab.inside(lab.near):
            loaded.attach_to("near")
        client, handler = connection(lab, server)
        syns = 1 + sent_again(client)[0]
        pid = os.fork()
        if not pid:
            receive(handler, size)
            os._exit(0)
        client.sendall(bytes(size))
        os.waitpid(pid, 0)
        wait_for(lambda: acknowledged(client), "the last acknowledgement")
        again = sent_again(client)[1]  # a slow machine may well send a segment twice
        client.close()
        handler.close()
        records = [loaded.wait(lambda all_: closed(of_port(all_, 7002)), "both closes")]
        loaded.sweep("sweep_interfaces")
        records.append(loaded.records())
        assert not loaded.losses().any()
    for point in (TO_STACK, TO_ENDPOINT, 11):
        there = [of_port(part, 7002) for part in records]
        sent = [part[(part["point"] == point) & (part["destination_port"] == 7002)] for part in there]
        packets = sum(int(part["packets"].sum()) for part in sent)
        payload = sum(int(part["bytes"].sum()) for part in sent) - packets * TCP_HEADERS
        most = size + again + syns * SYN_OPTIONS
        if point == TO_ENDPOINT:  # what was sent again may have been lost before
            assert size + SYN_OPTIONS <= payload <= most
        else:
            assert payload == most
        assert packets > size // 65536  # what is on the wire, not what the stack hands on


@pytest.mark.parametrize("sizes", [[0, 1, 64, 1472], [1473, 9000, 65_507]], ids=["whole", "fragmented"])
def test_bytes_of_datagrams(lab: World, sizes: list[int]) -> None:
    with attached("sockets") as loaded, lab.socket(lab.far, socket.AF_INET, DATAGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        server.bind(("10.77.0.2", 7003))
        client = lab.socket(lab.near, socket.AF_INET, DATAGRAM)
        client.connect(("10.77.0.2", 7003))
        for size in sizes:
            client.send(bytes(size))
            assert len(server.recv(70_000)) == size
        client.close()
        sent = of_port(loaded.wait(lambda all_: (of_port(all_, 7003)["point"] == TO_STACK).any(), "a record"), 7003)
        out = sent[sent["point"] == TO_STACK]
        # The socket has gone: what it had not told, it told then, without a sweep.
        assert out["kind"].tolist() == [TRACE, FLUSH][: len(sizes)]
        assert out["bytes"].sum() == sum(sizes) + 28 * len(sizes)
        assert (out["pid"] == os.getpid()).all()
        loaded.sweep("sweep_sockets")
        arrived = np.concatenate([sent[sent["point"] == TO_ENDPOINT], of_port(loaded.records(), 7003)])
        assert arrived["bytes"].sum() == sum(sizes) + 28 * len(sizes)
        assert (arrived["pid"] == os.getpid()).all()  # it bound the port, though it never sent


def test_the_process_that_handles_owns_an_accepted_socket(lab: World) -> None:
    with attached("sockets", "tcp") as loaded, listener(lab, 7004) as server:
        client = lab.socket(lab.near, socket.AF_INET, STREAM)
        client.connect(("10.77.0.2", 7004))
        child = os.fork()
        if not child:
            handler, _ = server.accept()
            handler.sendall(handler.recv(100))
            os._exit(0)
        client.sendall(b"whose?")
        assert client.recv(100) == b"whose?"
        os.waitpid(child, 0)
        client.close()
        records = of_port(loaded.wait(lambda all_: closed(of_port(all_, 7004)), "both closes"), 7004)
    answers = records[(records["source_port"] == 7004) & (records["point"] == TO_STACK)]
    said = [(flags(record["tcp_flags"]), int(record["pid"])) for record in answers]
    assert said[0] == ("SYN,ACK", os.getpid()), said  # the one who listens
    late = ("ACK", 0)  # before 6.13 the kernel answers the client's FIN out of TIME_WAIT, when the socket has gone
    assert {pid for what, pid in said[1:] if (what, pid) != late} == {child}, said


def test_the_agents_own_sockets_are_left_out(lab: World) -> None:
    with attached("sockets", "tcp", "interfaces", own_pid=os.getpid()) as loaded, listener(lab, 7005) as server:
        with lab.inside(lab.near):
            loaded.attach_to("near")
        program = "import socket; s = socket.create_connection(('10.77.0.2', 7005)); s.sendall(b'x'); s.recv(1)"
        child = subprocess.Popen(["ip", "netns", "exec", lab.near, "python3", "-c", program])
        handler, _ = server.accept()
        receive(handler, 1)
        handler.sendall(b"y")
        assert not child.wait()
        handler.close()
        records = of_port(loaded.wait(lambda all_: (of_port(all_, 7005)["tcp_event"] == CLOSE).any(), "a close"), 7005)
    at_sockets = records["pid"][records["point"] != 11]
    assert set(at_sockets) - {0} == {child.pid}  # 0: the kernel itself answers for what is in TIME_WAIT


def test_connections_older_than_the_programs(lab: World) -> None:
    with listener(lab, 7006) as server:
        client, handler = connection(lab, server)
        with attached("owners", "sockets", "tcp") as loaded:
            run_iterator(loaded.objects.programs()["rubin_owners"])
            client.sendall(b"x")
            receive(handler, 1)
            handler.sendall(b"y")
            receive(client, 1)
            records = of_port(loaded.wait(lambda all_: len(of_port(all_, 7006)) >= 4, "four records"), 7006)
        client.close()
        handler.close()
    at_server = records["netns_cookie"] == records["netns_cookie"][records["source_port"] == 7006][0]
    arrived = records[at_server & (records["destination_port"] == 7006)]
    left = records[at_server & (records["source_port"] == 7006)]
    assert set(arrived["reply"]) == {0}  # its port is listened on
    assert set(left["reply"]) == {1}
    assert set(records["reply"][~at_server]) == {255}
    assert (records["pid"] == os.getpid()).all()


def test_a_refused_connection(lab: World) -> None:
    with attached("sockets", "tcp") as loaded:
        with lab.socket(lab.near, socket.AF_INET, STREAM) as client, pytest.raises(ConnectionRefusedError):
            client.connect(("10.77.0.2", 7007))
        records = of_port(loaded.wait(lambda all_: len(of_port(all_, 7007)) >= 3, "the reset"), 7007)
    seen = [(flags(r["tcp_flags"]), int(r["tcp_event"]), int(r["reply"]), int(r["point"])) for r in records]
    assert seen == [("SYN", 0, 0, 3), ("RST,ACK", RESET, 1, 3), ("RST,ACK", RESET, 1, 101)]


def test_what_is_sent_again_is_counted(lab: World) -> None:
    with attached("sockets", "tcp") as loaded, listener(lab, 7008) as server:
        client, handler = connection(lab, server)
        subprocess.run(["ip", "-n", lab.far, "link", "set", "far", "down"], check=True)
        client.sendall(b"into the void")
        entries = loaded.objects.map("socket_entries")

        def resent() -> bool:
            return any(
                int.from_bytes((entries.lookup(index.to_bytes(4, "little")) or b"")[52:56], "little")
                for index in range(entries.max_entries)
            )

        wait_for(resent, "a retransmission")
        subprocess.run(["ip", "-n", lab.far, "link", "set", "far", "up"], check=True)
        again = ["ip", "-n", lab.far, "address", "add", "fd77::2/64", "dev", "far", "nodad"]
        subprocess.run(again, check=True)  # it went with the link
        receive(handler, 13)
        client.close()
        handler.close()
        records = of_port(loaded.wait(lambda all_: closed(of_port(all_, 7008)), "both closes"), 7008)
    out = (records["point"] == TO_STACK) & (records["destination_port"] == 7008)
    assert records["retransmits"][out].sum() >= 1
    assert not records["retransmits"][~out].any()


def test_pings_have_an_owner(lab: World) -> None:
    with attached("sockets", "drops") as loaded:
        ping = subprocess.Popen(
            ["ip", "netns", "exec", lab.near, "ping", "-c1", "10.77.0.2"], stdout=subprocess.DEVNULL
        )
        assert not ping.wait()
        records = loaded.wait(lambda all_: (all_["point"] == TO_ENDPOINT).any(), "the answer")
    records = records[records["protocol"] == 1]
    assert [(address(r["source"]), int(r["icmp_type"]), int(r["pid"])) for r in records] == [
        ("10.77.0.1", 8, ping.pid),
        ("10.77.0.2", 0, 0),  # the kernel answers
        ("10.77.0.2", 0, ping.pid),
    ]


@pytest.mark.parametrize(("there", "types"), [("10.77.0.2", (8, 0)), ("fd77::2", (128, 129))], ids=["IPv4", "IPv6"])
def test_pings_told_without_a_packet_have_type_and_time(lab: World, there: str, types: tuple[int, int]) -> None:
    with attached("sockets") as loaded:
        ping = ["ip", "netns", "exec", lab.near, "ping", "-c3", "-i0.01", there]
        subprocess.run(ping, check=True, stdout=subprocess.DEVNULL)
        ended_ns = time.monotonic_ns()
        wait_for(lambda: time.monotonic_ns() - ended_ns > 100_000_000, "a tenth of a second")
        loaded.sweep("sweep_sockets")
        records = loaded.records()
    swept = records[(records["kind"] == FLUSH) & (records["icmp_type"] != 135) & (records["icmp_type"] != 136)]
    swept = swept[[there in (address(r["source"]), address(r["destination"])) for r in swept]]
    assert len(swept)
    assert {(address(r["destination"]) != there, int(r["icmp_type"])) for r in swept} == {
        (False, types[0]),
        (True, types[1]),
    }
    assert not swept["icmp_code"].any()
    ticks_ns = 2_000_000_000 // TICKS
    assert (swept["time_ns"] <= ended_ns + ticks_ns).all()  # when the packets came, not when they were told
    assert (swept["time_ns"] > ended_ns - 60_000_000_000).all()
