"""Requests put together, as a table or as JSON."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rubin.model.messages import request
from rubin.model.tables import Process
from rubin.query.question import BY
from rubin.words.facts import owner
from rubin.words.text import Palette, clean
from rubin.words.times import SECOND_NS, duration_text
from rubin.words.units import BYTES, latency, scaled

Row = Mapping[str, Any]
_GAP = "  "
_WHOLE = 0.9  # of the time that is told of
_NARROW = 100  # columns of a terminal
_CLEAR = "\x1b[H\x1b[2J"


@dataclass(frozen=True, slots=True)
class _Column:
    """`paint` is a method of `Palette`, for cells that are not "-" or "0"."""

    head: str
    cell: Callable[[Row], str]
    paint: str = ""
    is_number: bool = True
    is_spare: bool = False  # left out where the terminal is narrow


def _text(name: str) -> Callable[[Row], str]:
    return lambda row: clean(row.get(name, "")) or "-"


def _duration(name: str) -> Callable[[Row], str]:
    return lambda row: latency(round(row[name] / 1000)) if row[name] else "-"


def _size(name: str) -> Callable[[Row], str]:
    return lambda row: scaled(row[name], 1024, BYTES) if row[name] else "-"


def _errors(row: Row) -> str:
    return f"{row['errors']:,} ({row['errors_percent']:.3g}%)" if row["errors"] else "0"


def _process(row: Row) -> str:
    """`nginx/1234`, or `nginx (3 processes)`."""
    found = row.get("process")
    if found is None:
        return "-"
    if found["processes"] == 1:
        return clean(owner(Process(found["pid"], found["command"])))
    return clean(f"{found['command']} ({found['processes']:,} processes)")


_NUMBERS = (
    _Column("PROTOCOL", _text("protocol"), is_number=False),
    _Column("COUNT", lambda row: f"{row['count']:,}"),
    _Column("/S", lambda row: _rate(row["per_second"]), is_spare=True),
    _Column("ERRORS", _errors, "bad"),
    _Column("P50", _duration("p50_ns"), is_spare=True),
    _Column("P95", _duration("p95_ns")),
    _Column("P99", _duration("p99_ns"), is_spare=True),
    _Column("MAX", _duration("max_ns")),
)
_SIZES = (_Column("IN", _size("request_bytes")), _Column("OUT", _size("response_bytes")))
_PROCESS = _Column("PROCESS", _process, "identity", is_number=False)
_ERROR = _Column("ERROR", _text("error"), "bad", is_number=False)
_WORDS = {
    "client": (_Column("CLIENT", _text("client"), "host", is_number=False),),
    "server": (_Column("SERVER", _text("server"), "host", is_number=False),),
    "program": (_PROCESS, _Column("AS", _text("role"), is_number=False)),
    "target": (_Column("REQUEST", lambda row: clean(request(row["method"], row["target"])) or "-", is_number=False),),
}
"""The columns that tell of what rows have in common, in this order."""


class Printer:
    """Answers of `query.top` as texts; the next one takes the place of the last on a terminal."""

    def __init__(self, by: str, output: str, paint: Palette) -> None:
        self._output, self._paint = output, paint
        own = [column for name, columns in _WORDS.items() if name in BY[by] for column in columns]
        owner_too = () if _PROCESS in own else (_PROCESS,)
        more = (*_SIZES, _ERROR, *owner_too) if output == "wide" else ()
        self._columns = (*_NUMBERS, *more, *own)
        self._again = False

    def text(self, found: Mapping[str, Any]) -> str:
        """`json`: an object a row, what is not in them goes to standard error; `table` or `wide`."""
        if self._output == "json":
            sys.stderr.writelines(f"{line.strip()}\n" for line in self._of_nodes(found))
            return "".join(f"{json.dumps(row, separators=(',', ':'))}\n" for row in found["rows"])
        before = ""
        if self._again:
            before = _CLEAR if sys.stdout.isatty() else "\n"
        self._again = True
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        return before + self._table(found, width)

    def _table(self, found: Mapping[str, Any], width: int) -> str:
        """`width` 0: as wide as it wants to be."""
        head = "\n".join((self._head(found), *self._of_nodes(found)))
        if not found["rows"]:
            return f"{head}\n  try: a longer --since, fewer filters; rubin status says whether messages are read\n"
        narrow = 0 < width < _NARROW and self._output == "table"
        columns = [column for column in self._columns if not (narrow and column.is_spare)]
        return f"{head}\n\n" + self._lines(columns, found["rows"], width)

    def _lines(self, columns: Sequence[_Column], rows: Sequence[Row], width: int) -> str:
        cells = [[column.head for column in columns], *([column.cell(row) for column in columns] for row in rows)]
        widths = [max(map(len, each)) for each in zip(*cells, strict=True)]
        lines = []
        for number, row in enumerate(cells):
            left, parts = width or sys.maxsize, []
            for column, size, cell in zip(columns, widths, row, strict=True):
                last = column is columns[-1]
                padded = cell.rjust(size) if column.is_number else cell if last else cell.ljust(size)
                shown = padded if len(padded) <= left else padded[: left - 1] + "…"
                parts.append(self._painted(column, shown) if number and cell not in ("-", "0") else shown)
                left -= len(shown) + len(_GAP)
                if left <= 0:
                    break
            lines.append(_GAP.join(parts).rstrip() + "\n")
        return "".join(lines)

    def _painted(self, column: _Column, text: str) -> str:
        painted: str = getattr(self._paint, column.paint)(text) if column.paint else text
        return painted

    def _head(self, found: Mapping[str, Any]) -> str:
        """`1,203 requests in 5m0s, 4.01/s, 12 errors (1%)`; what was lost meanwhile."""
        took_ns, count = found["until_ns"] - found["from_ns"], found["count"]
        during = duration_text(took_ns, SECOND_NS)
        if not count:
            return f"no requests in {during}"
        rate = _rate(count * SECOND_NS / max(took_ns, SECOND_NS))
        parts = [f"{_counted(count, 'request')} in {during}", f"{rate}/s"]
        if found["errors"]:
            parts.append(
                self._paint.bad(f"{_counted(found['errors'], 'error')} ({100 * found['errors'] / count:.3g}%)")
            )
        if found["lost_events"]:
            parts.append(self._paint.notable(f"{_counted(found['lost_events'], 'event')} lost"))
        return ", ".join(parts)

    def _of_nodes(self, found: Mapping[str, Any]) -> Iterator[str]:
        """Of a relay's answer: what the table does not tell because of some node, a line each."""
        for one in found.get("missing", ()):
            yield self._paint.notable(clean(f"  without {one['name']}: {one['why']}"))
        span_ns = found["until_ns"] - found["from_ns"]
        for one in found.get("nodes", ()):
            held_ns = max(0, found["until_ns"] - one["from_ns"])
            if held_ns < _WHOLE * span_ns:
                yield clean(f"  {one['name']} has only the last {duration_text(held_ns, SECOND_NS)}")
        if left := found.get("left_out"):
            more = "rows may be missing, and " * (not left["is_sure"])
            yield f"  {_counted(left['rows'], 'row')} left out at nodes: {more}{self._miss(left)}"
        if found.get("unmatched"):
            count = _counted(found["unmatched"], "connection")
            yield f"  {count} not compared between nodes: some requests may count twice"

    def _miss(self, left: Mapping[str, Any]) -> str:
        """By how much a number can be wrong."""
        if left["sort"] == "slowest":
            return f"a row may miss requests of nodes where its P95 is below {latency(round(left['most'] / 1000))}"
        return f"a row may miss {_counted(left['most'], 'error' if left['sort'] == 'failing' else 'request')}"


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _rate(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
