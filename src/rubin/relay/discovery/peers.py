"""Nodes that another node tells of: Hubble's peer service."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from rubin.api.client import Client, Dialling
from rubin.api.target import ClientSettings, reloading_context
from rubin.errors import RubinError
from rubin.relay.discovery.naming import Defaults, node
from rubin.relay.discovery.source import Source, Tell
from rubin.relay.pool import Found, PoolSettings
from rubin.wire.pb.peer_pb2 import PEER_ADDED, PEER_DELETED, PEER_UPDATED, ChangeNotification


@dataclass(frozen=True, slots=True)
class Pace:
    """When to do something after nothing has happened."""

    retry_s: float = 30.0
    """A service that has gone is tried again."""
    settled_s: float = 5.0
    """What has not been told by then is not there any more."""
    look_s: float = 15.0
    """Whether there is still somebody who could say something."""


class PeerService(Source):
    """`peer.Peer/Notify` of the node at this address. Raises UsageError.

    Who was known stays while the service is away; who is not told of any more when it is back goes.
    """

    def __init__(self, text: str, defaults: Defaults, reach: PoolSettings, pace: Pace | None = None) -> None:
        super().__init__(f"peer service {text}")
        self._settings, self._dialling = _reached(node(text, defaults), defaults, reach)
        self._defaults, self._pace = defaults, pace or Pace()
        self._known: dict[str, Found] = {}
        self._again: set[str] = set()

    async def run(self, tell: Tell) -> None:
        """For ever; what had stood for a while and ends is tried again at once."""
        clock, at_once = asyncio.get_running_loop().time, True
        while True:
            began_s = clock()
            try:
                await self._listen(tell)
            except RubinError as error:
                way_on = error.way_on.replace("--server ", "--peer-service ")
                self.say(RubinError(error.sentence, way_on))
            at_once = at_once or clock() - began_s >= self._pace.retry_s
            if not (at_once and self._again):
                await asyncio.sleep(self._pace.retry_s)
            at_once = False

    async def _listen(self, tell: Tell) -> None:
        """From the dial to the end of the stream. Raises RubinError."""
        self._again.clear()
        async with Client(self._settings, self._dialling) as client:
            changes, is_settled = client.peers(), False
            coming = asyncio.ensure_future(_next(changes))
            try:
                while True:
                    wait_s = self._pace.look_s if is_settled else self._pace.settled_s
                    if (await asyncio.wait({coming}, timeout=wait_s))[0]:
                        self._take(coming.result())
                        coming = asyncio.ensure_future(_next(changes))
                    elif is_settled:
                        await client.status()
                        continue
                    else:
                        is_settled = True
                        self._settle()
                    tell(list(self._known.values()))
            finally:
                coming.cancel()
                await asyncio.wait({coming})
                if isinstance(changes, AsyncGenerator):
                    await changes.aclose()

    def _take(self, change: ChangeNotification | None) -> None:
        if change is None:
            raise RubinError(f"{self.text} tells of nodes no more", "it is tried again; its log says why")
        key = change.name or change.address
        if change.type == PEER_DELETED:
            self._known.pop(key, None)
        elif key and change.type in (PEER_ADDED, PEER_UPDATED):
            self._known[key] = self._found(change)
            self._again.add(key)
            self.say(None)

    def _found(self, change: ChangeNotification) -> Found:
        address = change.address
        if address.startswith("/"):
            address = f"unix://{address}"
        tls = change.HasField("tls") or (self._defaults.tls and not address.startswith("unix:"))
        return Found(address, change.name, change.tls.server_name, tls)

    def _settle(self) -> None:
        """All that is known has been told by now, or has gone."""
        if self._again:
            self._known = {key: found for key, found in self._known.items() if key in self._again}
        else:
            self.say(RubinError(f"{self.text} tells of no node", "the address of a node, not of a relay"))


def _reached(found: Found, defaults: Defaults, reach: PoolSettings) -> tuple[ClientSettings, Dialling]:
    """How the service is reached; with TLS it must show the certificate of some node. Raises RubinError."""
    client = reach.client
    if not found.tls or reach.disable_tls or found.address.startswith("unix:"):
        plain = ClientSettings(found.address, client.timeout_s, client.request_timeout_s)
        return plain, replace(reach.dialling, tls=None)
    name = found.server_name or defaults.every_node()
    settings = replace(client, server=found.address, tls=True, tls_server_name=name)
    return settings, replace(reach.dialling, tls=reloading_context(settings).context)


async def _next(changes: AsyncIterator[Any]) -> ChangeNotification | None:
    return await anext(changes, None)
