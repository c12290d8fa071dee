"""All sources of a relay as one."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from rubin.relay.discovery.listed import InFile, Listed
from rubin.relay.discovery.naming import Defaults
from rubin.relay.discovery.peers import Pace, PeerService
from rubin.relay.discovery.source import Source, Tell
from rubin.relay.pool import Found
from rubin.relay.settings import RelaySettings

_TOGETHER_S = 0.1


class Sources:
    """`run` tells the nodes of all sources: who is told of by two is there once, with what both know."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._found: dict[Source, tuple[Found, ...]] = {}
        self._changed = asyncio.Event()

    async def run(self, tell: Tell) -> None:
        """For ever; `tell` is a Pool's `update`. What comes at once is told once."""
        async with asyncio.TaskGroup() as group:
            for source in self._sources:
                group.create_task(source.run(partial(self._take, source)))
            while True:
                await self._changed.wait()
                await asyncio.sleep(_TOGETHER_S)
                self._changed.clear()
                tell(union(one for source in self._sources for one in self._found.get(source, ())))

    def status(self) -> list[dict[str, object]]:
        """Each source: its name, how many nodes it tells of, and what is wrong, "" where nothing is."""
        return [
            {
                "source": source.text,
                "nodes": len(self._found.get(source, ())),
                "trouble": source.trouble.sentence if source.trouble else "",
                "way_on": source.trouble.way_on if source.trouble else "",
            }
            for source in self._sources
        ]

    def _take(self, source: Source, found: Iterable[Found]) -> None:
        self._found[source] = tuple(found)
        self._changed.set()


def union(found: Iterable[Found]) -> list[Found]:
    """Each address once, with what is known of it anywhere; a node without address only where none has its name."""
    known: dict[str, Found] = {}
    for one in found:
        key = one.address or f"={one.name}"
        known[key] = _both(known[key], one) if key in known else one
    reachable = {one.name for one in known.values() if one.address}
    return [one for one in known.values() if one.address or one.name not in reachable]


def _both(first: Found, second: Found) -> Found:
    name, server_name = first.name or second.name, first.server_name or second.server_name
    return replace(first, name=name, server_name=server_name, tls=first.tls or second.tls)


def sources_of(settings: RelaySettings) -> Sources:
    """What the settings name, all of it together. `peers` are nodes as `naming` reads them, `@file` with one a line,
    `dns:///name:port` or `srv:///_service._tcp.name`. Raises RubinError for what cannot be understood or read.
    """
    return Sources(list(_made(settings)))


def _made(settings: RelaySettings) -> Iterator[Source]:
    # What needs packages of its own is loaded where it is used.
    reach = settings.of_pool()
    defaults = Defaults(reach.client.tls, reach.client.tls_server_name, settings.cluster_name)
    listed = [text for text in settings.peers if not text.startswith(("@", "dns:", "srv:"))]
    if listed:
        yield Listed(listed, defaults)
    for text in settings.peers:
        if text.startswith("@"):
            yield InFile(text[1:], defaults)
        elif text.startswith(("dns:", "srv:")):
            from rubin.relay.discovery.dns import Named

            yield Named(text, defaults)
    if settings.peer_service:
        yield PeerService(settings.peer_service, defaults, reach, Pace(settings.seconds("retry_timeout")))
    if settings.kubernetes_service:
        from rubin.identity.kubernetes.settings import KubernetesSettings
        from rubin.relay.discovery.kubernetes import Endpoints

        of_cluster = KubernetesSettings(settings.kubeconfig, cluster_name=settings.cluster_name)
        yield Endpoints(settings.kubernetes_service, defaults, of_cluster)
