"""From packets to exchanges: which protocol a connection speaks, who asks, and what was said.

All state across packets is here: a table of connections, a table of requests that wait for each protocol that is
read by columns, and a `Conversation` for each connection of the others.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rubin.dissect.connections import FIRST_TABLE, NOTHING, TALK, UNDECIDED, Connections
from rubin.dissect.conversation import Dissector, Speaker
from rubin.dissect.datagrams import Datagrams
from rubin.dissect.dissectors import DISSECTORS
from rubin.dissect.found import Found, Told, joined
from rubin.dissect.protocols import http1
from rubin.dissect.protocols.tls import is_encrypted
from rubin.dissect.redaction import REDACTION, Redaction
from rubin.dissect.segments import I64, LOCAL, UNKNOWN, Segments
from rubin.dissect.talks import Talks
from rubin.dissect.turns import Turns
from rubin.model.messages import Messages

ENOUGH, NEVER = 0, -1
"""No more of a connection is wanted: all that can be read has been, or nothing was."""

_HTTP1, _DATAGRAMS = FIRST_TABLE, FIRST_TABLE + 1
_REMEMBERED = 2048
_MOST_LOOKS = 6  # packets of a connection of which nobody says that it is his
_PATIENCE_NS = 2_000_000_000  # after which a request is told that waits for its answer
_FORGET_NS = 300_000_000_000
_SILENCE_NS = 600_000_000_000
_SECOND_NS = 1_000_000_000


class Stage:
    """One thread reads. `wishes` says what it wants to hear of whom, since it was last asked."""

    def __init__(self, dissectors: Sequence[Dissector] = DISSECTORS, redaction: Redaction = REDACTION) -> None:
        self._dissectors = dissectors
        self.connections = Connections()
        self.turns, self.datagrams, self.talks = Turns(redaction), Datagrams(), Talks()
        self._claims = lru_cache(_REMEMBERED)(self._claimed)  # many connections begin alike
        self._wishes: list[tuple[I64, int]] = []
        self._vain: list[int] = []
        self._ticked_ns = 0

    @property
    def lost(self) -> int:
        """Answers without a request that was seen, requests whose answer was not, connections given up for room."""
        by_columns = sum(one.lost + one.waiting.forgotten for one in (self.turns, self.datagrams))
        return by_columns + self.talks.forgotten

    def read(self, segments: Segments, messages: Messages) -> Told:
        """What these packets say; texts and contents go into `messages`."""
        if not len(segments):
            return self._told([])
        number, segments = self.connections.numbers(segments), segments.without_facts()
        state = self.connections.state
        found: list[Found] = []
        datagrams = np.flatnonzero(~segments.tcp)
        if len(datagrams):
            found += self._datagrams(segments.take(datagrams), number[datagrams], messages)
        streams = np.flatnonzero(segments.tcp)
        if len(streams):
            segments, number = segments.take(streams), number[streams]
            self._decide(segments, number)
            kind = state["kind"][number]
            from_server = segments.out != (state["client_out"][number] == 1)
            state["server_ns"][number[from_server]] = segments.time_ns[from_server]
            for wanted, read in ((_HTTP1, self._http1), (TALK, self._talk)):
                rows = np.flatnonzero(kind == wanted)
                if len(rows):
                    found += read(segments.take(rows), number[rows], messages)
        return self._told(found)

    def _datagrams(self, segments: Segments, number: I64, messages: Messages) -> list[Found]:
        found, is_dns = self.datagrams.read(segments, number, self.connections, messages)
        kind = self.connections.state["kind"]
        decided = number[is_dns & (kind[number] == UNDECIDED)]
        kind[decided] = _DATAGRAMS
        self._wish(decided, 1)
        never = number[~is_dns & (kind[number] == UNDECIDED)]
        kind[never] = NOTHING
        self._wish(never, NEVER)
        return found

    def _http1(self, segments: Segments, number: I64, messages: Messages) -> list[Found]:
        found = self.turns.read(segments, number, self.connections, messages)
        self._wish_nothing(number)
        return found

    def _talk(self, segments: Segments, number: I64, messages: Messages) -> list[Found]:
        found = self.talks.read(segments, number, self.connections.state, messages)
        self._wish_nothing(number)
        return found

    def _wish_nothing(self, number: I64) -> None:
        """Where nothing more can be read, nothing more is wanted."""
        over = np.unique(number[self.connections.state["kind"][number] == NOTHING])
        self._wish(over, ENOUGH)

    def _decide(self, segments: Segments, number: I64) -> None:
        """What is spoken on connections of which that is not known yet."""
        state = self.connections.state
        rows = np.flatnonzero(state["kind"][number] == UNDECIDED)
        if not len(rows):
            return
        heads = http1.heads(segments.data, segments.start[rows], segments.captured[rows])
        spoken = heads.kind != http1.NEITHER
        decided = rows[spoken]
        state["kind"][number[decided]] = _HTTP1
        state["client_out"][number[decided]] = segments.out[decided] == (heads.kind[spoken] == http1.REQUEST)
        self._wish(number[decided], 1)
        for row in rows[~spoken].tolist():
            if state["kind"][number[row]] == UNDECIDED:
                self._ask(segments, row, int(number[row]))

    def _ask(self, segments: Segments, row: int, number: int) -> None:
        """Ask each dissector whether a packet is its own."""
        state = self.connections.state
        data, out, opener = segments.bytes(row), bool(segments.out[row]), int(segments.opener[row])
        for dissector, speaker in self._claims(data):
            client_out = out == (speaker is Speaker.CLIENT)
            if opener != UNKNOWN and client_out != (opener == LOCAL):
                continue  # whoever opens a connection is its client
            state["kind"][number], state["client_out"][number] = TALK, client_out
            self.talks.begin(number, dissector, bool(segments.from_start[row]))
            self._wish(np.array([number]), dissector.slots)
            return
        looked = state["looked"][number] = state["looked"][number] + 1
        gives_up = looked >= _MOST_LOOKS or is_encrypted(data)
        if gives_up:
            state["kind"][number] = NOTHING
            self._wish(np.array([number]), NEVER)
        if looked == 1 if segments.from_start[row] else gives_up:  # many connections end before they are given up
            self._vain.append(number)

    def _claimed(self, data: bytes) -> tuple[tuple[Dissector, Speaker], ...]:
        """Who says that a packet is his own, and who speaks then. Each dissector takes some microseconds."""
        asked = [(dissector, self.talks.claim(dissector, data)) for dissector in self._dissectors]
        return tuple((dissector, speaker) for dissector, speaker in asked if speaker is not None)

    def _wish(self, number: I64, slots: int) -> None:
        if len(number):
            self._wishes.append((number, slots))

    def wishes(self) -> list[tuple[npt.NDArray[np.void], int]]:
        """(facts of connections, how much of each of their packets is wanted: 1 to 4, ENOUGH or NEVER)."""
        wishes, self._wishes = self._wishes, []
        facts = self.connections.facts
        return [] if facts is None else [(facts[number], slots) for number, slots in wishes]

    def vain(self) -> npt.NDArray[np.void] | None:
        """Facts of connections, each once, of which what came first could not be read; None: of none."""
        vain, self._vain = self._vain, []
        return self.connections.facts[vain] if vain and self.connections.facts is not None else None

    def tick(self, now_ns: int, messages: Messages) -> Told:
        """Requests that wait for long, once a second at most; those that are older still are forgotten.

        Call it after `wishes` and `vain`: connections may have other numbers then.
        """
        if now_ns - self._ticked_ns < _SECOND_NS:
            return self._told([])
        self._ticked_ns = now_ns
        before_ns = now_ns - _PATIENCE_NS
        found = self.turns.unanswered(before_ns, self.connections, messages)
        found += self.datagrams.unanswered(before_ns, messages)
        found += self.talks.unanswered(now_ns - 5 * _PATIENCE_NS, self.connections.state, messages)
        told = self._told(found)
        moved = self.connections.forget(now_ns - _SILENCE_NS)
        self.turns.forget(now_ns - _FORGET_NS, moved)
        self.datagrams.forget(now_ns - _FORGET_NS, moved)
        if moved is not None:
            self.talks.forget(moved)
        return told

    def _told(self, found: list[Found]) -> Told:
        all_of_it = joined(found)
        number, facts = all_of_it.connection, self.connections.facts
        return Told(
            np.zeros(0, np.uint8) if facts is None else facts[number],
            self.connections.state["client_out"][number] == 1,
            all_of_it.time_ns,
            all_of_it.answered,
            all_of_it.message,
        )
