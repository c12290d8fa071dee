"""The relay: construction, no logic."""

import uuid
from dataclasses import dataclass, replace

from rubin import __version__
from rubin.api import asking
from rubin.api.health import health_service
from rubin.api.listen import ListenSettings
from rubin.api.listening import Listening
from rubin.api.service import Service, streaming, unary
from rubin.relay.merge import Bounds
from rubin.relay.observer import Observer
from rubin.relay.pool import Pool, PoolSettings
from rubin.wire.pb.observer_pb2 import GetFlowsRequest
from rubin.wire.pb.rubin_pb2 import ColumnFrame, StatusRequest, StatusResponse


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the relay listens, how it reaches nodes, and how long it waits for them."""

    listen: ListenSettings
    pool: PoolSettings
    bounds: Bounds
    node_name: str


class Relay:
    """`await start()`, `await close()`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._id = uuid.uuid4().hex

    @property
    def address(self) -> str:
        """Where TCP listens."""
        return self._listening.address

    async def start(self) -> None:
        """Listen, and answer for the nodes that `pool` is told of."""
        settings, own = self._settings, (asking.RELAY, self._id)
        self._listening = Listening(settings.listen, {"hubble-relay-version": __version__, own[0]: own[1]})
        self._listening.open()
        dialling = replace(settings.pool.dialling, metadata=(own,))
        self.pool = Pool(replace(settings.pool, dialling=dialling))
        self.observer = Observer(self.pool, settings.bounds, settings.node_name)
        columns = {
            "GetFlows": streaming(self.observer.get_columns, GetFlowsRequest, ColumnFrame),
            "Status": unary(self.observer.status, StatusRequest, StatusResponse),
        }
        health = health_service(lambda: bool(self.pool.ready()))
        await self._listening.serve([self.observer.service(), Service("rubin.Columns", columns), health])

    async def close(self) -> None:
        """Hang up on all."""
        await self._listening.close()
        await self.pool.close()
