"""Services on their sockets."""

import asyncio
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from grpclib.events import RecvRequest, SendInitialMetadata, SendTrailingMetadata, listen
from grpclib.reflection.service import ServerReflection

from rubin.api import asking
from rubin.api.door import Door
from rubin.api.framing import Server
from rubin.api.listen import ListenSettings, tcp_socket, tls_of, unix_socket
from rubin.api.service import Service
from rubin.errors import RubinError

logging.getLogger("grpclib").setLevel(logging.WARNING)  # it tells of every client that hangs up
_TICK_S = 1.0


class Listening:
    """`open`, then `serve`, then `close`. Every answer carries `headers`; certificates that change are read again.

    `address` is where TCP listens, once opened ("" if it does not): the port may be asked for as 0.
    """

    def __init__(self, settings: ListenSettings, headers: Mapping[str, str]) -> None:
        self.address = ""
        self._settings, self._headers = settings, headers
        self._listeners: list[socket.socket] = []
        self._servers: list[Server] = []
        self._socket_inode = 0

    @property
    def is_tls(self) -> bool:
        """Whether TCP is encrypted."""
        return self._tls is not None

    def tls_status(self) -> dict[str, object]:
        """As `Certificates.status`; {} where TCP is not encrypted."""
        return self._tls.status() if self._tls is not None else {}

    def door_status(self) -> dict[str, object]:
        """As `Door.status`."""
        return self._door.status()

    def open(self) -> None:
        """Take the addresses. Raises RubinError where it cannot; then nothing is taken."""
        self._tls = tls_of(self._settings)
        self._door = Door(self._settings.access_file, self._settings.audit_file)
        try:
            if self._settings.listen_address:
                is_closed = self._tls is not None or self._settings.is_public
                plain = self._settings.disable_server_tls
                self._listeners.append(tcp_socket(self._settings.listen_address, is_closed, plain))
                host, port = self._listeners[0].getsockname()[:2]
                self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            if self._settings.socket_path:
                self._listeners.append(unix_socket(self._settings.socket_path))
                self._socket_inode = os.stat(self._settings.socket_path).st_ino
        except RubinError:
            for listener in self._listeners:
                listener.close()
            self._door.close()
            raise

    async def serve(self, services: Sequence[Service]) -> None:
        """Answer, and describe the services to who asks."""
        for listener in self._listeners:
            server = Server(ServerReflection.extend(list(services)))
            listen(server, RecvRequest, self._door.enter)
            listen(server, SendInitialMetadata, self._say)
            listen(server, SendTrailingMetadata, self._say)
            over_tcp = listener.family != socket.AF_UNIX
            await server.start(sock=listener, ssl=self._tls.context if self._tls and over_tcp else None)
            self._servers.append(server)
        self._ticks = asyncio.create_task(self._tick())

    async def close(self) -> None:
        """Hang up on everyone; the socket's file goes unless another server has put its own there."""
        self._ticks.cancel()
        for server in self._servers:
            await server.dismiss()
            server.close()
            server.hang_up()
            await server.wait_closed()
        self._servers = []
        self._door.close()
        path = Path(self._settings.socket_path)
        if self._socket_inode and path.exists() and path.stat().st_ino == self._socket_inode:
            path.unlink()

    async def _say(self, event: SendInitialMetadata | SendTrailingMetadata) -> None:
        event.metadata.update(self._headers)
        if asking.is_narrowed():
            event.metadata[asking.NARROWED] = "1"

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            if self._tls is not None:
                self._tls.refresh()  # new connections do so, too; what is wrong is told before one comes
            await self._door.refresh()
