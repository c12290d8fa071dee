"""What a protocol is given, and what it says: one connection's bytes in, exchanges out.

A protocol is one file here with a class that is a `Conversation` and a function that recognises it, and one line in
`dissectors.DISSECTORS`. It never raises, whatever the bytes and wherever they are cut, holds a bounded amount of
memory, and says nothing of what it does not know. What is secret (values, literals, credentials) stays inside it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import NamedTuple, Protocol, Self

from rubin.dissect.redaction import Redaction
from rubin.model.messages import DNS, Attributes


class Speaker(Enum):
    """Who says something."""

    CLIENT = "client"
    SERVER = "server"


class Piece(NamedTuple):
    """Bytes of one direction of a connection, in order.

    `skipped` bytes of the stream lie between the last piece of this direction and this one that nobody has: of a
    packet only the first some hundred are taken, and packets may be lost. -1: not known how many, as before the first
    piece of a connection that is older than we are. A piece begins where a packet does unless `skipped` is 0.
    `cut`: they are the rest of the packet before, and no packet is missing.
    """

    data: bytes
    time_ns: int
    skipped: int = 0
    cut: bool = False

    @property
    def torn(self) -> bool:
        """Whether packets are missing before it, of those since the first one."""
        return self.skipped > 0 and not self.cut


@dataclass(slots=True)
class Exchange:
    """A request and its answer, or one of the two.

    `started_ns` is when the request's first byte was seen, `answered_ns` when the answer's; 0: not seen. Sizes are of
    whole messages, 0: not known. What the other fields mean stands at the protocol; see also `model.messages`.
    """

    protocol: str
    started_ns: int = 0
    answered_ns: int = 0
    method: str = ""
    authority: str = ""
    target: str = ""
    version: str = ""
    status: int = 0
    failed: bool = False
    error: str = ""
    request_bytes: int = 0
    response_bytes: int = 0
    trace_id: str = ""
    attributes: Attributes = ()
    dns: DNS | None = None


class Conversation(Protocol):
    """One connection. Both methods give the exchanges that are complete with this piece.

    `unpaired` counts requests whose answer was missed, told as such or for want of room not at all, and answers whose
    request was; who counts on sets it to 0.
    """

    unpaired: int

    @property
    def over(self) -> bool:
        """Whether nothing more can be read here, for instance because the connection goes on encrypted."""

    def client(self, piece: Piece) -> Iterable[Exchange]:
        """The client has said this."""

    def server(self, piece: Piece) -> Iterable[Exchange]:
        """The server has said this."""

    def unanswered(self, before_ns: int) -> Iterable[Exchange]:
        """Requests from before this time that nobody has answered yet: told as such, and forgotten."""


@dataclass(frozen=True, slots=True)
class Dissector:
    """A protocol. `claims` says of the first bytes of a packet, in whatever direction and at whatever point of a
    connection, who would say them in this protocol; None: nobody, or they could be anything. `slots`: of a packet so
    many times some 860 bytes are looked at, 1 to 4.
    """

    name: str
    claims: Callable[[bytes], Speaker | None]
    converse: Callable[..., Conversation]
    slots: int = 2

    def leaving_out(self, redaction: Redaction) -> Self:
        """The same, of a protocol whose conversations are told what to leave out."""
        return replace(self, converse=partial(self.converse, redaction))
