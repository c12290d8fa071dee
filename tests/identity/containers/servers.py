"""What listens on a Unix socket: runtimes of the tests' own, and what is none."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from grpclib.server import Server


@contextmanager
def listening(path: Path, serve: Callable[[socket.socket], None]) -> Iterator[Path]:
    """A socket where each connection is served by a function, one after the other, and hung up then."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=_accept, args=(listener, serve), daemon=True)
        thread.start()
        try:
            yield path
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5.0)
            assert not thread.is_alive()
            path.unlink()


def _accept(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    with suppress(OSError):  # shut down
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                serve(connection)


def close(connection: socket.socket) -> None:
    """Says nothing."""


def echo(connection: socket.socket) -> None:
    """Says what it hears."""
    while data := connection.recv(4096):
        connection.sendall(data)


def hang(connection: socket.socket) -> None:
    """Hears everything and says nothing, until the other side goes."""
    while connection.recv(4096):
        continue


def saying(data: bytes) -> Callable[[socket.socket], None]:
    """Says the same to everybody."""

    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(data)

    return serve


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = True


@contextmanager
def http(path: Path, answers: Mapping[str, tuple[int, bytes]]) -> Iterator[Path]:
    """An HTTP server with answers by path; 404 elsewhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.path.partition("?")[0], (404, b"{}"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, *args: Any) -> None:
            return None

    with _Server(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield path
        finally:
            server.shutdown()
            thread.join()
            path.unlink()


@contextmanager
def grpc(path: Path, *services: Any) -> Iterator[asyncio.AbstractEventLoop]:
    """A gRPC server; its loop, for what shall happen there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> Server:
        server = Server(list(services))
        await server.start(path=str(path))
        return server

    async def end(server: Server) -> None:
        server.close()
        await server.wait_closed()

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(5.0)
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(end(server), loop).result(5.0)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        path.unlink(missing_ok=True)
