"""Many nodes asked one question: what each answered, and who did not answer, and why."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Generic, NamedTuple, TypeVar

from rubin.api import asking
from rubin.api.client import Client
from rubin.errors import RubinError, UsageError
from rubin.relay.pool import Peer, Pool, State

T = TypeVar("T")
HUBBLE = "it is a Hubble server, which cannot answer this"


class Missing(NamedTuple):
    """A node that did not answer, and why, in a sentence."""

    name: str
    why: str


class Told(NamedTuple, Generic[T]):
    """The answers by the nodes' names, and those who gave none."""

    answers: dict[str, T]
    missing: list[Missing]

    def missed(self) -> list[dict[str, Any]]:
        """Those who gave none, for JSON."""
        return [one._asdict() for one in self.missing]


class Nodes:
    """The nodes of a pool. A relay that is asked by a relay asks no other relay, so that nobody asks in circles."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def all(self) -> dict[str, Peer]:
        """By name, in order; where several have the same, with their addresses."""
        peers = [peer for peer in self._pool.peers.values() if not (asking.is_relay() and peer.is_relay())]
        count = Counter(peer.name for peer in peers)
        named = {peer.name if count[peer.name] == 1 else f"{peer.name} ({peer.found.address})": peer for peer in peers}
        return dict(sorted(named.items()))

    async def ask(
        self, question: Callable[[str, Client], Awaitable[T]], ours_only: bool = True, only: set[str] | None = None
    ) -> Told[T]:
        """What each says, `only` those of these names. Raises UsageError where one says that the question is wrong."""
        asked = {name: peer for name, peer in self.all().items() if only is None or name in only}

        async def one(name: str, peer: Peer) -> T | Missing:
            if peer.client is None or peer.state is not State.READY:
                return Missing(name, peer.sentence or "it is not connected yet")
            if ours_only and not peer.is_ours:
                return Missing(name, HUBBLE)
            try:
                return await question(name, peer.client)
            except UsageError:
                raise
            except RubinError as error:
                return Missing(name, error.sentence)

        found = await asyncio.gather(*(one(name, peer) for name, peer in asked.items()))
        answers = dict(zip(asked, found, strict=True))
        told = {name: answer for name, answer in answers.items() if not isinstance(answer, Missing)}
        return Told(told, [answer for answer in found if isinstance(answer, Missing)])
