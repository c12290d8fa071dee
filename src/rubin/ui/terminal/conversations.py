"""Both directions of a connection as one line: how much, how it went, when last."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.model.batch import FlowBatch
from rubin.model.enums import Verdict
from rubin.query.said import connections
from rubin.store.ring import Ring
from rubin.ui.terminal.looks import ADDRESS, DIM, Cell, Column, look
from rubin.ui.terminal.matches import Matches, numbered, rows_of
from rubin.ui.terminal.view import LineView
from rubin.words.times import Clock
from rubin.words.units import BYTES, scaled
from rubin.words.wording import Options, Said, Wording

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

MOST_ROWS = 100_000
"""Of the newest flows that the filter wants; older ones are not put together."""
_KEPT_LINES = 2_000
_DAY = len("Jan  2 ")
_RANK = {Verdict.DROPPED: 4, Verdict.ERROR: 3, Verdict.AUDIT: 2, Verdict.FORWARDED: 1, Verdict.REDIRECTED: 1}
_RANKS = np.array([_RANK.get(verdict, 0) for verdict in Verdict], np.int64)
_NUMBERS = ("row", "is_reply", "rank", "point", "packets", "bytes")
_OF_RANK = (Verdict.VERDICT_UNKNOWN, Verdict.FORWARDED, Verdict.AUDIT, Verdict.ERROR, Verdict.DROPPED)

COLUMNS = (
    Column("LAST", 12),
    Column("WORST", 7),
    Column("CLIENT", 10, share=3, is_host=True),
    Column("SERVER", 10, share=3, is_host=True),
    Column("FLOWS", 6, is_number=True),
    Column("PACKETS", 8, is_number=True, from_width=100),
    Column("BYTES", 9, is_number=True),
    Column("LAST SUMMARY", 10, share=3, from_width=100),
)


class Conversations(NamedTuple):
    """A connection each, that which was heard last at the end. `last`: the number of its newest flow in the ring."""

    last: I64
    flows: I64
    packets: I64
    bytes: I64
    worst: I64  # Verdict
    total_rows: int


def put_together(matches: Matches) -> Conversations:
    """Of the newest `MOST_ROWS` flows. What several points have seen of a direction counts once: as the most told."""
    lines = matches.lines
    rows = lines[lines >= 0][-MOST_ROWS:].copy()
    keys, numbers = _columns(matches, rows)
    found, where = np.unique(keys, return_inverse=True)
    last, worst = np.zeros((2, len(found)), np.int64)
    np.maximum.at(last, where, numbers["row"])
    np.maximum.at(worst, where, numbers["rank"])
    order = np.argsort(last)
    ways, way = np.unique(where * 2 + numbers["is_reply"], return_inverse=True)
    points, point = np.unique(way * 256 + numbers["point"], return_inverse=True)

    def once(column: str) -> I64:
        told = np.bincount(point, numbers[column], len(points)).astype(np.int64)
        most = np.zeros(len(ways), np.int64)
        np.maximum.at(most, points // 256, told)
        return np.bincount(ways // 2, most, len(found)).astype(np.int64)[order]

    flows = np.bincount(where, minlength=len(found))[order]
    verdicts = np.array(_OF_RANK, np.int64)[worst[order]]
    return Conversations(last[order], flows, once("packets"), once("bytes"), verdicts, len(keys))


def _columns(matches: Matches, rows: I64) -> tuple[U64, dict[str, I64]]:
    """Of each row its connection, and its numbers by name."""
    keys, made = np.empty(len(rows), np.uint64), {name: np.zeros(len(rows), np.int64) for name in _NUMBERS}
    done = 0
    for first, view in numbered(matches.ring, rows):
        mine = rows[(rows >= first) & (rows < first + len(view))]
        part, here = view.take(mine - first), slice(done, done + len(mine))
        keys[here] = connections(part)
        made["row"][here], made["is_reply"][here] = mine, part["is_reply"] == 1
        made["rank"][here] = _RANKS[np.minimum(part["verdict"], len(_RANKS) - 1)]
        made["point"][here] = part["trace_point"]
        made["packets"][here], made["bytes"][here] = part["packets"], part["bytes"]
        done += len(mine)
    return keys[:done], {name: column[:done] for name, column in made.items()}


class ConversationsView(LineView):
    """What `put_together` has found, the newest at the bottom."""

    columns = COLUMNS

    def __init__(self, id: str, matches: Matches) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id)
        self.is_following = True
        self._matches = matches
        self._found: Conversations | None = None
        self._wording = Wording(Options(clock=Clock("StampMilli")))
        self._kept: dict[int, Said] = {}

    @property
    def count(self) -> int:
        """Lines."""
        return 0 if self._found is None else len(self._found.last)

    def show(self, matches: Matches, found: Conversations) -> None:
        """What was found; the chosen connection stays chosen."""
        if matches is not self._matches:
            self._matches, self._kept, self.is_following = matches, {}, True
        self._found = found
        self.changed()

    def flow(self) -> FlowBatch | None:
        """The newest flow of the chosen connection, one row."""
        if self._found is None or not self.count:
            return None
        batch = rows_of(self._matches.ring, self._found.last[self.chosen : self.chosen + 1])
        return batch if len(batch) else None

    def cells(self, first: int, end: int) -> Sequence[Sequence[Cell]]:
        """In words, from who opened to who answered."""
        found = self._found
        assert found is not None
        self._put([row for row in found.last[first:end].tolist() if row not in self._kept])
        return conversation_cells(found, self._kept, first, end)

    def _seen(self, at: int) -> Sequence[Cell]:
        if self._found is not None and int(self._found.last[at]) not in self._kept:
            self.cells(*self.in_sight(at))
        return super()._seen(at)

    def _put(self, rows: list[int]) -> None:
        if not rows:
            return
        if len(self._kept) > _KEPT_LINES:
            self._kept = {}
        self._kept |= said_of(self._matches.ring, np.array(sorted(rows), np.int64), self._wording)


def said_of(ring: Ring, rows: I64, wording: Wording) -> dict[int, Said]:
    """By their numbers, ascending, the flows of the ring in words; without those that are gone."""
    batch = rows_of(ring, rows)
    return dict(zip(rows[len(rows) - len(batch) :].tolist(), wording.said(batch), strict=True))


def conversation_cells(
    found: Conversations, said: Mapping[int, Said], first: int = 0, end: int | None = None
) -> list[tuple[Cell, ...]]:
    """A line for each of them, `said` being their newest flows."""
    numbers = (each[first:end].tolist() for each in (found.flows, found.packets, found.bytes, found.worst))
    return [_cells(said.get(row), *of) for row, *of in zip(found.last[first:end].tolist(), *numbers, strict=True)]


def _cells(said: Said | None, flows: int, packets: int, size: int, worst: int) -> tuple[Cell, ...]:
    looks = look(worst)
    if said is None:
        return (Cell("", DIM), Cell("?", DIM), Cell("no longer held", DIM))
    client, server = (said.destination, said.source) if said.reply == 1 else (said.source, said.destination)
    return (
        Cell(said.time[_DAY:], DIM),
        Cell(f"{looks.glyph} {looks.word}", looks.style),
        Cell(client.host, ADDRESS),
        Cell(server.host, ADDRESS),
        Cell(f"{flows:,}"),
        Cell(f"{packets:,}" if packets else "–"),
        Cell(scaled(size, 1024, BYTES) if size else "–"),
        Cell(said.fate.summary),
    )
