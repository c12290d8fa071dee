"""A relay on a loop of its own in this process, over servers that a test starts and stops."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from rubin.api.client import Client
from rubin.api.listen import ListenSettings
from rubin.api.server import Server, ServerThread
from rubin.api.target import ClientSettings
from rubin.errors import RubinError
from rubin.model.batch import FlowBatch
from rubin.relay.merge import Bounds
from rubin.relay.pool import Found, PoolSettings
from rubin.relay.server import Relay, Settings
from rubin.store.ring import Ring
from rubin.wire.pb.observer_pb2 import GetFlowsRequest, GetFlowsResponse
from tests.waiting import wait_for

T = TypeVar("T")


class Node:
    """An agent's server over a ring, which a test fills."""

    def __init__(self, name: str, address: str = "127.0.0.1:0", capacity: int = 100_000, **listen: Any) -> None:
        self.name, self.ring = name, Ring(capacity)
        status = {"node": name, "lost": {}}
        self.server = Server(self.ring, ListenSettings("", address, **listen), name, lambda: status)
        self._thread = ServerThread(self.server)
        self._thread.start()
        self.address = self.server.address

    def close(self) -> None:
        """Gone."""
        self._thread.close()


class Relayed:
    """A relay that is asked by a client of its own."""

    def __init__(self, relay: Relay, loop: asyncio.AbstractEventLoop) -> None:
        self.relay, self._loop = relay, loop

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float = 30) -> T:
        """On the relay's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def update(self, addresses: Iterable[str | Found]) -> None:
        """The nodes there are."""

        async def update() -> None:
            self.relay.pool.update(one if isinstance(one, Found) else Found(one) for one in addresses)

        self.run(update())

    def states(self) -> dict[str, str]:
        """How each peer stands, by its address."""
        return {peer.found.address: str(peer.state) for peer in list(self.relay.pool.peers.values())}

    def ready(self, count: int) -> None:
        """Wait until so many nodes may be asked."""
        wait_for(lambda: sum(state == "READY" for state in self.states().values()) == count, f"{count} nodes")


@contextmanager
def relaying(bounds: Bounds | None = None, settings: PoolSettings | None = None, **listen: Any) -> Iterator[Relayed]:
    """A relay without nodes on a port of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    where = ListenSettings("", **({"listen_address": "127.0.0.1:0"} | listen))
    relayed = Relayed(Relay(Settings(where, settings or PoolSettings(), bounds or Bounds(), "relay-1")), loop)
    relayed.run(relayed.relay.start())
    try:
        yield relayed
    finally:
        relayed.run(relayed.relay.close())
        relayed.run(asyncio.sleep(0))  # what was aborted is closed in the loop's next turn
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def nodes(*names: str) -> Iterator[list[Node]]:
    """Servers by these names."""
    made = [Node(name) for name in names]
    try:
        yield made
    finally:
        for node in made:
            node.close()


class Follower:
    """A client on a thread of its own that keeps all that it is told."""

    def __init__(self, address: str | ClientSettings, **fields: Any) -> None:
        self.batches: list[FlowBatch] = []
        self.late: list[FlowBatch] = []
        self.statuses: list[GetFlowsResponse] = []
        self.seen_s: list[float] = []
        self.error: BaseException | None = None
        self._request = GetFlowsRequest(**fields)
        self._settings = ClientSettings(address) if isinstance(address, str) else address
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def flows(self) -> int:
        """How many have come, late ones too."""
        return sum(map(len, (*self.batches, *self.late)))

    def lost(self) -> int:
        """How many were told to be lost."""
        return sum(lost.events for batch in self.batches for lost in batch.lost)

    def news(self) -> list[tuple[int, list[str], str]]:
        """What was told of nodes."""
        told = [one.node_status for one in self.statuses]
        return [(int(one.state_change), list(one.node_names), one.message) for one in told]

    def told(self, state: int) -> bool:
        """Whether there was news of that kind."""
        return any(news[0] == state for news in self.news())

    def close(self) -> None:
        """Hang up."""
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(30)

    def wait(self, timeout_s: float = 30) -> None:
        """Until the answer ends."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            asyncio.run(self._read())
        except (RubinError, asyncio.CancelledError) as error:
            self.error = error

    async def _read(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        async with Client(self._settings) as client:
            async for told in client.told(self._request):
                if told.status is not None:
                    self.statuses.append(told.status)
                if told.flows is not None and told.is_late:
                    self.late.append(told.flows)
                elif told.flows is not None:
                    self.seen_s.append(time.time())
                    self.batches.append(told.flows)


def ask(address: str | ClientSettings, question: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    """What a client hears."""

    async def connected() -> T:
        async with Client(ClientSettings(address) if isinstance(address, str) else address) as client:
            return await question(client)

    return asyncio.run(connected())
