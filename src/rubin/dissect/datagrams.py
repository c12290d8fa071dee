"""DNS over UDP by columns: a packet is a message, an identifier and the two ends make the pair."""

import numpy as np
import numpy.typing as npt

from rubin.dissect.connections import Connections
from rubin.dissect.found import Found
from rubin.dissect.protocols.dns import NO_ERROR, parse
from rubin.dissect.segments import I64, U64, Segments, words
from rubin.dissect.waiting import Waiting
from rubin.model.batch import Array
from rubin.model.messages import NUMBERS, ROW, Messages, MessageType
from rubin.model.texts import Texts
from rubin.model.whole import chosen

_DNS = NUMBERS["dns"]
_NOTHING, _QUESTION, _ANSWER = 0, 1, 2
_MOST_KNOWN = 32_768
_IDENTIFIER = 2  # bytes, which differ from one message to the next


class Datagrams:
    """The questions that wait, and the reading of one batch after the other. `lost` counts answers to none of them."""

    def __init__(self) -> None:
        self.waiting = Waiting()
        self.lost = 0
        self._messages: Messages | None = None
        self._forget_texts()

    def _forget_texts(self) -> None:
        self._texts, self._learnt = Texts(), 1  # what follows the identifier of a message; how many are understood
        self._rows: Array = np.zeros(256, ROW)
        self._is: Array = np.zeros(256, np.uint8)  # _QUESTION, _ANSWER or _NOTHING

    def read(
        self, segments: Segments, number: I64, connections: Connections, messages: Messages
    ) -> tuple[list[Found], Array]:
        """What these packets say, and (n,) bool which of them are DNS."""
        self._follow(messages)
        place = self._places(segments, messages)
        kind, state = self._is[place], connections.state
        key = _key(number, words(segments.data)[segments.start] & np.uint64(0xFFFF))
        asked, answered = np.flatnonzero(kind == _QUESTION), np.flatnonzero(kind == _ANSWER)
        state["client_out"][number[asked]] = segments.out[asked]
        state["client_out"][number[answered]] = ~segments.out[answered]
        asked = asked[self.waiting.find(key[asked]) < 0]  # asked again, it waits already
        _, once = np.unique(key[asked], return_index=True)
        asked = asked[np.sort(once)]
        rows = chosen(self._rows, place[asked])
        rows["request_bytes"] = segments.length[asked]
        self.waiting.add(key[asked], number[asked], segments.time_ns[asked], rows)
        return self._answer(segments, number, answered, key, place, messages), kind != _NOTHING

    def _places(self, segments: Segments, messages: Messages) -> npt.NDArray[np.uint32]:
        """(n,) where in `_rows` stands what each packet says; most say what others have said before."""
        if len(self._texts) > _MOST_KNOWN:
            self._forget_texts()
        sizes = np.maximum(segments.captured - _IDENTIFIER, 0)
        places = self._texts.codes(segments.data, segments.start + _IDENTIFIER, sizes)
        first, count = self._learnt, len(self._texts)
        if count > len(self._rows):
            self._rows, self._is = (np.concatenate([one, np.zeros(count, one.dtype)]) for one in (self._rows, self._is))
        if count > first:
            self._learn(np.arange(first, count), messages)
        return places

    def _learn(self, places: I64, messages: Messages) -> None:
        parsed = [parse(bytes(_IDENTIFIER) + self._texts.raw(place)) for place in places.tolist()]
        answers = [one is not None and one.is_answer for one in parsed]
        self._is[places] = np.where(answers, _ANSWER, _QUESTION)
        self._is[places[[one is None for one in parsed]]] = _NOTHING
        told = [one for one in parsed if one is not None]
        row = np.zeros(len(told), ROW)
        row["protocol"], row["type"] = _DNS, MessageType.REQUEST
        row["dns"] = [messages.dns.code(one.row) for one in told]
        row["method"] = messages.texts.codes_of(one.method for one in told)
        row["target"] = messages.texts.codes_of(one.row.query for one in told)
        row["status"] = [one.row.rcode for one in told]
        row["failed"] = row["status"] != NO_ERROR
        self._rows[places[[one is not None for one in parsed]]] = row
        self._learnt = len(self._texts)

    def _answer(
        self,
        segments: Segments,
        number: I64,
        answered: I64,
        key: U64,
        place: npt.NDArray[np.uint32],
        messages: Messages,
    ) -> list[Found]:
        asked = self.waiting.find(key[answered])
        self.lost += int((asked < 0).sum())
        answered, asked = answered[asked >= 0], asked[asked >= 0]
        if not len(answered):
            return []
        taken = self.waiting.take(asked)
        row = chosen(self._rows, place[answered])
        row["type"] = np.where(taken["told"], MessageType.RESPONSE, MessageType.EXCHANGE)
        row["latency_ns"] = np.maximum(segments.time_ns[answered] - taken["started_ns"], 0)
        row["response_bytes"] = segments.length[answered]
        row["request_bytes"] = taken["row"]["request_bytes"]
        codes = messages.append(row)
        return [Found(number[answered], segments.time_ns[answered], np.ones(len(row), np.bool_), codes)]

    def _follow(self, messages: Messages) -> None:
        if self._messages is not None and self._messages is not messages:
            self.waiting.move(self._messages, messages)
            self._forget_texts()
        self._messages = messages

    def unanswered(self, before_ns: int, messages: Messages) -> list[Found]:
        """Questions from before then, each told once."""
        self._follow(messages)
        places = np.flatnonzero(self.waiting.overdue(before_ns))
        if not len(places):
            return []
        self.waiting.rows["told"][places] = 1
        told = chosen(self.waiting.rows, places)
        codes = messages.append(self.waiting.of(told))
        return [Found(told["connection"], told["started_ns"], np.zeros(len(told), np.bool_), codes)]

    def forget(self, before_ns: int, moved: I64 | None) -> None:
        """Give up what is older; follow connections to their new numbers."""
        rows = self.waiting.rows
        if moved is not None and len(rows):
            rows["connection"] = moved[rows["connection"]]
            rows["key"] = _key(rows["connection"], rows["key"] & np.uint64(0xFFFF))
        self.waiting.drop((rows["started_ns"] < before_ns) | (rows["connection"] < 0))


def _key(number: I64, identifier: U64) -> U64:
    return number.astype(np.uint64) << np.uint64(32) | identifier
