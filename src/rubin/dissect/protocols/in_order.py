"""Requests and answers where nothing but their order says whose an answer is, over gaps."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from rubin.dissect.conversation import Exchange, Piece
from rubin.dissect.protocols.framing import OUTSTANDING, Gap, Stream

_OF_ANSWERS = ("answer", "rows", "severity")  # attributes
_QUIET_NS = 100_000_000
_TURNS = 4
_TURNS_KEPT = 64


@dataclass(slots=True)
class Asked:
    """What waits for an answer, and what is known of that: when it began (0: it has not), how much of it was seen."""

    begun: bool = False
    answered_ns: int = 0
    answered_bytes: int = 0
    doubtful: bool = False  # packets of the server are missing since

    def tell(self) -> Iterable[Exchange]:
        """With the answer as far as it is known: nothing more will be. What was told before is not told again."""
        raise NotImplementedError

    def tell_late(self, before_ns: int) -> Iterable[Exchange]:
        """What was asked before this time, and may still be answered."""
        raise NotImplementedError


@dataclass(slots=True)
class Command(Asked):
    """One request that has one answer."""

    exchange: Exchange | None = None  # None: told already

    def tell(self) -> Iterable[Exchange]:
        """The exchange, unless it was told before."""
        exchange, self.exchange = self.exchange, None
        if exchange is None:
            return ()
        exchange.answered_ns, exchange.response_bytes = self.answered_ns, self.answered_bytes
        return (exchange,)

    def tell_late(self, before_ns: int) -> Iterable[Exchange]:
        """The exchange, if it was asked before this time."""
        return self.tell() if self.exchange is not None and self.exchange.started_ns < before_ns else ()


T = TypeVar("T", bound=Asked)


class Order(Generic[T]):
    """Requests in the order in which they are answered.

    Most clients wait for the answer before they ask again. One that was never seen to do otherwise has had its answer
    when it asks anew, although we may have missed the end of it; where even that is in doubt the order is lost, until
    both sides have taken some turns. Of one that does otherwise (`pipelines`) the order is lost with the first answer
    that may have been missed; and found again where the connection falls silent for longer than answers take, as then
    nothing is outstanding.
    """

    def __init__(self) -> None:
        self.waiting: deque[T] = deque()
        self.lost = False
        self.pipelines = False
        self._client_ns = 0
        self._server_ns = 0
        self._turns = 0
        self._longest_ns = 0

    def client_speaks(self, time_ns: int) -> None:
        """Finds the order again if the silence before was long enough."""
        if self.lost:
            silent = time_ns - max(self._client_ns, self._server_ns)
            if self._server_ns >= self._client_ns:
                self._turns += 1
            alone = not self.pipelines or silent > 2 * self._longest_ns
            if silent >= _QUIET_NS or (self._turns > _TURNS and alone):
                self.lost = False
        self._client_ns = time_ns

    def server_speaks(self, time_ns: int) -> None:
        """Remembers how long answers take."""
        if self.lost and self._client_ns > self._server_ns:
            self._longest_ns = max(self._longest_ns, time_ns - self._client_ns)
            if self._turns > _TURNS_KEPT:
                self._turns = self._longest_ns = 0
        self._server_ns = time_ns

    def answered(self) -> None:
        """The first one has had its whole answer."""
        self.waiting.popleft()
        if self.waiting:
            self.pipelines = True

    def asked_anew(self) -> list[T]:
        """While what the server says makes no sense: what was asked before has had its answer, of whatever size."""
        if len(self.waiting) > 1 or self.pipelines:
            return self.lose()
        return [self.waiting.popleft()] if self.waiting else []

    def answers_lost(self) -> list[T]:
        """Bytes of the server are missing: those of which nothing more will be known."""
        if len(self.waiting) < 2 and not self.pipelines:
            return []
        if len(self.waiting) == 2 and self.waiting[0].begun and not self.pipelines:
            return [self.waiting.popleft()]
        return self.lose()

    def unasked(self) -> None:
        """An answer of which the request was not seen: others may be on their way."""
        if self._client_ns:
            self.lose()

    def lose(self) -> list[T]:
        """All that wait: the order is not known from here on."""
        dropped = list(self.waiting)
        self.waiting.clear()
        if not self.lost:
            self.lost, self._turns, self._longest_ns = True, 0, 0
        return dropped


M = TypeVar("M")


class InOrder(Generic[T, M]):
    """A `Conversation` whose answers come in the order of its requests.

    A protocol says what a request and an answer mean, and makes the two streams that call `_request` and `_answer`,
    `_requests_lost` and `_answers_lost`.
    """

    _client: Stream
    _server: Stream

    def __init__(self) -> None:
        self.over = False
        self.unpaired = 0
        self._order: Order[T] = Order()
        self._told: list[Exchange] = []
        self._doubted: list[Exchange] = []

    def client(self, piece: Piece) -> list[Exchange]:
        """The exchanges that are complete with this piece."""
        if piece.torn:
            self._refuse()
        self._server.flush()
        self._order.client_speaks(piece.time_ns)
        self._client.feed(piece)
        self._told += self._doubted
        self._doubted = []
        return self._tell()

    def server(self, piece: Piece) -> list[Exchange]:
        """The exchanges that are complete with this piece."""
        self._order.server_speaks(piece.time_ns)
        self._client.flush()
        if piece.torn:
            for one in self._order.waiting:
                one.doubtful = True
        if self._order.lost:
            self._lose()
        self._server.feed(piece)
        return self._tell()

    def unanswered(self, before_ns: int) -> list[Exchange]:
        """Requests from before this time, also those whose answer has begun and whose end may have been missed."""
        self._server.flush()
        if self._doubted and self._doubted[0].started_ns < before_ns:
            self._refuse()
        for one in self._order.waiting:
            self._told += one.tell_late(before_ns)
        return self._tell()

    def _tell(self) -> list[Exchange]:
        if self._order.lost:  # nobody knows whose answers will come
            self._lose()
        told, self._told = self._told, []
        return told

    def _stop(self) -> None:
        self.over = True
        self._client.stop()
        self._server.stop()

    def _request(self, message: M) -> None:
        raise NotImplementedError

    def _answer(self, message: M) -> None:
        raise NotImplementedError

    def _goes_on(self, last: T) -> bool:
        """Whether bytes that are missing of the client may all belong to the only request that waits."""
        raise NotImplementedError

    def _tear(self, first: T, gap: Gap, *, is_next: bool) -> None:
        """Bytes of the server are missing where this one's answer is; `is_next`: of the one before, and perhaps its."""
        raise NotImplementedError

    def _requests_lost(self, gap: Gap) -> None:
        del gap
        waiting = self._order.waiting
        if not (len(waiting) == 1 and self._goes_on(waiting[0])) and (waiting or self._order.pipelines):
            self._lose()

    def _answers_lost(self, gap: Gap) -> None:
        waiting = self._order.waiting
        if waiting and waiting[0].begun:
            waiting[0].answered_bytes += gap.size
        dropped = self._order.answers_lost()
        self._drop(dropped)
        if waiting:
            self._tear(waiting[0], gap, is_next=bool(dropped))

    def _wait(self, asked: T) -> None:
        self._order.waiting.append(asked)
        if len(self._order.waiting) > OUTSTANDING:
            self._lose()

    def _ask_anew(self) -> None:
        """The client asks while what the server says makes no sense: what it asked before has had its answer."""
        anew = self._order.asked_anew()
        for one in anew:
            one.answered_bytes = 0
        self._drop(anew)

    def _answered(self, asked: T, exchanges: Iterable[Exchange]) -> None:
        """These have their answer. With packets missing before it, it may be another's, whose request is missing too:
        that is known when the client speaks again.
        """
        (self._doubted if asked.doubtful else self._told).extend(exchanges)

    def _refuse(self) -> None:
        """Nobody knows whose the answers were."""
        for exchange in self._doubted:
            exchange.answered_ns = exchange.response_bytes = exchange.status = 0
            exchange.failed, exchange.error = False, ""
            exchange.attributes = tuple(one for one in exchange.attributes if one[0] not in _OF_ANSWERS)
        self.unpaired += len(self._doubted)
        self._told += self._doubted
        self._doubted = []

    def _unasked(self) -> None:
        """An answer to nobody."""
        self.unpaired += 1
        self._order.unasked()

    def _lose(self) -> None:
        self._drop(self._order.lose())
        if self._doubted:
            self._refuse()

    def _drop(self, asked: Iterable[T]) -> None:
        """Nothing more will be known of these."""
        for one in asked:
            for exchange in one.tell():
                if exchange.answered_ns:
                    self._answered(one, (exchange,))
                else:
                    self.unpaired += 1
                    self._told.append(exchange)
