"""The server of a ring, and the thread of its own that an agent runs it in."""

import asyncio
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from selectors import BaseSelector, DefaultSelector
from typing import Any

from rubin import __version__
from rubin.api import asking
from rubin.api.columns import Columns
from rubin.api.health import health_service
from rubin.api.listen import ListenSettings
from rubin.api.listening import Listening
from rubin.api.notifications import Notifications
from rubin.api.observer import Observer
from rubin.api.peer import peer_service, reachable
from rubin.api.wakes import Wakes
from rubin.store.ring import Ring

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
        headers = {"hubble-server-version": __version__, asking.SERVER: uuid.uuid4().hex}
        self._listening = Listening(settings or ListenSettings(), headers)
        self._ring, self._status, self._endpoints = ring, status, endpoints
        self._node_name = node_name or socket.gethostname()

    @property
    def address(self) -> str:
        """Where TCP listens."""
        return self._listening.address

    def tls_status(self) -> Mapping[str, Any]:
        """As `Certificates.status`; {} where TCP is not encrypted."""
        return self._listening.tls_status()

    def door_status(self) -> Mapping[str, Any]:
        """As `Door.status`."""
        return self._listening.door_status()

    async def start(self) -> None:
        """Listen and answer."""
        self._listening.open()
        self.notifications = Notifications(self._node_name)
        self._wakes = Wakes(self._ring)
        self._observer = Observer(self._ring, self._wakes, self.notifications, self._node_name)
        columns = Columns(self._ring, self._wakes, self._node_name, self._status, self._endpoints)
        peer = peer_service(self._node_name, reachable(self.address), self._listening.is_tls)
        await self._listening.serve([self._observer.service(), peer, health_service(), columns.service()])
        self.notifications.started()
        self._ticks = asyncio.create_task(self._tick())

    @property
    def followers(self) -> int:
        """How many clients wait for new flows; from `start` on."""
        return self._wakes.followers

    async def close(self) -> None:
        """Hang up on everyone."""
        self._ticks.cancel()
        await self._listening.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._observer.tick()


class ServerThread:
    """A server on a thread and loop of its own: `start()` returns when it answers, or raises what it raised."""

    def __init__(self, server: Server, selector: Callable[[], BaseSelector] = DefaultSelector) -> None:
        """`selector` is called on the thread."""
        self._server, self._selector = server, selector
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
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(self._selector())) as runner:
            runner.run(self._serve())

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
