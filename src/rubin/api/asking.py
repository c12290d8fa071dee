"""Who asks: what an answer may depend on besides the request."""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from rubin.api.sight import EVERYTHING, Sight
from rubin.errors import RubinError

RELAY = "rubin-relay"
"""A header of a relay's requests and answers: which relay it is."""
SERVER = "rubin-server"
"""A header of a node's answers: which server it is, for who reaches it by two addresses."""
NAMESPACES = "rubin-namespaces"
"""A header of a relay's requests: what its own client may see, and the answer is to keep to."""
NARROWED = "rubin-narrowed"
"""A header of the answer that does so."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks, how that is known (`socket`, `token`, `certificate`, `none`), and what may be seen."""

    name: str
    proof: str
    roles: tuple[str, ...] = ()
    sight: Sight = EVERYTHING


@dataclass(slots=True)
class Asked:
    """A request on its way: what the door knows of it, and what its answer notes."""

    method: str = ""
    address: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    who: Who = Who("", "none")
    request: Message | None = None
    flows: int = 0
    began_s: float = field(default_factory=time.monotonic)


_NOBODY = Asked()
_asked: ContextVar[Asked] = ContextVar("asked", default=_NOBODY)


def begin(asked: Asked) -> None:
    """The request that this task answers from now on."""
    _asked.set(asked)


def is_relay() -> bool:
    """Whether the request that is being answered comes from a relay."""
    return RELAY in _asked.get().metadata


def sight() -> Sight:
    """What the one whose request is being answered may see; everything where none is."""
    return _asked.get().who.sight


def is_narrowed() -> bool:
    """Whether the request says itself what is to be seen of it."""
    return NAMESPACES in _asked.get().metadata


def narrowing() -> dict[str, str]:
    """The header of what is asked of others to answer the request: they are to leave out what may not be seen."""
    header = sight().header()
    return {NAMESPACES: header} if header else {}


def note_request(request: Message) -> None:
    """For the audit."""
    if (asked := _asked.get()) is not _NOBODY:
        asked.request = request


def note_flows(number: int) -> None:
    """So many more were sent."""
    if (asked := _asked.get()) is not _NOBODY:
        asked.flows += number


def need_everything() -> None:
    """Raises GRPCError where who asks may see some namespaces only."""
    if not sight().is_all:
        what = f"this is for who may see everything, {_asked.get().who.name or 'you'} may see some namespaces"
        raise refused(Status.PERMISSION_DENIED, what, "a role with all = true, or a question for flows")


def refused(status: Status, sentence: str, way_on: str) -> GRPCError:
    """As our client, and any other, shows it to a person."""
    return GRPCError(status, str(RubinError(sentence, way_on)))
