"""The client gets columns from ours and messages from Hubble's, and says in words what is wrong with a server."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest

from rubin.api.client import Client
from rubin.api.target import ClientSettings, target_of, tls_context
from rubin.errors import RubinError, UsageError
from rubin.model.batch import FlowBatch, Lost, concat
from rubin.model.enums import LostSource
from rubin.model.tables import Tables
from rubin.store.ring import Ring
from rubin.wire.pb import observer_pb2 as pb
from rubin.wire.pb.flow_pb2 import DROPPED, FlowFilter
from rubin.wire.pb.rubin_pb2 import StatusResponse
from tests.api.hubble import flow_response, hubble
from tests.api.serving import serving
from tests.flows import generate

Answer = TypeVar("Answer")


def ask(target: str, question: Callable[[Client], Coroutine[Any, Any, Answer]], **settings: Any) -> Answer:
    """What a fresh client of `target` answers."""

    async def run() -> Answer:
        async with Client(ClientSettings(target, **settings)) as client:
            return await question(client)

    return asyncio.run(run())


async def _all(client: Client, **fields: Any) -> list[FlowBatch]:
    return [batch async for batch in client.flows(pb.GetFlowsRequest(**fields))]


def test_from_our_server_flows_come_as_columns_with_what_hubble_has_no_word_for(tmp_path: Path):
    ring = Ring(100_000)
    sent = generate(50_000)
    ring.append(sent.with_lost((Lost(LostSource.OBSERVER_EVENTS_QUEUE, 3, 1),)))
    with serving(ring, tmp_path) as server:
        for target in (f"unix://{tmp_path}/s", f"unix:{tmp_path}/s", server.address):
            got = concat(ask(target, _all))
            for name in sent.names():
                if not name.endswith("endpoint") and name not in ("process", "node_name", "kernel_drop_reason"):
                    assert (got[name] == sent[name]).all(), name
            assert got.rows("process")[:100] == sent.rows("process")[:100]
            assert got.rows("destination_endpoint")[-100:] == sent.rows("destination_endpoint")[-100:]
            assert [lost.events for lost in got.lost] == [3]


def test_selectors_and_filters_work_over_columns(tmp_path: Path):
    ring = Ring(100_000)
    ring.append(generate(50_000))
    with serving(ring, tmp_path) as server:
        assert sum(map(len, ask(server.address, lambda client: _all(client, number=20)))) == 20
        dropped = ask(server.address, lambda client: _all(client, whitelist=[FlowFilter(verdict=[DROPPED])]))
        assert 0 < sum(map(len, dropped)) < 5_000
        with pytest.raises(UsageError, match="nonsense") as refused:
            ask(server.address, lambda client: _all(client, whitelist=[FlowFilter(protocol=["nonsense"])]))
        assert refused.value.way_on


def test_what_else_our_server_says(tmp_path: Path):
    ring = Ring(100_000)
    ring.append(generate(1_000))

    async def everything(client: Client) -> None:
        status = await client.status()
        assert (status.num_flows, status.max_flows) == (1_000, 100_000)
        assert client.server_version == "0.1.0"
        assert [one.namespace for one in await client.namespaces()] == [
            "default",
            "kube-system",
            "monitoring",
            "shop",
        ]
        assert await client.health() == "SERVING"
        assert await client.agent_status() == {"programs": 3}
        assert len([event async for event in client.agent_events(pb.GetAgentEventsRequest())]) == 1
        assert [event async for event in client.debug_events(pb.GetDebugEventsRequest())] == []
        peer = await anext(aiter(client.peers()))
        assert (peer.name, peer.address, peer.HasField("tls")) == ("node-1", server.address, False)
        with pytest.raises(RubinError, match="does not offer this: GetNodes"):
            await client.nodes()

    with serving(ring, tmp_path) as server:
        ask(server.address, everything)


def test_following_ends_when_the_client_has_enough(tmp_path: Path):
    ring, tables = Ring(100_000), Tables()
    ring.append(generate(100, tables=tables))

    async def some(client: Client) -> int:
        seen = 0
        async for batch in client.flows(pb.GetFlowsRequest(follow=True, number=50)):
            seen += len(batch)
            if seen >= 70:
                break
            ring.append(generate(10, tables=tables))
        return seen

    with serving(ring, tmp_path) as server:
        assert ask(server.address, some) == 70


def test_from_a_foreign_server_messages_become_columns():
    def answer(method: str, request: bytes, context: Any) -> Iterator[pb.GetFlowsResponse]:
        assert method == "GetFlows"
        asked = pb.GetFlowsRequest.FromString(request)
        context.send_initial_metadata((("hubble-relay-version", "1.19.4"),))
        status = pb.GetFlowsResponse()
        status.node_status.node_names.append("a")
        yield status
        for number in range(1, asked.number + 1):
            yield flow_response(number)
        lost = pb.GetFlowsResponse()
        lost.lost_events.num_events_lost = 9
        yield lost

    async def flows(client: Client) -> FlowBatch:
        request = pb.GetFlowsRequest(number=10_000)
        batches = [batch async for batch in client.flows(request, lambda status: statuses.append(status.node_status))]
        assert client.server_version == "1.19.4"
        return concat(batches)

    statuses: list[Any] = []
    with hubble(answer) as address:
        got = ask(address, flows)
    assert got["source_port"].tolist() == list(range(1, 10_001))
    assert [lost.events for lost in got.lost] == [9]
    assert [list(status.node_names) for status in statuses] == [["a"]]


def test_a_slow_stream_is_handed_on_as_it_comes():
    """The server sends a second flow only once the first has been seen."""
    seen = threading.Event()

    def answer(_method: str, _request: bytes, _context: Any) -> Iterator[pb.GetFlowsResponse]:
        yield flow_response(1)
        assert seen.wait(10)
        yield flow_response(2)

    async def flows(client: Client) -> list[int]:
        ports = []
        async for batch in client.flows(pb.GetFlowsRequest(follow=True)):
            ports += batch["source_port"].tolist()
            seen.set()
        return ports

    with hubble(answer) as address:
        assert ask(address, flows) == [1, 2]


@contextmanager
def _speaking(answer: bytes | None) -> Iterator[str]:
    """A TCP server that says this and hangs up, whatever it hears; None: says nothing and stays."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections.append(connection)
                if answer is not None:
                    connection.recv(65_536)
                    connection.sendall(answer)
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in connections:
            connection.close()


@pytest.mark.parametrize(
    ("spoken", "says"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is a web server, not a Hubble server"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "wants TLS"),
        (b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n", "does not speak gRPC"),
        (b"", "hung up without a word"),
        (None, "does not answer within 0.3 s"),
    ],
)
def test_a_server_that_is_none_of_hubbles(spoken: bytes | None, says: str):
    with _speaking(spoken) as address, pytest.raises(RubinError, match=says) as refused:
        ask(address, Client.status, timeout_s=0.3 if spoken is None else 5.0)
    assert refused.value.way_on


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "[" * 100_000])
def test_an_answer_that_is_none_of_ours(text: str):
    def answer(*_: Any) -> StatusResponse:
        return StatusResponse(json=text)

    with hubble(answer, service="rubin.Columns") as address, pytest.raises(RubinError, match="JSON") as refused:
        ask(address, Client.agent_status)
    assert refused.value.way_on


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, RubinError, "does not let you in: who are you"),
        (grpc.StatusCode.PERMISSION_DENIED, RubinError, "does not let you in"),
        (grpc.StatusCode.UNIMPLEMENTED, RubinError, "does not offer this"),
        (grpc.StatusCode.UNAVAILABLE, RubinError, "is not available"),
        (grpc.StatusCode.INVALID_ARGUMENT, UsageError, "who are you"),
        (grpc.StatusCode.INTERNAL, RubinError, "answered INTERNAL: who are you"),
    ],
)
def test_a_refusal_is_said_in_words(code: grpc.StatusCode, error: type[RubinError], says: str):
    def answer(_method: str, _request: bytes, context: Any) -> None:
        context.abort(code, "who are you")

    with hubble(answer) as address, pytest.raises(error, match=says):
        ask(address, Client.status)


def test_a_server_that_hangs_in_the_middle_is_given_up():
    release = threading.Event()

    def answer(_method: str, _request: bytes, _context: Any) -> pb.ServerStatusResponse:
        release.wait(10)
        return pb.ServerStatusResponse()

    with hubble(answer) as address:
        with pytest.raises(RubinError, match=r"did not answer within 0.3 s"):
            ask(address, Client.status, request_timeout_s=0.3)
        release.set()


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("127.0.0.1:1", "cannot reach 127.0.0.1:1: connection refused"),
        ("unix:///nowhere/at.all", "there is no socket /nowhere/at.all"),
        ("no-such-host.invalid:80", "host 'no-such-host.invalid' is not known"),
    ],
)
def test_an_unreachable_server(target: str, says: str):
    with pytest.raises(RubinError, match=says) as refused:
        ask(target, Client.status)
    assert refused.value.way_on


def test_a_server_that_goes_away_in_the_middle(tmp_path: Path):
    ring, tables = Ring(100_000), Tables()
    ring.append(generate(100, tables=tables))

    async def watch(client: Client) -> None:
        async for batch in client.flows(pb.GetFlowsRequest(follow=True, number=10)):
            assert len(batch) == 10
            seen.set()

    seen = threading.Event()
    failures: list[RubinError] = []

    def client() -> None:
        try:
            ask(f"unix:{tmp_path}/s", watch)
        except RubinError as error:
            failures.append(error)

    thread = threading.Thread(target=client)
    with serving(ring, tmp_path):
        thread.start()
        assert seen.wait(10)
    thread.join(10)
    assert failures[0].sentence.endswith("is not available: the server stops")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:4245", ("localhost", 4245, "", False)),
        ("tls://example.com:443", ("example.com", 443, "", True)),
        ("[::1]:4245", ("::1", 4245, "", False)),
        (":4245", ("localhost", 4245, "", False)),
        ("unix:///run/rubin/rubin.sock", ("", 0, "/run/rubin/rubin.sock", False)),
        ("unix:relative.sock", ("", 0, "relative.sock", False)),
    ],
)
def test_targets_are_hubbles(text: str, expected: tuple[str, int, str, bool]):
    target = target_of(ClientSettings(text))
    assert (target.host, target.port, target.path, target.tls) == expected


@pytest.mark.parametrize("text", ["localhost", "unix://", "http://localhost:1", "::1:4245", "a:b", "a:99999", ""])
def test_what_is_no_target_is_refused(text: str):
    with pytest.raises(UsageError):
        target_of(ClientSettings(text))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"tls": True, "tls_client_cert_file": "a"}, "certificate and private key are both required"),
        ({"tls_client_cert_file": "a", "tls_client_key_file": "b"}, "transport layer security required"),
        ({"tls_ca_cert_files": ("a",)}, "transport layer security required"),
        ({"tls": True, "tls_ca_cert_files": ("/nowhere",)}, "cannot use the TLS files"),
    ],
)
def test_tls_settings_that_do_not_fit_together(settings: dict[str, Any], says: str):
    made = ClientSettings("localhost:1", **settings)
    with pytest.raises(RubinError, match=says):
        tls_context(made, target_of(made))
