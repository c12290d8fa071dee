"""The nodes behind a relay: a connection to each, kept up for as long as the node is among those that were found."""

import asyncio
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from rubin.api import asking
from rubin.api.client import Client, Dialling
from rubin.api.target import ClientSettings, reloading_context
from rubin.errors import RubinError
from rubin.trust.contexts import Reloading

_FIRST_WAIT_S, _LAST_WAIT_S = 1.0, 60.0
_LOOK_S = 15.0
_AT_ONCE = 32
_LEAST_WINDOW_BYTES = 1 << 18


class State(StrEnum):
    """gRPC's names for how a connection stands."""

    IDLE = "IDLE"
    CONNECTING = "CONNECTING"
    READY = "READY"
    TRANSIENT_FAILURE = "TRANSIENT_FAILURE"
    SHUTDOWN = "SHUTDOWN"


@dataclass(frozen=True, slots=True)
class Found:
    """A node as discovery tells of it. `name` "": it says it itself. `address` "": not known. `server_name` is what its
    certificate must say, where that is not the host.
    """

    address: str
    name: str = ""
    server_name: str = ""
    tls: bool = False


@dataclass(slots=True, eq=False)
class Peer:
    """A node, and how the connection to it stands: `sentence` and `way_on` say what is wrong, "" where nothing is."""

    found: Found
    state: State = State.IDLE
    client: Client | None = None
    node: str = ""
    is_ours: bool = False
    server: str = ""
    sentence: str = ""
    way_on: str = ""
    since_s: float = field(default_factory=time.time)

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.client is not None and self.client.target.tls

    @property
    def name(self) -> str:
        """As discovery calls it, else as it calls itself, else its address."""
        return self.found.name or self.node or self.found.address

    def is_relay(self) -> bool:
        """Whether it is no node but a relay; known from the first answer on."""
        return self.client is not None and self.client.is_relay


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How nodes are reached. `window_bytes` may be on their way on all connections together. `disable_tls`: whatever
    discovery says.
    """

    client: ClientSettings = field(default_factory=ClientSettings)
    dialling: Dialling = field(default_factory=Dialling)
    window_bytes: int = 1 << 26
    disable_tls: bool = False


class Pool:
    """`update` says which nodes there are, `peers` how they stand, by address or name where that is not known."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self.peers: dict[str, Peer] = {}
        self.reconnects = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._dialling = asyncio.Semaphore(_AT_ONCE)
        self._tls: Reloading | None = None

    def changed(self) -> asyncio.Event:
        """What will be set when a peer comes, goes, or changes its state. Take it before looking."""
        return self._changed

    def ready(self) -> list[Peer]:
        """Those that may be asked."""
        return [peer for peer in self.peers.values() if peer.state is State.READY]

    def update(self, found: Iterable[Found]) -> None:
        """These are there; others go."""
        wanted = {one.address or one.name: one for one in found}
        for key in [key for key, peer in self.peers.items() if wanted.get(key) != peer.found]:
            self._tasks.pop(key).cancel()
            peer = self.peers.pop(key)
            self._enter(peer, State.SHUTDOWN)
        for key, one in wanted.items():
            if key not in self.peers:
                self.peers[key] = peer = Peer(one)
                self._tasks[key] = asyncio.create_task(self._keep(peer))
        self._note()

    async def close(self) -> None:
        """Hang up on all."""
        tasks = list(self._tasks.values())
        self.update(())
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, peer: Peer) -> None:
        """Connected for ever; what breaks is connected again."""
        wait_s = _FIRST_WAIT_S
        while True:
            began_s = time.monotonic()
            try:
                await self._once(peer)
            except RubinError as error:
                peer.sentence, peer.way_on = error.sentence, error.way_on
            if peer.client is not None and time.monotonic() - began_s > wait_s:
                wait_s = _FIRST_WAIT_S
            peer.client, peer.server = None, ""
            self._enter(peer, State.TRANSIENT_FAILURE)
            await asyncio.sleep(wait_s * random.uniform(0.8, 1.2))  # not all at once
            wait_s = min(2 * wait_s, _LAST_WAIT_S)
            self.reconnects += 1

    async def _once(self, peer: Peer) -> None:
        """From the dial to the end of the connection. Raises RubinError."""
        if not peer.found.address:
            raise RubinError(f"the address of {peer.name} is not known", "a peer service that knows it")
        async with self._dialling:
            self._enter(peer, State.CONNECTING)
            settings = self._client_settings(peer.found)
            client = Client(settings, self._own_dialling(settings))
            await client.__aenter__()
        try:
            await client.status()
            if any(pair in client.server_headers.items() for pair in self._settings.dialling.metadata):
                raise RubinError(f"{peer.found.address} is this relay itself", "the addresses of nodes")
            server = str(client.server_headers.get(asking.SERVER, ""))
            for other in self.peers.values():
                if server and other.server == server:
                    what = f"{peer.found.address} is the node that is asked at {other.found.address} already"
                    raise RubinError(what, "one address of each node")
            peer.server = server
            status = await client.agent_status()
            peer.node, peer.is_ours, peer.client = str(status.get("node", "")), bool(status), client
            peer.sentence = peer.way_on = ""
            self._enter(peer, State.READY)
            await self._watched(client)
        finally:
            await client.__aexit__()

    async def _watched(self, client: Client) -> None:
        """Until the connection ends, or nobody answers on it."""
        ended = asyncio.create_task(client.ended())
        try:
            while not (await asyncio.wait({ended}, timeout=_LOOK_S))[0]:
                await client.status()
        finally:
            ended.cancel()
        raise RubinError(f"{client.target.text} hung up", "its log says why")

    def _client_settings(self, found: Found) -> ClientSettings:
        settings, over_tcp = self._settings.client, not found.address.startswith("unix:")
        tls = over_tcp and not self._settings.disable_tls and (found.tls or settings.tls)
        if not tls:
            settings = ClientSettings(timeout_s=settings.timeout_s, request_timeout_s=settings.request_timeout_s)
        server_name = found.server_name or settings.tls_server_name
        return replace(settings, server=found.address, tls=tls, tls_server_name=server_name)

    def _own_dialling(self, settings: ClientSettings) -> Dialling:
        share = max(_LEAST_WINDOW_BYTES, self._settings.window_bytes // max(1, len(self.peers)))
        dialling = self._settings.dialling
        if settings.tls and self._tls is None:
            self._tls = reloading_context(self._settings.client)
        tls = self._tls.context if settings.tls and self._tls is not None else None
        return replace(dialling, tls=tls, window_bytes=min(share, dialling.window_bytes))

    def _enter(self, peer: Peer, state: State) -> None:
        peer.state, peer.since_s = state, time.time()
        self._note()

    def _note(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
