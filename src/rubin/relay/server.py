"""The relay: the only place where its parts meet. Construction, no logic."""

import asyncio
import logging
import signal
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from rubin import __version__
from rubin.api import asking
from rubin.api.health import health_service
from rubin.api.listen import ListenSettings
from rubin.api.listening import Listening
from rubin.metrics import http
from rubin.metrics.exposition import page
from rubin.metrics.own import Figure, Sample
from rubin.relay.merge import Bounds
from rubin.relay.observer import Observer
from rubin.relay.pool import Pool, PoolSettings, State
from rubin.relay.settings import RelaySettings

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the relay listens, how it reaches nodes, and how long it waits for them."""

    listen: ListenSettings
    pool: PoolSettings
    bounds: Bounds
    node_name: str
    health_address: str = ""
    metrics_address: str = ""


class Relay:
    """`await start()`, `await close()`. `pool` is told of nodes."""

    def __init__(self, settings: Settings, sources: Callable[[], list[dict[str, object]]] = list) -> None:
        """`sources`: where the nodes are found, and what is wrong there."""
        self._settings, self._sources = settings, sources
        self._id = uuid.uuid4().hex

    @property
    def address(self) -> str:
        """Where TCP listens."""
        return self._listening.address

    async def start(self) -> None:
        """Listen, and answer for the nodes that `pool` is told of. Raises RubinError where it cannot."""
        settings, own = self._settings, (asking.RELAY, self._id)
        self._listening = Listening(settings.listen, {"hubble-relay-version": __version__, own[0]: own[1]})
        self._listening.open()
        self.pool = Pool(replace(settings.pool, dialling=replace(settings.pool.dialling, metadata=(own,))))
        self.observer = Observer(self.pool, settings.bounds, settings.node_name, self._status)
        health = health_service(lambda: bool(self.pool.ready()))
        await self._listening.serve([self.observer.service(), self.observer.columns(), health])
        self._health = Listening(ListenSettings("", settings.health_address, is_public=True), {})
        self._health.open()
        await self._health.serve([health])
        self._metrics: http.Server | None = None
        if settings.metrics_address:
            self._metrics = http.Server(http.Settings(settings.metrics_address), self._page)
            self._metrics.start()

    async def close(self) -> None:
        """Hang up on all."""
        if self._metrics is not None:
            self._metrics.close()
        await self._health.close()
        await self._listening.close()
        await self.pool.close()

    def _status(self) -> Mapping[str, object]:
        tls = self._listening.tls_status()
        return {"sources": self._sources(), **({"tls": tls} if tls else {}), **self._listening.door_status()}

    def _page(self, open_metrics: bool) -> bytes:
        return page((figure.family() for figure in self._figures()), open_metrics)

    def _figures(self) -> Iterable[Figure]:
        """The first by Hubble's name."""
        pool, observer = self.pool, self.observer

        def states() -> list[Sample]:
            count = Counter(peer.state for peer in list(pool.peers.values()))
            return [((str(state),), float(count[state])) for state in State]

        def flows() -> list[Sample]:
            return [((), float(observer.flows))]

        def late() -> list[Sample]:
            return [((node,), float(count)) for node, count in list(observer.late.items())]

        def reconnects() -> list[Sample]:
            return [((), float(pool.reconnects))]

        connections = "hubble_relay_pool_peer_connection_status"
        return (
            Figure(connections, "gauge", "Peers by the state of their connection", ("status",), states),
            Figure("rubin_relay_flows_total", "counter", "Flows sent to clients", (), flows),
            Figure("rubin_relay_late_flows_total", "counter", "Flows sent out of order", ("node",), late),
            Figure("rubin_relay_reconnects_total", "counter", "Connections to nodes made again", (), reconnects),
        )


def run(settings: RelaySettings) -> int:
    """Answer for the nodes until SIGTERM or SIGINT. Raises RubinError where it cannot begin."""
    settings.check()
    return asyncio.run(_run(settings))


async def _run(settings: RelaySettings) -> int:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    from rubin.relay.discovery.sources import sources_of

    sources = sources_of(settings)
    addresses = (settings.health_listen_address, settings.metrics_listen_address)
    own = Settings(settings.of_listen(), settings.of_pool(), settings.of_bounds(), settings.node, *addresses)
    relay = Relay(own, sources.status)
    await relay.start()
    finding = asyncio.create_task(sources.run(relay.pool.update))
    _LOG.info("relay=started node=%s tcp=%s socket=%s", settings.node, relay.address, settings.listen)
    stopping = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({finding, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if finding.done():
            finding.result()
    finally:
        finding.cancel()
        stopping.cancel()
        await relay.close()
    _LOG.info("relay=stopped flows=%d", relay.observer.flows)
    return 0
