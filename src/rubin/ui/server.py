"""The application, served: listens, says where, ends well."""

import asyncio
import errno
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from rubin.api.listen import host_and_port
from rubin.errors import RubinError, UsageError
from rubin.ui.security import is_loopback

_MOST_MESSAGE_BYTES = 64 << 10
_GRACE_S = 2


def listener(text: str) -> socket.socket:
    """The socket that listens at `host:port`; port 0 is one that is free. Raises RubinError where it cannot."""
    host, port = host_and_port(text)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(128)
    except OSError as error:
        made.close()
        raise _explained(error, text) from error
    return made


def address(of: socket.socket) -> str:
    """Where it listens, as in a URL."""
    host, port = of.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_local(text: str) -> bool:
    """Whether only this machine reaches `host:port`. Raises UsageError where it is none."""
    host, _ = host_and_port(text)
    return is_loopback(host)


def serve(app: ASGIApp, on: socket.socket, started: Callable[[], None], ending: Callable[[], None]) -> None:
    """Until Ctrl-C or SIGTERM; `started` is called once it answers, `ending` before tabs are hung up on."""
    asyncio.run(server_of(app, started, ending).serve(sockets=[on]))


def server_of(app: ASGIApp, started: Callable[[], None], ending: Callable[[], None]) -> uvicorn.Server:
    """What serves it, for a loop of the caller's; it ends where `should_exit` is set."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="websockets-sansio",
        ws_max_size=_MOST_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # it costs more than it saves on a machine's own wire
        timeout_graceful_shutdown=_GRACE_S,
        lifespan="on",
    )
    return _Server(config, started, ending)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None], ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._said, self._ending = started, ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._said()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()
        for _ in range(3):  # turns of the loop in which the tabs' last frames are sent
            await asyncio.sleep(0)
        await super().shutdown(sockets)


def _explained(error: OSError, text: str) -> RubinError:
    match error.errno:
        case errno.EADDRINUSE:
            return RubinError(
                f"somebody listens at {text} already", "another port: --listen 127.0.0.1:0 takes a free one"
            )
        case errno.EACCES:
            return RubinError(f"not allowed to listen at {text}", "a port from 1024 on")
        case errno.EADDRNOTAVAIL:
            return RubinError(f"{text} is no address of this machine", "--listen 127.0.0.1:12000")
    return UsageError(f"cannot listen at {text}: {error.strerror or error}", "--listen 127.0.0.1:12000")
