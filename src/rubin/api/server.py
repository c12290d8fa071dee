"""The server: the services on their sockets, and the thread of its own that an agent runs it in."""

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from grpclib.events import SendInitialMetadata, SendTrailingMetadata, listen
from grpclib.reflection.service import ServerReflection

from rubin import __version__
from rubin.api.columns import Columns
from rubin.api.framing import Server as GRPCServer
from rubin.api.health import health_service
from rubin.api.listen import ListenSettings, tcp_socket, tls_of, unix_socket
from rubin.api.notifications import Notifications
from rubin.api.observer import Observer
from rubin.api.peer import peer_service, reachable
from rubin.api.wakes import Wakes
from rubin.errors import RubinError
from rubin.store.ring import Ring

_LOG = logging.getLogger(__name__)
logging.getLogger("grpclib").setLevel(logging.WARNING)  # it tells of every client that hangs up
_TICK_S = 1.0


class Server:
    """Serves a ring: `await start()`, `await close()`, both on the loop that answers.

    `address` is where TCP listens, once started ("" if it does not): the port may be asked for as 0.
    Raises RubinError where it cannot listen; then nothing listens.
    """

    def __init__(
        self,
        ring: Ring,
        settings: ListenSettings | None = None,
        node_name: str = "",
        status: Callable[[], Mapping[str, Any]] = dict,
        endpoints: Callable[[str, int], list[Any]] = lambda _who, _time_ns: [],
    ) -> None:
        self.settings = settings or ListenSettings()
        self.address = ""
        self._ring, self._status, self._endpoints = ring, status, endpoints
        self._node_name = node_name or socket.gethostname()
        self._servers: list[GRPCServer] = []
        self._socket_inode = 0

    async def start(self) -> None:
        """Listen and answer."""
        self._tls = tls_of(self.settings)
        listeners = self._listeners()
        self.notifications = Notifications(self._node_name)
        self._wakes = Wakes(self._ring)
        self._observer = Observer(self._ring, self._wakes, self.notifications, self._node_name)
        columns = Columns(self._ring, self._wakes, self._node_name, self._status, self._endpoints)
        peer = peer_service(self._node_name, reachable(self.address), self._tls is not None)
        served = [self._observer.service(), peer, health_service(), columns.service()]
        for listener in listeners:
            server = GRPCServer(ServerReflection.extend(served))
            listen(server, SendInitialMetadata, _say_version)
            listen(server, SendTrailingMetadata, _say_version)
            over_tcp = listener.family != socket.AF_UNIX
            await server.start(sock=listener, ssl=self._tls.context if self._tls and over_tcp else None)
            self._servers.append(server)
        self.notifications.started()
        self._ticks = asyncio.create_task(self._tick())

    @property
    def followers(self) -> int:
        """How many clients wait for new flows; from `start` on."""
        return self._wakes.followers

    async def close(self) -> None:
        """Hang up on everyone; the socket's file goes unless another server has put its own there."""
        self._ticks.cancel()
        for server in self._servers:
            await server.dismiss()
            server.close()
            server.hang_up()
            await server.wait_closed()
        self._servers = []
        path = Path(self.settings.socket_path)
        if self._socket_inode and path.exists() and path.stat().st_ino == self._socket_inode:
            path.unlink()

    def _listeners(self) -> list[socket.socket]:
        listeners = []
        if self.settings.listen_address:
            listeners.append(tcp_socket(self.settings.listen_address, self._tls is not None))
            host, port = listeners[0].getsockname()[:2]
            self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if self.settings.socket_path:
                listeners.append(unix_socket(self.settings.socket_path))
                self._socket_inode = os.stat(self.settings.socket_path).st_ino
        except RubinError:
            for listener in listeners:
                listener.close()
            raise
        return listeners

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._observer.tick()
            try:
                if self._tls is not None:
                    self._tls.refresh()
            except RubinError as error:
                _LOG.warning("tls=stale reason=%r", error.sentence)


async def _say_version(event: SendInitialMetadata | SendTrailingMetadata) -> None:
    event.metadata["hubble-server-version"] = __version__


class ServerThread:
    """A server on a thread and loop of its own: `start()` returns when it answers, or raises what it raised."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._thread = threading.Thread(target=self._run, name="rubin-api", daemon=True)
        self._started = threading.Event()
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Raises RubinError where the server cannot listen."""
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def close(self) -> None:
        """Hang up and wait for the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._server.start()
        except BaseException as error:
            self._failure = error
            return
        finally:
            self._started.set()
        await self._stop.wait()
        await self._server.close()
