"""HTTP/1 by columns: which heads are real, which answer belongs to which request.

An answer belongs to a request because of where it stands: it begins at the byte that the client said it had heard up
to when it asked. Only where a client asks more before it has been answered (pipelining) the order decides, and there a
packet that is missing makes all that follows doubtful: such a connection is understood again after a pause.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rubin.dissect.connections import NOTHING, Connections
from rubin.dissect.found import Found
from rubin.dissect.http1_streams import MessageHeads, Packets
from rubin.dissect.protocols import http1
from rubin.dissect.protocols.headers import url
from rubin.dissect.protocols.http1 import ABSENT, REQUEST, RESPONSE, Heads
from rubin.dissect.protocols.http1_headers import Headers
from rubin.dissect.redaction import REDACTION, Redaction
from rubin.dissect.segments import I64, U64, Mask, Segments
from rubin.dissect.waiting import Waiting
from rubin.model.batch import Array
from rubin.model.messages import NUMBERS, ROW, Messages, MessageType
from rubin.model.whole import chosen

_HTTP = NUMBERS["http"]
_PAUSE_NS = 1_000_000_000
_MOST_BYTES = 0xFFFFFFFF


class Turns:
    """The requests that wait, and the reading of one batch after the other. `lost` counts answers without a request."""

    def __init__(self, redaction: Redaction = REDACTION) -> None:
        self.waiting = Waiting()
        self.headers = Headers(redaction)
        self._redaction = redaction
        self.lost = 0
        self._words: tuple[Messages, Array, Array] | None = None

    def read(self, segments: Segments, number: I64, connections: Connections, messages: Messages) -> list[Found]:
        """What these packets of HTTP/1 connections say."""
        self._codes(messages)
        packets = Packets(segments, number, connections.state)
        requests, responses = packets.messages(REQUEST), packets.messages(RESPONSE)
        requests = requests.where(packets.valid[requests.packet])
        self._doubt(packets, requests, connections.state)
        self._wait(packets, requests, messages)
        found = self._answer(packets, responses, connections.state, messages)
        packets.keep(connections.state)
        return found

    def _doubt(self, packets: Packets, requests: MessageHeads, state: Array) -> None:
        """Connections that ask before they are answered, and of those the ones of which packets are missing."""
        number = packets.number[requests.packet]
        key = _key(number, packets.segments.acknowledged[requests.packet])
        _, first, times = np.unique(key, return_index=True, return_counts=True)
        state["pipelines"][number[first[times > 1]]] = True
        state["pipelines"][number[self.waiting.find(key) >= 0]] = True
        missing = packets.missing()
        quiet = packets.segments.time_ns[requests.packet] - state["server_ns"][number] > _PAUSE_NS
        state["doubtful"][number[quiet]] = False
        doubtful = packets.number[missing & state["pipelines"][packets.number]]
        state["doubtful"][doubtful] = True

    def _wait(self, packets: Packets, requests: MessageHeads, messages: Messages) -> None:
        if not len(requests.packet):
            return
        segments, heads, texts = packets.segments, requests.heads, messages.texts
        methods, versions = self._codes(messages)
        at = segments.start[requests.packet] + requests.offset
        row = np.zeros(len(at), ROW)
        row["protocol"], row["type"] = _HTTP, MessageType.REQUEST
        row["secured"] = segments.secured[requests.packet]
        row["method"], row["version"] = methods[heads.method], versions[heads.minor]
        target = at + heads.target
        size, line = heads.target_size, heads.target + heads.target_size + len(" HTTP/1.1")
        odd = (segments.data[target] != ord("/")) | (not self._redaction.http_urlquery)
        if self._redaction.http_urlquery:
            size = http1.queries(segments.data, target, size)
        row["target"] = texts.codes(segments.data, target, np.where(odd, 0, size))
        row["authority"] = texts.codes(segments.data, at + heads.host, heads.host_size)
        self._odd(row, np.flatnonzero(odd), packets, target, size, messages)
        traced = np.flatnonzero(heads.trace)
        traced = traced[http1.is_trace(segments.data, (at + heads.trace)[traced])]
        if len(traced):
            digits = np.full(len(traced), 32)
            row["trace_id"][traced] = texts.append(segments.data, (at + heads.trace)[traced], digits)
        there = np.where(heads.size > 0, heads.size, segments.captured[requests.packet] - requests.offset)
        row["attributes"] = self.headers.codes(
            segments.data, at + line, there - line, segments.time_ns[requests.packet], messages
        )
        row["request_bytes"] = _whole_size(heads, np.where(heads.content == ABSENT, 0, heads.content))
        number = packets.number[requests.packet]
        key = _key(number, segments.acknowledged[requests.packet])
        order = np.argsort(segments.time_ns[requests.packet], kind="stable")
        self.waiting.add(key[order], number[order], segments.time_ns[requests.packet][order], chosen(row, order))

    def _odd(self, row: Array, odd: I64, packets: Packets, target: I64, size: I64, messages: Messages) -> None:
        """Targets that are more than a path: a URL of its own needs no host, credentials are left out."""
        data = packets.segments.data
        for at in odd.tolist():
            text = data[target[at] : target[at] + size[at]].tobytes().decode(errors="replace")
            scheme, mark, _ = text.partition("://")
            if mark and scheme.isalpha():
                row["authority"][at] = 0
            row["target"][at] = messages.texts.code(url(text, self._redaction))

    def _answer(self, packets: Packets, responses: MessageHeads, state: Array, messages: Messages) -> list[Found]:
        segments = packets.segments
        if not len(responses.packet):
            return []
        number, position = packets.number[responses.packet], packets.position(responses)
        place = self.waiting.find(_key(number, position))
        final = (responses.heads.status >= 200) | (responses.heads.status == 101)
        passed = self._before(place, number)
        least = np.where(final, place + 1, place)  # where the request of the next answer may be
        sure = place >= 0
        place[~final] = -1
        ends = packets.end_position(responses)
        certain = packets.valid[responses.packet]
        self._in_order(
            place,
            sure,
            least,
            _Answers(number, position, ends, segments.time_ns[responses.packet], certain, final),
            state,
        )
        self.lost += int((certain & final & (place < 0)).sum())
        understood = np.flatnonzero(sure)
        state["sure"][number[understood]], state["is_sure"][number[understood]] = ends[understood], True
        passed |= self._before(place, number)
        place[state["doubtful"][number]] = -1
        passed |= state["doubtful"][self.waiting.rows["connection"]]
        hit = np.flatnonzero(place >= 0)
        packets.valid[responses.packet[hit]] = True
        responses, number, taken = responses.take(hit), number[hit], chosen(self.waiting.rows, place[hit])
        passed[place[hit]] = False
        self.lost += int(passed.sum())
        passed[place[hit]] = True
        self.waiting.drop(passed)
        if not len(hit):
            return []
        time_ns = segments.time_ns[responses.packet]
        row = self.waiting.of(taken)
        row["type"] = np.where(taken["told"], MessageType.RESPONSE, MessageType.EXCHANGE)
        row["status"] = responses.heads.status
        row["failed"] = responses.heads.status >= 400
        row["latency_ns"] = np.maximum(time_ns - taken["started_ns"], 0)
        methods, _ = self._codes(messages)
        to_head = row["method"] == methods[http1.HEAD]
        row["response_bytes"] = _whole_size(responses.heads, responses.content(to_head))
        tunnelled = (row["method"] == methods[http1.CONNECT]) & (row["failed"] == 0)
        ends = (responses.heads.status == 101) | tunnelled
        state["kind"][number[ends]] = NOTHING
        codes = messages.append(row)
        return [Found(number, time_ns, np.ones(len(number), np.bool_), codes)]

    def _before(self, place: I64, number: I64) -> Mask:
        """(waiting,) bool: requests before one of their connection that is answered: their answers were not seen."""
        rows = self.waiting.rows
        last = np.full(int(max(number.max(), rows["connection"].max(initial=0))) + 1, -1, np.int64)
        np.maximum.at(last, number, place)
        found: Mask = np.arange(len(rows)) < last[rows["connection"]]
        return found

    def _in_order(self, place: I64, sure: Mask, least: I64, answers: "_Answers", state: Array) -> None:
        """Where a place is not known yet, but that of the answer right before: the oldest request that is not taken.

        `sure` are the answers that are understood, those to come included.
        """
        odd = np.flatnonzero(~sure & answers.certain)
        rows = self.waiting.rows
        if not len(odd) or not len(rows):
            return
        number, position, time_ns = answers.number, answers.position, answers.time_ns
        taken = set(place[place >= 0].tolist())
        of_connection: dict[int, list[int]] = {}
        wanted = np.flatnonzero(np.isin(rows["connection"], number[odd]))
        for at in wanted.tolist():
            of_connection.setdefault(int(rows["connection"][at]), []).append(at)
        for answer in odd.tolist():  # in the order of their streams
            if not answers.follows(answer, sure, state):
                continue
            first = int(least[answer - 1]) if answer and number[answer - 1] == number[answer] else 0
            least[answer] = first
            if not answers.final[answer]:
                sure[answer] = True
                continue
            for at in of_connection.get(int(number[answer]), ()):
                heard = int(rows["key"][at]) & 0xFFFFFFFF
                before = (int(position[answer]) - heard) & 0xFFFFFFFF < 1 << 31
                if at >= first and at not in taken and before and rows["started_ns"][at] <= time_ns[answer]:
                    place[answer], least[answer], sure[answer] = at, at + 1, True
                    taken.add(at)
                    break

    def _codes(self, messages: Messages) -> tuple[Array, Array]:
        """The codes of methods and versions in this table."""
        if self._words is None or self._words[0] is not messages:
            if self._words is not None:
                self.waiting.move(self._words[0], messages)
            methods = np.array([messages.texts.code(name) for name in http1.METHODS], np.uint32)
            versions = np.array([messages.texts.code(f"HTTP/1.{minor}") for minor in (0, 1)], np.uint32)
            self._words = messages, methods, versions
        return self._words[1:]

    def unanswered(self, before_ns: int, connections: Connections, messages: Messages) -> list[Found]:
        """Requests from before then to which the server has said nothing at all, each told once."""
        if not len(self.waiting):
            return []
        self._codes(messages)
        rows = self.waiting.rows
        silent = connections.state["server_ns"][rows["connection"]] < rows["started_ns"]
        places = np.flatnonzero(self.waiting.overdue(before_ns) & silent)
        if not len(places):
            return []
        rows["told"][places] = 1
        told = chosen(rows, places)
        codes = messages.append(self.waiting.of(told))
        return [Found(told["connection"], told["started_ns"], np.zeros(len(told), np.bool_), codes)]

    def forget(self, before_ns: int, moved: I64 | None) -> None:
        """Give up what is older, count those whose answer we did not see; follow connections to their new numbers."""
        rows = self.waiting.rows
        if moved is not None and len(rows):
            rows["connection"] = moved[rows["connection"]]
            rows["key"] = _key(rows["connection"], (rows["key"] & np.uint64(0xFFFFFFFF)).astype(np.int64))
        old = (rows["started_ns"] < before_ns) | (rows["connection"] < 0)
        self.lost += int((old & (rows["told"] == 0)).sum())
        self.waiting.drop(old)


@dataclass(frozen=True, slots=True)
class _Answers:
    """(n,) answers, in the order of their streams."""

    number: I64
    position: I64
    end: I64
    time_ns: I64
    certain: Mask  # it is no part of another message
    final: Mask

    def follows(self, answer: int, sure: Mask, state: Array) -> bool:
        """Whether it begins where one ends that is understood."""
        number, position = int(self.number[answer]), int(self.position[answer])
        if answer and self.number[answer - 1] == number:
            return bool(sure[answer - 1]) and int(self.end[answer - 1]) == position
        return bool(state["is_sure"][number]) and int(state["sure"][number]) == position


def _key(number: I64, position: npt.NDArray[np.generic]) -> U64:
    return number.astype(np.uint64) << np.uint64(32) | position.astype(np.uint64)


def _whole_size(heads: Heads, content: I64) -> I64:
    """Head and content; 0: not known."""
    return np.where((heads.size > 0) & (content >= 0), np.minimum(heads.size + content, _MOST_BYTES), 0)
