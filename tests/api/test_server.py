"""What every gRPC server has: health, reflection, an end; and concurrent streams through our own framing."""

import mmap
import socket
import threading
import time
from pathlib import Path
from typing import Any
from weakref import WeakSet

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpclib.reflection.v1.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from rubin.api.listen import ListenSettings
from rubin.api.server import Server, ServerThread
from rubin.errors import RubinError
from rubin.model.tables import Tables
from rubin.store.ring import Ring
from rubin.store.segment import ROWS
from tests.api.drain import Drain
from tests.api.serving import Foreign, eventually, serving
from tests.flows import generate

SERVICES = ["grpc.health.v1.Health", "observer.Observer", "peer.Peer", "rubin.Columns"]


def _health(foreign: Foreign, service: str) -> Any:
    check = foreign.channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=HealthCheckRequest.SerializeToString,
        response_deserializer=HealthCheckResponse.FromString,
    )
    return check(HealthCheckRequest(service=service), timeout=10).status


@pytest.mark.parametrize("service", ["", "hubble.server.Observer"])
def test_the_server_is_healthy_under_hubbles_name_and_none(tmp_path: Path, service: str):
    with serving(Ring(10), tmp_path) as server, Foreign(server.address) as foreign:
        assert _health(foreign, service) == HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as refused:
            _health(foreign, "observer.Observer")
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_describes_every_service_down_to_its_last_import(tmp_path: Path, version: str):
    """As grpcurl does: the services, the file of each, then the files that those import."""
    with serving(Ring(10), tmp_path) as server, Foreign(server.address) as foreign:

        def reflect(**asked: Any) -> ServerReflectionResponse:
            info = foreign.channel.stream_stream(
                f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                request_serializer=ServerReflectionRequest.SerializeToString,
                response_deserializer=ServerReflectionResponse.FromString,
            )
            (answer,) = info(iter([ServerReflectionRequest(**asked)]), timeout=10)
            assert isinstance(answer, ServerReflectionResponse)
            return answer

        listed = reflect(list_services="").list_services_response.service
        assert sorted(one.name for one in listed) == SERVICES
        pool, known = DescriptorPool(), set[str]()

        def load(**asked: Any) -> None:
            for encoded in reflect(**asked).file_descriptor_response.file_descriptor_proto:
                described = FileDescriptorProto.FromString(encoded)
                for name in described.dependency:
                    if name not in known:
                        known.add(name)
                        load(file_by_filename=name)
                pool.AddSerializedFile(encoded)

        for name in SERVICES:
            load(file_containing_symbol=name)
        observer = pool.FindServiceByName("observer.Observer")
        assert [method.name for method in observer.methods][:2] == ["GetFlows", "GetAgentEvents"]
        assert pool.FindMessageTypeByName("flow.Flow").fields_by_name["Summary"].number == 100_000


def test_many_connections_and_streams_at_once_lose_no_byte(tmp_path: Path):
    """Six raw readers of the full ring on six connections, at their own pace; each gets the same number of bytes."""
    ring, tables = Ring(100_000), Tables()
    ring.append(generate(60_000, tables=tables))
    sizes: list[int] = []

    def read(pace_s: float) -> None:
        drain = Drain(f"{tmp_path}/s")
        for _ in range(2):
            time.sleep(pace_s)
            sizes.append(drain.read())
        drain.close()

    with serving(ring, tmp_path):
        threads = [threading.Thread(target=read, args=(0.02 * number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(sizes) == 12
    assert len(set(sizes)) == 1
    assert sizes[0] > 60_000 * 400


def test_a_follower_is_served_while_another_client_reads_nothing(tmp_path: Path):
    """A client that asks for everything and never reads holds up nobody else, not even on its own connection."""
    ring, tables = Ring(200_000), Tables()
    ring.append(generate(200_000, tables=tables))
    with serving(ring, tmp_path) as server, Foreign(server.address) as foreign:
        stuck = foreign.GetFlows()
        next(stuck)
        follower = foreign.GetFlows(follow=True, number=1)
        for number in range(5):
            next(follower)
            ring.append(generate(1, seed=number, tables=tables))
        assert foreign.ServerStatus().seen_flows == 200_005
        stuck.cancel()
        follower.cancel()


def test_clients_that_do_not_read_keep_no_old_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Five clients ask for everything and never read, while the ring is overwritten ten times."""
    blocks = WeakSet[mmap.mmap]()
    real = mmap.mmap

    def counted(*arguments: Any) -> mmap.mmap:
        block = real(*arguments)
        blocks.add(block)
        return block

    monkeypatch.setattr(mmap, "mmap", counted)
    ring, tables = Ring(2 * ROWS), Tables()
    batch = generate(ROWS, tables=tables)
    with serving(ring, tmp_path):
        stuck = [Drain(f"{tmp_path}/s") for _ in range(5)]
        for drain in stuck:
            ring.append(batch)
            drain.ask()
            eventually(lambda drain=drain: drain.waiting() > 60_000)  # type: ignore[misc]
        for _ in range(20):
            ring.append(batch)
        assert 2 <= len(blocks) <= 3
        for drain in stuck:
            drain.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\1\4\0\0\0\0\0\0",  # settings of one byte
    ],
    ids=["HTTP/1", "zeros", "settings"],
)
def test_what_is_no_grpc_is_hung_up_on_and_nothing_else_happens(tmp_path: Path, garbage: bytes):
    with serving(Ring(10), tmp_path) as server, Foreign(server.address) as foreign:
        host, _, port = server.address.rpartition(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.settimeout(10)
            connection.sendall(garbage)
            while connection.recv(65_536):
                pass
        assert foreign.ServerStatus().max_flows == 10


def test_an_end_reaches_those_who_follow(tmp_path: Path):
    ring = Ring(10)
    server = Server(ring, ListenSettings(str(tmp_path / "s"), "127.0.0.1:0"), "node-1")
    thread = ServerThread(server)
    thread.start()
    with Foreign(server.address) as foreign:
        follower, notified = foreign.GetFlows(follow=True), foreign.Notify()
        assert next(notified).name == "node-1"
        start = time.monotonic()
        thread.close()
        assert time.monotonic() - start < 2
        for stream in (follower, notified):
            with pytest.raises(grpc.RpcError):
                next(stream)
    assert not ring._wakes


def test_an_end_does_not_wait_for_those_who_do_not_read(tmp_path: Path):
    ring = Ring(100_000)
    ring.append(generate(100_000))
    server = Server(ring, ListenSettings(str(tmp_path / "s")), "node-1")
    thread = ServerThread(server)
    thread.start()
    drain = Drain(f"{tmp_path}/s")
    drain.ask()
    eventually(lambda: drain.waiting() > 60_000)
    start = time.monotonic()
    thread.close()
    assert time.monotonic() - start < 2
    drain.close()


def test_a_server_that_cannot_start_says_so_and_leaves_nothing(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = ListenSettings(str(tmp_path / "s"), f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(RubinError, match="is in use"):
            ServerThread(Server(Ring(10), settings)).start()
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("method", ["GetFlows", "Notify"])
def test_followers_are_told_that_the_server_stops(tmp_path: Path, method: str):
    server = Server(Ring(10), ListenSettings(str(tmp_path / "s")))
    thread = ServerThread(server)
    thread.start()
    with Foreign(f"unix:{tmp_path}/s") as foreign:
        answers = getattr(foreign, method)(**({} if method == "Notify" else {"follow": True}))
        if method == "Notify":
            next(answers)  # itself, and then what changes
        else:
            answers.initial_metadata()
        began = time.monotonic()
        thread.close()
        assert time.monotonic() - began < 1
        with pytest.raises(grpc.RpcError) as told:
            next(answers)
    assert told.value.code() is grpc.StatusCode.UNAVAILABLE
    assert told.value.details() == "the server stops"
