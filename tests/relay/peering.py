"""A Hubble node whose peer service tells what a test wants: grpcio's server, over TCP or a Unix socket."""

import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Self

import grpc

from rubin.wire.pb.observer_pb2 import ServerStatusResponse
from rubin.wire.pb.peer_pb2 import PEER_ADDED, TLS, ChangeNotification
from tests.waiting import wait_for


def peer(name: str, address: str, kind: int = PEER_ADDED, server_name: str | None = None) -> ChangeNotification:
    """A change; a server name, "" too, says that the node speaks TLS."""
    made = ChangeNotification(name=name, address=address, type=kind)  # type: ignore[arg-type]
    if server_name is not None:
        made.tls.CopyFrom(TLS(server_name=server_name))
    return made


class Peering(grpc.GenericRpcHandler):  # type: ignore[type-arg, unused-ignore]
    """`first` is told to whoever asks, `tell` more to who still listens; `streams` counts who asked. A context."""

    def __init__(self, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None) -> None:
        self.first: list[ChangeNotification | bytes] = []
        self.streams = self.looks = 0
        self._address, self._credentials = address, credentials
        self._listeners: list[queue.SimpleQueue[ChangeNotification | bytes | None]] = []
        self.address = address

    def start(self) -> Self:
        """Listen, on the port of before where there was one."""
        self._server = grpc.server(ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers((self,))

        def bind() -> int:
            with suppress(RuntimeError):  # the port of before may be free only in a moment
                if self._credentials is not None:
                    return self._server.add_secure_port(self.address, self._credentials)
                return self._server.add_insecure_port(self.address)
            return 0

        port = wait_for(bind, f"{self.address} to be free")
        if not self.address.startswith("unix:"):
            self.address = f"127.0.0.1:{port}"
        self._server.start()
        return self

    def tell(self, *changes: ChangeNotification | bytes) -> None:
        """More for who listens."""
        for change in changes:
            for listener in self._listeners:
                listener.put(change)

    def end(self) -> None:
        """End the streams."""
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.put(None)

    def stop(self) -> None:
        """Gone."""
        self.end()
        self._server.stop(None).wait()

    def service(self, handler_call_details: Any) -> Any:
        """As grpcio asks."""
        serializer = lambda said: said if isinstance(said, bytes) else said.SerializeToString()  # noqa: E731
        if handler_call_details.method == "/peer.Peer/Notify":
            return grpc.unary_stream_rpc_method_handler(self._notify, response_serializer=serializer)
        if handler_call_details.method == "/observer.Observer/ServerStatus":
            return grpc.unary_unary_rpc_method_handler(self._status, response_serializer=serializer)
        return None

    def _notify(self, request: bytes, context: Any) -> Iterator[ChangeNotification | bytes]:
        changes: queue.SimpleQueue[ChangeNotification | bytes | None] = queue.SimpleQueue()
        context.add_callback(lambda: changes.put(None))
        self._listeners.append(changes)
        self.streams += 1
        yield from list(self.first)
        while (change := changes.get()) is not None:
            yield change

    def _status(self, request: bytes, context: Any) -> ServerStatusResponse:
        self.looks += 1
        return ServerStatusResponse(version="1.16.0")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
