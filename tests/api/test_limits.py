"""What a request may be at most, and methods that nobody has."""

import asyncio
import struct
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpclib.server import Server as Plain
from hpack import Decoder, Encoder

from rubin.api.client import Client
from rubin.api.door import MOST_REQUEST_BYTES
from rubin.api.selection import MOST_FILTERS
from rubin.api.server import Server
from rubin.api.target import ClientSettings
from rubin.errors import RubinError, UsageError
from rubin.store.ring import Ring
from rubin.wire.pb import observer_pb2 as pb
from rubin.wire.pb.flow_pb2 import FlowFilter
from tests.api.drain import connect, frame
from tests.api.serving import Foreign, serving
from tests.api.test_client import ask
from tests.flows import generate


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    ring = Ring(100)
    ring.append(generate(100, seed=1))
    with serving(ring, tmp_path_factory.mktemp("limits")) as server:
        yield server


_HEADERS, _DATA, _END_HEADERS = 1, 0, 4


def answer(address: str, path: str, size: int) -> dict[str, str]:
    """The headers that answer a request whose message says that it has so many bytes, of which the first comes."""
    asked = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "a", "te": "trailers"}
    headers = Encoder().encode([*asked.items(), ("content-type", "application/grpc")])
    with connect(address) as connection:
        connection.settimeout(30)
        connection.sendall(frame(_HEADERS, _END_HEADERS, 1, headers))
        connection.sendall(frame(_DATA, 0, 1, struct.pack(">BI", 0, size) + b"\x0a"))
        with connection.makefile("rb") as stream:
            while True:
                high, low, kind, _, _ = struct.unpack(">HBBBI", stream.read(9))
                payload = stream.read(high << 8 | low)
                if kind == _HEADERS:
                    return dict(Decoder().decode(payload))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path", ["/observer.Observer/GetFlows", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"]
)
def test_a_message_beyond_the_limit_is_refused_before_it_is_read(there: Server, path: str) -> None:
    refused = answer(there.address, path, MOST_REQUEST_BYTES + 1)
    assert refused["grpc-status"] == str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
    assert refused["grpc-message"].startswith("the request has 4,194,305 bytes, a request may have 4,194,304")


def test_a_large_request_is_refused_and_the_connection_goes_on(there: Server) -> None:
    too_large = [FlowFilter(source_pod=["x" * MOST_REQUEST_BYTES])]
    with Foreign(there.address) as foreign:
        with pytest.raises(grpc.RpcError) as refused:
            list(foreign.GetFlows(whitelist=too_large))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert foreign.ServerStatus().max_flows == 100
    large = [FlowFilter(source_pod=["x" * (MOST_REQUEST_BYTES - 100)])]
    assert ask(there.address, lambda client: _count(client, large)) == 0
    with pytest.raises(RubinError, match="RESOURCE_EXHAUSTED: the request has") as said:
        ask(there.address, lambda client: _count(client, too_large))
    assert said.value.way_on == "a smaller one, e.g. with fewer filters"


async def _count(client: Client, filters: list[FlowFilter], refused: list[FlowFilter] | None = None) -> int:
    request = pb.GetFlowsRequest(whitelist=filters, blacklist=refused or [])
    return sum([len(batch) async for batch in client.flows(request)])


def test_more_filters_than_the_limit_are_refused_with_a_sentence(there: Server) -> None:
    one = [FlowFilter(source_pod=["x"])]
    assert ask(there.address, lambda client: _count(client, one * (MOST_FILTERS - 1), one)) == 0
    with pytest.raises(UsageError, match="the request has 201 filters, it may have 200") as refused:
        ask(there.address, lambda client: _count(client, one * MOST_FILTERS, one))
    assert refused.value.way_on == "several values in one filter: --pod a --pod b, or --pod a,b"


def test_a_method_that_nobody_has_is_answered_so(there: Server) -> None:
    with grpc.insecure_channel(there.address) as channel:
        for path in ("/observer.Observer/GetFlowz", "/a.B/C"):
            method: Any = channel.unary_unary(path)
            with pytest.raises(grpc.RpcError) as refused:
                method(b"", timeout=30)
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
            assert refused.value.details() == "there is no such method"


def test_our_client_understands_servers_that_say_so_without_a_type_of_content() -> None:
    async def asked() -> None:
        server = Plain([])
        await server.start("127.0.0.1", 0)
        assert server._server is not None
        port = server._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        async with Client(ClientSettings(f"127.0.0.1:{port}")) as client:
            assert await client.agent_status() == {}
            with pytest.raises(RubinError, match="does not offer this: Method not found"):
                await client.status()
        server.close()
        await server.wait_closed()

    asyncio.run(asked())
