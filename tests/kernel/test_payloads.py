"""What is said at sockets, taken by the real programs on real traffic."""

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rubin.kernel import btf, payloads
from rubin.kernel.lanes import HEADER_BYTES, LANE, LEAST_SLOTS, MOST_LANES
from rubin.kernel.libbpf import Object
from rubin.kernel.objects import image
from rubin.kernel.payloads import NOTHING, PAYLOAD, PAYLOAD_BYTES, SLOT_BYTES, TALK, Payloads
from tests.kernel.hearing import LANES, LOSS_PAYLOADS, PAYLOAD_SLOTS, written
from tests.kernel.programs import TICKS, programs
from tests.waiting import wait_for

Records = npt.NDArray[Any]
SPARE = 64  # slots of a lane for those who come between, LANE_SPARE
_LIMITS = {
    "listens": 1,
    "second_ticks": TICKS,
    "most_payloads": 1000,
    "lane_mask": LANES - 1,
    "lane_slots": PAYLOAD_SLOTS // LANES,
}


class Ear:
    """The programs with what they take, copied."""

    def __init__(self, **settings: int) -> None:
        settings = {**_LIMITS, **settings}
        self._loaded = programs("sockets", **settings)
        self.programs = self._loaded.__enter__()
        self.payloads = Payloads(self.programs.objects.map, settings["lane_mask"] + 1)
        self._kept: Records = np.empty(0, PAYLOAD)

    def heard(self, port: int, enough: Callable[[Records], bool]) -> Records:
        """Everything so far on connections with this port, once it is as wanted."""

        def look() -> bool:
            self._kept = np.concatenate([self._kept.view("V1016"), self._new(port).view("V1016")]).view(PAYLOAD)
            return enough(self._kept)

        wait_for(look, "what was said")
        found: Records = self._kept
        return found

    def _new(self, port: int) -> Records:
        records = written(self.payloads)
        ours: Records = records[(records["local_port"] == port) | (records["remote_port"] == port)]
        return ours

    def close(self) -> None:
        self.payloads.close()
        self._loaded.__exit__(None, None, None)


@pytest.fixture
def ear() -> Iterator[Ear]:
    found = Ear()
    found.programs.attach()
    yield found
    found.close()


def texts(records: Records) -> list[bytes]:
    return [bytes(one["bytes"][: one["captured"]]) for one in records]


def connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    return client, server


def test_the_layout_is_the_kernels() -> None:
    item = Object(image("sockets"), "sockets")
    types = btf.of_object(item)
    for struct, dtype in (("payload_record", PAYLOAD), ("talk", TALK)):
        ours = {name: (place[1], place[0].itemsize) for name, place in (dtype.fields or {}).items() if name != "facts"}
        assert types.members(struct) == ours
        assert types.size(struct) == dtype.itemsize
    lane = types.members("lane")
    places = {name: place[1] for name, place in (LANE.fields or {}).items()}
    assert {name: lane[name][0] for name in places} == places
    assert types.size("lane") == LANE.itemsize
    assert types.members("payload_slot") == {"turn": (0, 8), "said": (HEADER_BYTES, PAYLOAD.itemsize)}
    assert types.size("payload_slot") == SLOT_BYTES
    item.close()


def test_there_are_as_many_lanes_as_are_read(ear: Ear) -> None:
    assert ear.programs.objects.map("lanes").max_entries == MOST_LANES


def test_each_side_of_a_connection_with_its_place_and_its_owner(ear: Ear) -> None:
    client, server = connected()
    port = server.getsockname()[1]
    for asked, said in ((b"first question", b"first answer"), (b"second", b"x" * 3000)):
        client.sendall(asked)
        assert server.recv(4096) == asked
        server.sendall(said)
        while said:
            said = said[len(client.recv(4096)) :]
    records = ear.heard(port, lambda found: len(found) >= 4)
    assert texts(records) == [b"first question", b"first answer", b"second", b"x" * PAYLOAD_BYTES]
    out = (records["flags"] & payloads.OUT) != 0
    assert out.tolist() == [False, True, False, True]  # over loopback the server's side alone
    assert ((records["flags"] & payloads.OPENED_REMOTELY) != 0).all()
    assert ((records["flags"] & payloads.FROM_START) != 0).all()
    assert records["length"].tolist() == [14, 12, 6, 3000]
    assert (records["sequence"][2] - records["sequence"][0]) & 0xFFFFFFFF == 14
    assert records["acknowledged"][2] == (records["sequence"][1] + 12) & 0xFFFFFFFF
    assert records["acknowledged"][1] == records["sequence"][2]
    assert len(set(records["tag"].tolist())) == 1
    assert {int(records["pid"][row]) for row in (1, 3)} == {os.getpid()}
    client.close()
    server.close()


def test_what_is_wanted_is_taken(ear: Ear) -> None:
    client, server = connected()
    port = server.getsockname()[1]
    long = bytes(range(256)) * 20
    client.sendall(b"who")
    records = ear.heard(port, lambda found: len(found) == 1)
    ear.payloads.want(records["index"].astype(np.int64), records["tag"], np.array([4]))
    client.sendall(long)
    records = ear.heard(port, lambda found: len(found) == 5)[1:]
    assert b"".join(texts(records)) == long[: 4 * PAYLOAD_BYTES]
    assert ((records["flags"] & payloads.MORE) != 0).tolist() == [False, True, True, True]
    assert records["length"].tolist() == [len(long) - part * PAYLOAD_BYTES for part in range(4)]
    ear.payloads.want(records["index"].astype(np.int64)[:1], records["tag"][:1], np.array([NOTHING]))
    client.sendall(b"not for us")
    other, peer = connected()
    other.sendall(b"for us")
    port = peer.getsockname()[1]
    assert texts(ear.heard(port, lambda found: len(found) == 6))[5] == b"for us"
    for one in (client, server, other, peer):
        one.close()


def test_only_datagrams_like_those_of_the_dns_are_taken(ear: Ear) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    port = server.getsockname()[1]
    query = bytes.fromhex("123401000001000000000000") + b"\x03www\x07example\x00\x00\x01\x00\x01"
    for said in (b"\xff" * 60, bytes(60), query):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(said, ("127.0.0.1", port))
            data, sender = server.recvfrom(4096)
            server.sendto(data, sender)
    records = ear.heard(port, lambda found: len(found) >= 2)
    assert texts(records) == [query, query]
    server.close()


def test_who_says_more_than_is_taken_of_one_is_counted(ear: Ear) -> None:
    limited = Ear(most_payloads=3)
    limited.programs.attach()
    client, server = connected()
    port = server.getsockname()[1]
    for _ in range(10):
        client.sendall(b"again")
        assert server.recv(10) == b"again"
    records = limited.heard(port, lambda found: len(found) >= 3)
    assert len(records) == 3
    assert limited.programs.losses()[7].tolist() == [7, 7, 35]  # LOSS_PAYLOAD_LIMIT: packets and what they said
    client.close()
    server.close()
    limited.close()


def test_a_lane_that_is_half_full_wakes_its_reader_and_what_finds_no_room_is_counted() -> None:
    small = Ear(lane_mask=0, lane_slots=LEAST_SLOTS)
    with closing(small), closing(select.epoll()) as poll:
        poll.register(small.payloads.lanes.fd, select.EPOLLIN | select.EPOLLET)
        small.programs.attach()
        client, server = connected()
        port = server.getsockname()[1]

        def say(many: int) -> None:
            for _ in range(many):
                client.sendall(b"again")
                assert server.recv(10) == b"again"

        say(30)
        assert poll.poll(0) == []
        say(LEAST_SLOTS)
        assert poll.poll(5) == [(small.payloads.lanes.fd, select.EPOLLIN)]
        heard = small.heard(port, lambda found: len(found) > 0)
        lost = int(small.programs.losses()[LOSS_PAYLOADS][0])
        assert LEAST_SLOTS - SPARE < small.payloads.lanes.slots_read < LEAST_SLOTS
        assert 0 < 30 + LEAST_SLOTS - len(heard) <= lost  # others on this machine may have lost some, too
        say(LEAST_SLOTS // 2 + 64)
        assert poll.poll(5) == [(small.payloads.lanes.fd, select.EPOLLIN)]
        assert len(small.heard(port, lambda found: len(found) > 0)) > len(heard)
        client.close()
        server.close()


def test_a_share_of_connections_is_left_out_and_counted(ear: Ear) -> None:
    ear.payloads.admit(0.0)
    client, server = connected()
    client.sendall(b"unheard")
    assert server.recv(10) == b"unheard"
    wait_for(lambda: ear.programs.losses()[8].tolist()[2] >= 7, "the loss")
    ear.payloads.admit(1.0)
    client.sendall(b"heard")
    assert texts(ear.heard(server.getsockname()[1], lambda found: len(found) >= 1)) == [b"heard"]
    client.close()
    server.close()


def test_a_connection_that_nobody_decides_on_is_left_after_some_time(ear: Ear) -> None:
    client, server = connected()
    port = server.getsockname()[1]
    reader = threading.Thread(target=lambda: [None for _ in iter(lambda: server.recv(1 << 16), b"")])
    reader.start()
    for _ in range(64):
        client.sendall(bytes(1 << 14))
    client.shutdown(socket.SHUT_WR)
    reader.join()
    records = ear.heard(port, lambda found: len(found) > 0)
    assert int(records["length"].sum()) <= 256 * 1024
    client.close()
    server.close()


def test_servers_that_say_nothing_that_is_read_are_left_alone_until_they_are_wanted(ear: Ear) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def connect() -> None:
            with socket.create_connection(("127.0.0.1", port)) as client, listener.accept()[0] as server:
                client.sendall(b"what")
                assert server.recv(10) == b"what"

        connect()
        first = ear.heard(port, lambda found: len(found) == 1)
        ear.payloads.mute(payloads.mute_places(first), True)
        before = ear.programs.tallies()[5]
        for _ in range(20):
            connect()
        wait_for(lambda: ear.programs.tallies()[5] - before >= 20, "all to be seen")
        assert len(ear.heard(port, lambda _: True)) == 1
        ear.payloads.mute(payloads.mute_places(first), False)
        connect()
        ear.heard(port, lambda found: len(found) == 2)


def test_a_connection_that_is_read_is_so_whatever_becomes_of_its_server(ear: Ear) -> None:
    client, server = connected()
    port = server.getsockname()[1]
    client.sendall(b"first")
    heard = ear.heard(port, lambda found: len(found) == 1)
    ear.payloads.want(heard["index"].astype("i8"), heard["tag"], np.array([1]))
    client.sendall(b"second")
    ear.heard(port, lambda found: len(found) == 2)
    ear.payloads.mute(payloads.mute_places(heard), True)
    client.sendall(b"third")
    ear.heard(port, lambda found: len(found) == 3)
    client.close()
    server.close()


def test_without_the_wish_nothing_is_taken() -> None:
    deaf = Ear(listens=0)
    deaf.programs.attach()
    client, server = connected()
    client.sendall(b"private")
    assert server.recv(10) == b"private"
    assert not deaf.payloads.lanes.pending
    for one in (client, server):
        one.close()
    deaf.close()
