"""Who asks: what an answer may depend on besides the request."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from grpclib.events import RecvRequest

RELAY = "rubin-relay"
"""A header of a relay's requests and answers: which relay it is."""
_metadata: ContextVar[Mapping[str, Any]] = ContextVar("metadata")


async def note(event: RecvRequest) -> None:
    """To be told of each request before it is answered."""
    _metadata.set(event.metadata)


def is_relay() -> bool:
    """Whether the request that is being answered comes from a relay."""
    return RELAY in _metadata.get({})
