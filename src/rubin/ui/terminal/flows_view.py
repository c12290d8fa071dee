"""The flows: a line each, in words, only of those that are seen."""

from collections.abc import Sequence

import numpy as np

from rubin.model.batch import FlowBatch, Lost
from rubin.ui.terminal.looks import ADDRESS, DIM, LOST, PLAIN, Cell, Column, look
from rubin.ui.terminal.matches import Matches
from rubin.ui.terminal.view import LineView
from rubin.words.distinct import message_texts, texts
from rubin.words.facts import owner
from rubin.words.text import clean
from rubin.words.times import Clock
from rubin.words.units import latency
from rubin.words.wording import Options, Said, Wording

_KEPT_LINES = 2_000
_DAY = len("Jan  2 ")
_WIDE = 110
ARROWS = {1: "←", 0: "→", -1: "–"}

COLUMNS = (
    Column("TIME", 12),
    Column("VERDICT", 7),
    Column("SOURCE", 10, share=3, is_host=True),
    Column("", 1),
    Column("DESTINATION", 10, share=3, is_host=True),
    Column("TYPE", 14, from_width=120),
    Column("SUMMARY", 10, share=4),
    Column("LATENCY", 8, is_number=True, from_width=_WIDE),
    Column("PROCESS", 16, from_width=140),
    Column("NODE", 14, from_width=170),
)


class FlowsView(LineView):
    """What `Matches` has, the newest at the bottom."""

    columns = COLUMNS

    def __init__(self, id: str, matches: Matches) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id)
        self.matches = matches
        self.is_following = True
        self._end: int | None = None
        self._wording = Wording(Options(clock=Clock("StampMilli"), node_name=True))
        self._kept: dict[int, tuple[Cell, ...]] = {}

    @property
    def count(self) -> int:
        """Lines; while it is held, as many as there were."""
        return len(self.matches) if self._end is None else self._end

    def show(self, matches: Matches) -> None:
        """Other lines, the last one chosen."""
        self.matches, self._kept = matches, {}
        self.go_on()

    def hold(self) -> None:
        """Show no more than there is now."""
        self._end, self.is_following = self.count, False
        self.refresh()

    def go_on(self) -> None:
        """Follow what comes."""
        self._end, self.is_following = None, True
        self.changed()

    def changed(self, gone: int = 0) -> None:
        """The lines are others now; `gone`: so many have left at the front."""
        if self._end is not None:
            self._end = max(0, self._end - gone)
        super().changed(gone)

    def flow(self) -> FlowBatch | None:
        """The chosen flow, one row; None where there is none, or where it is a loss."""
        if not self.count:
            return None
        code = self.matches.lines[self.chosen : self.chosen + 1]
        batch = self.matches.flows(code) if code[0] >= 0 else None
        return batch if batch is not None and len(batch) else None

    def cells(self, first: int, end: int) -> Sequence[Sequence[Cell]]:
        """In words; a flow that has gone meanwhile is said to have gone."""
        codes = self.matches.lines[first:end].tolist()
        missing = sorted(code for code in codes if code not in self._kept)
        if missing:
            self._put(missing)
        return [self._kept[code] for code in codes]

    def _seen(self, at: int) -> Sequence[Cell]:
        """All that is in sight is put into words at once."""
        code = int(self.matches.lines[at])
        if code not in self._kept:
            self.cells(*self.in_sight(at))
        return self._kept[code]

    def _put(self, codes: list[int]) -> None:
        if len(self._kept) > _KEPT_LINES:
            self._kept = {}
        rows = np.array([code for code in codes if code >= 0], np.int64)
        batch = self.matches.flows(rows)
        gone = len(rows) - len(batch)  # at the front
        made = flow_cells(batch, self._wording)
        self._kept |= {int(row): _GONE for row in rows[:gone]}
        self._kept |= dict(zip(rows[gone:].tolist(), made, strict=True))
        self._kept |= {code: lost_cells(self.matches.loss(code)) for code in codes if code < 0}


_GONE = (Cell("", DIM), Cell("?", DIM), Cell("no longer held", DIM))


def flow_cells(batch: FlowBatch, wording: Wording) -> list[tuple[Cell, ...]]:
    """A line for each flow."""
    if not len(batch):
        return []
    processes = texts(batch["process"], lambda code: clean(owner(batch.tables.processes[code])))
    took = message_texts(batch, lambda message: latency(message.latency_ns // 1000) if message.latency_ns else "")
    opened = texts(batch["connect_latency_us"], lambda us: latency(us) if us else "")
    rows = zip(
        wording.said(batch),
        batch["verdict"].tolist(),
        (batch["is_reply"] == 1).tolist(),
        processes,
        took,
        opened,
        strict=True,
    )
    return [
        _cells(said, verdict, process, (answer if is_reply else "") or connect)
        for said, verdict, is_reply, process, answer, connect in rows
    ]


def _cells(said: Said, verdict: int, process: str, took: str) -> tuple[Cell, ...]:
    """Source and destination are the packet's; the arrow says whether it answers."""
    looks = look(verdict)
    return (
        Cell(said.time[_DAY:], DIM),
        Cell(f"{looks.glyph} {looks.word}", looks.style),
        Cell(said.source.host, ADDRESS),
        Cell(ARROWS[said.reply], DIM),
        Cell(said.destination.host, ADDRESS),
        Cell(said.fate.type),
        Cell(said.fate.summary, looks.style if looks.word.isupper() else PLAIN),
        Cell(took),
        Cell(process),
        Cell(said.node, DIM),
    )


def lost_cells(lost: Lost) -> tuple[Cell, ...]:
    """A line that says how many events are missing, and where they were lost."""
    where = clean(lost.place or lost.source.name.lower().replace("_", " "))
    at = f" on {clean(lost.node_name)}" if lost.node_name else ""
    time = Clock("StampMilli").text(lost.time_ns)[_DAY:]
    told = f"{lost.events:,} events lost"
    return (
        Cell(time, DIM),
        Cell(f"{LOST.glyph} {LOST.word}", LOST.style),
        Cell(told, LOST.style),
        Cell(""),
        Cell(f"{where}{at}", LOST.style),
    )
