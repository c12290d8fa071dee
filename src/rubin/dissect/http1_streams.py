"""Where HTTP/1 messages begin and end in the streams of a batch, in whatever order its packets came."""

import numpy as np

from rubin.dissect.protocols import http1
from rubin.dissect.protocols.http1 import ABSENT, ENDLESS, REQUEST, RESPONSE, Heads
from rubin.dissect.segments import I64, Mask, Segments, words
from rubin.dissect.streams import NEVER, real
from rubin.model.batch import Array

_OLD = -(1 << 24)  # so far behind, a byte is of another connection with the same ports
_NEW = 1 << 30
_MOST_IN_A_PACKET = 64
_LAST_CHUNK = np.uint64(int.from_bytes(b"0\r\n\r\n", "little"))
_FIVE_BYTES = np.uint64((1 << 40) - 1)


class MessageHeads:
    """Heads: in which packet they are, at which byte of it, and where their messages end in the stream."""

    def __init__(self, packet: I64, offset: I64, heads: Heads, end: I64, content: I64) -> None:
        self.packet, self.offset, self.heads, self.end = packet, offset, heads, end
        self._content = content

    def take(self, rows: I64) -> "MessageHeads":
        """These rows."""
        return MessageHeads(
            self.packet[rows], self.offset[rows], self.heads.take(rows), self.end[rows], self._content[rows]
        )

    def where(self, mask: Mask) -> "MessageHeads":
        """The rows for which it is true."""
        return self if mask.all() else self.take(np.flatnonzero(mask))

    def content(self, to_head: Mask) -> I64:
        """The bytes behind the head."""
        return np.where(to_head, 0, self._content)


class Packets:
    """A batch sorted by stream and place in it."""

    def __init__(self, segments: Segments, number: I64, state: Array) -> None:
        side = segments.out.astype(np.int64)
        group = 2 * number + side
        known = state["known"][number, side]
        base = np.where(known, state["end"][number, side], 0).astype(np.int64)
        order = np.argsort(group, kind="stable")
        start_of = _first_of(group[order])
        sequence = segments.sequence.astype(np.int64)
        first = np.empty(len(group), np.int64)
        first[order] = sequence[order][start_of]
        base = np.where(known, base, first)
        place = _apart(sequence, base)
        strange = np.zeros(2 * len(state) + 2, np.bool_)
        strange[group[(place < _OLD) | (place > _NEW)]] = True
        known &= ~strange[group]
        base = np.where(strange[group], first, base)
        place = _apart(sequence, base)
        placed = place[order]
        if ((placed[1:] < placed[:-1]) & (start_of[1:] == start_of[:-1])).any():  # they did not come in order
            order = np.lexsort((place, group))
        self.segments, self.number = segments.take(order), number[order]
        self._side, self._group, self._place, self._base = side[order], group[order], place[order], base[order]
        self._known = np.where(known[order], 0, NEVER)
        client = state["client_out"][self.number] == self._side
        self._wanted = np.where(client, REQUEST, RESPONSE)
        self._have, self._length = self.segments.captured, self.segments.length
        self._all = self._read(np.arange(len(order)), np.zeros(len(order), np.int64))
        self._chain()

    def _read(self, packet: I64, offset: I64) -> MessageHeads:
        """The heads that begin at these bytes of packets and are of the kind that this side sends."""
        start, have = self.segments.start[packet] + offset, self._have[packet] - offset
        kind, method = http1.kinds(self.segments.data, start, have)
        likely = np.flatnonzero(kind == self._wanted[packet])
        packet, offset = packet[likely], offset[likely]
        heads = http1.heads(self.segments.data, start[likely], have[likely], kind[likely], method[likely])
        good = np.flatnonzero(heads.kind == self._wanted[packet])
        packet, offset, heads = packet[good], offset[good], heads.take(good)
        content = heads.content
        bodiless = (heads.status < 200) | (heads.status == 204) | (heads.status == 304)
        content = np.where(heads.kind == REQUEST, np.where(content == ABSENT, 0, content), content)
        content = np.where((heads.kind == RESPONSE) & bodiless, 0, content)
        content = np.where(content == ABSENT, ENDLESS, content)
        rest = self._length[packet] - offset
        ended = np.flatnonzero((content == ENDLESS) & (self._have[packet] == self._length[packet]) & (heads.size > 0))
        last = words(self.segments.data)[self.segments.start[packet[ended]] + self._have[packet[ended]] - 5]
        ended = ended[(last & _FIVE_BYTES) == _LAST_CHUNK]
        content[ended] = rest[ended] - heads.size[ended]
        whole = (content >= 0) & (heads.size > 0)
        end = self._place[packet] + offset + np.where(whole, heads.size + content, rest)
        return MessageHeads(packet, offset, heads, end, content)

    def _chain(self) -> None:
        """Messages that begin where another ends in the same packet; then which packets begin with a real one."""
        reached = np.full(len(self.number), NEVER, np.int64)
        later, last = [], self._all
        for _ in range(_MOST_IN_A_PACKET):
            reached[last.packet] = last.end
            offset = last.end - self._place[last.packet]
            more = np.flatnonzero(offset + 16 <= self._have[last.packet])
            if not len(more):
                break
            last = self._read(last.packet[more], offset[more])
            later.append(last)
        candidate = reached > NEVER
        self.valid, begun = real(self._group, self._place, reached, candidate, self._known)
        self._begun, self._reached = begun, np.maximum(np.where(self.valid, reached, NEVER), begun)
        self._later = [*later, self._behind(begun)]

    def _behind(self, begun: I64) -> MessageHeads:
        """Messages in the middle of a packet, behind the end of one that began in an earlier packet."""
        offset = begun - self._place
        rows = np.flatnonzero(~self.valid & (offset > 0) & (offset + 16 <= self._have))
        found = self._read(rows, offset[rows])
        if not len(found.packet):
            return found
        self.valid[found.packet] = True
        self._reached[found.packet] = np.maximum(self._reached[found.packet], found.end)
        dropped = np.zeros(len(self.number), np.bool_)
        dropped[found.packet] = True  # what such a packet seemed to begin with lies inside the earlier message
        self._all = self._all.where(~dropped[self._all.packet])
        return found

    def messages(self, kind: int) -> MessageHeads:
        """All heads of a kind, in order of packets and places."""
        parts = [self._all, *(part for part in self._later if len(part.packet))]
        chosen = [part.where(part.heads.kind == kind) for part in parts]
        if len(chosen) == 1:
            return chosen[0]
        joined = MessageHeads(
            np.concatenate([part.packet for part in chosen]),
            np.concatenate([part.offset for part in chosen]),
            Heads(np.concatenate([part.heads.matrix for part in chosen], axis=1)),
            np.concatenate([part.end for part in chosen]),
            np.concatenate([part.content(np.zeros(len(part.packet), np.bool_)) for part in chosen]),
        )
        return joined.take(np.lexsort((joined.offset, joined.packet)))

    def missing(self) -> Mask:
        """(n,) bool: which packets do not go on where their stream had been understood up to."""
        found: Mask = self.valid & (self._place > self._begun) & (self._begun > NEVER)
        return found

    def end_position(self, of: MessageHeads) -> I64:
        """The numbers of the bytes behind them in the stream."""
        return (self._base[of.packet] + of.end) & 0xFFFFFFFF

    def position(self, of: MessageHeads) -> I64:
        """The numbers of their first bytes in the stream."""
        return (self.segments.sequence[of.packet].astype(np.int64) + of.offset) & 0xFFFFFFFF

    def keep(self, state: Array) -> None:
        """How far each stream has been understood."""
        last = np.flatnonzero(np.diff(self._group, append=-1))
        place = self._reached[last]
        sure = place > NEVER
        last, place = last[sure], place[sure]
        state["end"][self.number[last], self._side[last]] = (self._base[last] + place) & 0xFFFFFFFF
        state["known"][self.number[last], self._side[last]] = True


def _apart(sequence: I64, base: I64) -> I64:
    """How far a byte is behind another one, in numbers that turn over at 2^32."""
    return ((sequence - base + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def _first_of(ordered: I64) -> I64:
    """(n,) the place of the first row of each row's group."""
    starts = np.diff(ordered, prepend=-1) != 0
    found: I64 = np.maximum.accumulate(np.where(starts, np.arange(len(ordered)), 0))
    return found
