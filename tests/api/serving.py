"""A real server in this process, on a Unix socket and TCP, and grpcio as the client that knows nothing of us."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import grpc

from rubin.api.listen import ListenSettings
from rubin.api.server import Server, ServerThread
from rubin.store.ring import Ring
from rubin.wire.pb import observer_pb2 as pb
from rubin.wire.pb import peer_pb2


@contextmanager
def serving(ring: Ring, directory: Path, **settings: Any) -> Iterator[Server]:
    """A server of the ring at `directory`/s and on a port of its own, gone at the end."""
    listening = ListenSettings(str(directory / "s"), "127.0.0.1:0")
    server = Server(ring, replace(listening, **settings), "node-1", status=lambda: {"programs": 3})
    thread = ServerThread(server)
    thread.start()
    try:
        yield server
    finally:
        thread.close()


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for the condition, and fail after ten seconds."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


_METHODS: dict[str, tuple[str, type[Any], type[Any]]] = {
    "GetFlows": ("observer.Observer", pb.GetFlowsRequest, pb.GetFlowsResponse),
    "GetAgentEvents": ("observer.Observer", pb.GetAgentEventsRequest, pb.GetAgentEventsResponse),
    "GetDebugEvents": ("observer.Observer", pb.GetDebugEventsRequest, pb.GetDebugEventsResponse),
    "GetNodes": ("observer.Observer", pb.GetNodesRequest, pb.GetNodesResponse),
    "GetNamespaces": ("observer.Observer", pb.GetNamespacesRequest, pb.GetNamespacesResponse),
    "ServerStatus": ("observer.Observer", pb.ServerStatusRequest, pb.ServerStatusResponse),
    "Notify": ("peer.Peer", peer_pb2.NotifyRequest, peer_pb2.ChangeNotification),
}
_STREAMS = ("GetFlows", "GetAgentEvents", "GetDebugEvents", "Notify")


class Foreign:
    """grpcio's calls by the names of Hubble's methods."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None = None, **options: Any) -> None:
        made = list(options.items())
        if credentials is None:
            self.channel = grpc.insecure_channel(address, made)
        else:
            self.channel = grpc.secure_channel(address, credentials, made)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.channel.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        service, request, reply = _METHODS[name]
        kind = self.channel.unary_stream if name in _STREAMS else self.channel.unary_unary
        method = kind(
            f"/{service}/{name}", request_serializer=request.SerializeToString, response_deserializer=reply.FromString
        )

        def call(**fields: Any) -> Any:
            return method(request(**fields), timeout=60)

        return call
