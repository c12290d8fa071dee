"""Kafka's protocol: requests and how they ended.

https://kafka.apache.org/protocol. `method` is the API's name, `target` the first topics, or the group where none is
named; `status` and `error` are those of the first partition (topic, group) that has one. Newer versions call topics by
number: what answers to Metadata say of these is kept for all connections. Where values may be seen, `key` and `value`
are those of the first record.
"""

import base64
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from struct import unpack_from
from typing import NamedTuple

from rubin.dissect.conversation import Dissector, Exchange, Piece, Speaker
from rubin.dissect.protocols.framing import OUTSTANDING, Gap, Part, Stream
from rubin.dissect.protocols.kafka_messages import APIS, ERRORS, Contents, contents
from rubin.dissect.protocols.kafka_records import first_record
from rubin.dissect.redaction import REDACTION, Redaction

_HEADER_BYTES = 14  # length, API, version, correlation, length of the client's name
_MOST_BYTES = 1 << 30
_CLIENT_BYTES = 255
_CLIENT_CHARACTERS = 128
_LOOK = 16


class _Header(NamedTuple):
    size: int
    api: int
    version: int
    correlation: int
    client: str
    end: int


@dataclass(slots=True)
class _Asked:
    exchange: Exchange
    api: int
    version: int
    told: bool = False


class TopicNames:
    """Topics by the numbers that clusters give them, up to `MOST`."""

    MOST = 16_384

    def __init__(self) -> None:
        self._names: OrderedDict[bytes, str] = OrderedDict()

    def learn(self, names: dict[bytes, str]) -> None:
        """What Metadata says; of too many the oldest are forgotten."""
        self._names.update(names)
        while len(self._names) > self.MOST:
            self._names.popitem(last=False)

    def of(self, topic: str | bytes) -> str:
        """Its name, or the number as Kafka prints it."""
        if isinstance(topic, str):
            return topic
        return self._names.get(topic) or base64.urlsafe_b64encode(topic).rstrip(b"=").decode()


class Kafka:
    """One connection."""

    over = False

    def __init__(self, names: TopicNames | None = None, redaction: Redaction = REDACTION) -> None:
        self.unpaired = 0
        self._client = Stream(_measure_request, _resync_request, self._request, _nothing)
        self._server = Stream(_measure_response, self._resync_response, self._answer, _nothing)
        self._waiting: OrderedDict[int, _Asked] = OrderedDict()
        self._names = names or TopicNames()
        self._redaction = redaction
        self._told: list[Exchange] = []

    def client(self, piece: Piece) -> list[Exchange]:
        """The exchanges that are complete with this piece."""
        self._server.flush()
        self._client.feed(piece)
        return self._tell()

    def server(self, piece: Piece) -> list[Exchange]:
        """The exchanges that are complete with this piece."""
        self._client.flush()
        self._server.feed(piece)
        return self._tell()

    def unanswered(self, before_ns: int) -> list[Exchange]:
        """Requests from before this time."""
        self._server.flush()
        for asked in self._waiting.values():
            if not asked.told and asked.exchange.started_ns < before_ns:
                asked.told = True
                self._told.append(asked.exchange)
        return self._tell()

    def _tell(self) -> list[Exchange]:
        told, self._told = self._told, []
        return told

    def _request(self, part: Part) -> None:
        header = _header(part.data, 0)
        if header is None:
            return  # tokens of SASL come without one after the first version of SaslHandshake
        found = contents(part.data, header.end, header.api, header.version, response=False)
        exchange = Exchange("kafka", part.time_ns, method=APIS[header.api].name, request_bytes=part.size)
        exchange.target = ",".join(map(self._names.of, found.topics)) or found.group
        known = {"client_id": header.client, "api_version": str(header.version), "group": found.group}
        exchange.attributes = tuple((name, value) for name, value in known.items() if value)
        self._show(exchange, found)
        if header.api == 0 and found.acks == 0:
            self._told.append(exchange)  # it has no answer
            return
        self._miss(self._waiting.pop(header.correlation, None))
        self._waiting[header.correlation] = _Asked(exchange, header.api, header.version)
        if len(self._waiting) > OUTSTANDING:
            self._miss(self._waiting.popitem(last=False)[1])

    def _show(self, exchange: Exchange, found: Contents) -> None:
        """What is written and read, where that may be seen."""
        if not self._redaction.values:
            exchange.attributes += first_record(found.records)

    def _miss(self, asked: _Asked | None) -> None:
        """Nothing will be known of its answer."""
        if asked is not None and not asked.told:
            self.unpaired += 1
            self._told.append(asked.exchange)

    def _answer(self, part: Part) -> None:
        (correlation,) = unpack_from(">i", part.data, 4)
        if correlation not in self._waiting:
            self.unpaired += 1
            return
        while True:  # a broker answers in order: the answers to those before were missed
            number, asked = self._waiting.popitem(last=False)
            if number == correlation:
                break
            self._miss(asked)
        found = contents(part.data, 8, asked.api, asked.version, response=True)
        self._names.learn(found.names)
        exchange = asked.exchange
        exchange.answered_ns, exchange.response_bytes = part.time_ns, part.size
        self._show(exchange, found)
        if found.error:
            exchange.status, exchange.failed = found.error, True
            exchange.error = ERRORS.get(found.error, str(found.error))
        if not asked.told:
            self._told.append(exchange)

    def _resync_response(self, data: bytes) -> int:
        """As `Stream.resync`: whole answers to what was asked, the last of them perhaps cut."""
        at = 0
        for _ in range(_LOOK):
            if at + 8 > len(data):
                return 0 if at else -1
            size, correlation = unpack_from(">ii", data, at)
            if not 4 <= size < _MOST_BYTES or correlation not in self._waiting:
                return -1
            at += 4 + size
        return 0


def _nothing(gap: Gap) -> None:
    """What is missing is missed where the next answer comes: it has a number."""
    del gap


def _measure_response(data: bytes, at: int) -> int:
    if len(data) - at < 8:
        return 0
    (size,) = unpack_from(">i", data, at)
    return size + 4 if 4 <= size < _MOST_BYTES else -1


def _measure_request(data: bytes, at: int) -> int:
    there = len(data) - at
    if there < 4:
        return 0
    (size,) = unpack_from(">i", data, at)
    if not 0 < size < _MOST_BYTES:
        return -1
    return size + 4 if there >= min(size + 4, _HEADER_BYTES) else 0


def _header(data: bytes, at: int) -> _Header | None:
    """A request's header, if this is one beyond reasonable doubt."""
    if len(data) - at < _HEADER_BYTES:
        return None
    size, api, version, correlation, length = unpack_from(">ihhih", data, at)
    known = APIS.get(api)
    if known is None or not 0 <= version <= known.newest or correlation < 0 or not -1 <= length <= _CLIENT_BYTES:
        return None
    end = at + _HEADER_BYTES + max(length, 0)
    client = data[at + _HEADER_BYTES : end].decode("latin-1")
    if not 10 + max(length, 0) <= size < _MOST_BYTES or not (client.isascii() and client.isprintable()):
        return None
    return _Header(size, api, version, correlation, client[:_CLIENT_CHARACTERS], end)


def _resync_request(data: bytes) -> int:
    return 0 if claims(data) else -1


def _is_request(data: bytes, header: _Header) -> bool:
    """Answers begin as requests for API 0 do, and a topic may stand where the client's name would."""
    if header.api:
        return True
    found = contents(data, header.end, header.api, header.version, response=False)
    return bool(found.topics) and found.acks in (-1, 0, 1)


def claims(data: bytes) -> Speaker | None:
    """Who would say this: requests of clients that have a name only, as an answer says nothing of itself."""
    at = 0
    for _ in range(_LOOK):
        if at and len(data) - at < _HEADER_BYTES:
            break
        header = _header(data, at)
        if header is None or not header.client or not _is_request(data, header):
            return None
        at += 4 + header.size
    return Speaker.CLIENT


KAFKA = Dissector("kafka", claims, partial(Kafka, TopicNames()))
