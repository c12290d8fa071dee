"""Flows put together: what each of the other views has in its lines, and the filter for the flows behind one."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rubin.model.messages import request
from rubin.model.tables import Process
from rubin.ui.terminal.looks import ADDRESS, BAD, DIM, NOTABLE, PLAIN, STRONG, Cell, Column, bars, look
from rubin.ui.terminal.view import LineView
from rubin.words.facts import owner
from rubin.words.rcodes import rcode
from rubin.words.terms import Term, asked_by_query
from rubin.words.text import clean
from rubin.words.times import Clock
from rubin.words.units import latency

Row = Mapping[str, Any]
_MS_NS = 1_000_000
_DAY = len("Jan  2 ")
_ERRORS = 60  # columns from which there is room for them beside one name


@dataclass(frozen=True, slots=True)
class Table:
    """The lines of a view: columns, what stands in them, and the filter for what is behind one."""

    columns: tuple[Column, ...]
    cells: Callable[[Row], Sequence[Cell]]
    terms: Callable[[Row], tuple[Term, ...]]


class AnswersView(LineView):
    """The rows of an answer, the first at the top."""

    def __init__(self, id: str, table: Table) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id)
        self.table = table
        self.columns = table.columns
        self.rows: Sequence[Row] = ()

    @property
    def count(self) -> int:
        """Rows."""
        return len(self.rows)

    def show(self, rows: Sequence[Row], table: Table | None = None) -> None:
        """Other rows; the chosen place stays."""
        self.table = table or self.table
        self.columns, self.rows = self.table.columns, rows
        self.changed()

    def row(self) -> Row | None:
        """The chosen one."""
        return self.rows[self.chosen] if self.rows else None

    def cells(self, first: int, end: int) -> Sequence[Sequence[Cell]]:
        """What stands in them."""
        return [self.table.cells(row) for row in self.rows[first:end]]


# --- requests

_NUMBERS = (
    Column("PROTOCOL", 10),
    Column("COUNT", 7, is_number=True),
    Column("/S", 6, is_number=True),
    Column("ERRORS", 7, is_number=True),
    Column("P50", 8, is_number=True, from_width=100),
    Column("P95", 8, is_number=True),
    Column("P99", 8, is_number=True, from_width=100),
    Column("MAX", 8, is_number=True, from_width=100),
)
_WORDS = {
    "endpoint": ("server", "request"),
    "service": ("server",),
    "client": ("client", "server"),
    "process": ("process", "role"),
    "protocol": (),
}


def requests(by: str) -> Table:
    """Requests put together by one of `query.question.BY`."""
    words = _WORDS[by]
    own = [
        Column(name.upper(), 10, share=4 if name == "request" else 3, is_host=name in ("server", "client"))
        for name in words
    ]
    error = Column("ERROR", 9, share=1, from_width=120 if len(words) > 1 else _ERRORS)

    def cells(row: Row) -> Sequence[Cell]:
        return (*_numbers(row), *(_word(name, row) for name in words), Cell(_error(row), BAD))

    return Table((*_NUMBERS, *own, error), cells, _behind)


def _numbers(row: Row) -> tuple[Cell, ...]:
    failed = bool(row["errors"])
    return (
        Cell(row["protocol"]),
        Cell(f"{row['count']:,}"),
        Cell(_rate(row["per_second"])),
        Cell(f"! {row['errors']:,}" if failed else "0", BAD if failed else DIM),
        *(Cell(latency(row[name] // 1000) if row[name] else "–") for name in ("p50_ns", "p95_ns", "p99_ns", "max_ns")),
    )


def _error(row: Row) -> str:
    """How most of them failed; an older agent gives the bare code of a DNS answer."""
    error = row["error"]
    return rcode(int(error)) if row["protocol"] == "dns" and error.isdecimal() else clean(error)


def _word(name: str, row: Row) -> Cell:
    if name == "request":
        return Cell(clean(request(row["method"], row["target"])) or "–")
    if name == "process":
        return Cell(_process(row.get("process")), ADDRESS)
    return Cell(clean(row.get(name, "")) or "–", PLAIN if name == "role" else ADDRESS)


def _process(found: Row | None) -> str:
    if found is None:
        return "–"
    if found["processes"] == 1:
        return clean(owner(Process(found["pid"], found["command"])))
    return clean(f"{found['command']} ({found['processes']:,})")


def _behind(row: Row) -> tuple[Term, ...]:
    """Both directions of what is put together in the row, as far as a filter can say it."""
    if "query" in row:
        return asked_by_query(row["query"]).terms
    found = [Term("protocol", row["protocol"])]
    process = row.get("process")
    if "role" in row and process:
        return (*found, Term("process", process["command"]))
    if row.get("server"):
        found += _whom(row["server"])
    return tuple(found)


def _whom(server: str) -> list[Term]:
    """`shop/web:80`, `10.0.0.1:80`, `[::1]:80`, `shop/cart`: a service or workload without a port."""
    name, colon, port = server.rpartition(":")
    if not colon or not port.isdigit():
        return [Term("workload", server.rpartition("/")[2])]
    name = name.strip("[]").split(",")[0]
    return [_who(name), Term("port", port)] if port != "0" else [_who(name)]


def _who(name: str) -> Term:
    try:
        return Term("ip", str(ipaddress.ip_address(name)))
    except ValueError:
        return (
            Term("pod", name if "/" in name else f"/{name}") if "/" in name or "." not in name else Term("fqdn", name)
        )


# --- drops


def _drop_cells(row: Row) -> Sequence[Cell]:
    dropped = look(2)
    reason = row.get("kernel_reason") or row["reason"]
    return (
        Cell(f"{dropped.glyph} {row['count']:,}", BAD),
        Cell(_rate(row["per_minute"])),
        Cell(clean(reason), STRONG),
        Cell(clean(row["source"]), ADDRESS),
        Cell(clean(row["destination"]), ADDRESS),
        Cell(f"{row['port'] or ''}/{row['protocol']}".strip("/")),
        Cell(clean(row.get("process", ""))),
        Cell(_time(row["last_ms"]), DIM),
        Cell(bars(row.get("spark", ())), NOTABLE),
        Cell(clean(row.get("words", ""))),
    )


def _drop_terms(row: Row) -> tuple[Term, ...]:
    return asked_by_query(row["query"]).terms


DROPS = Table(
    (
        Column("DROPS", 8),
        Column("/MIN", 5, is_number=True),
        Column("REASON", 12, share=2),
        Column("SOURCE", 10, share=2, is_host=True),
        Column("DESTINATION", 10, share=2, is_host=True),
        Column("PORT", 8),
        Column("PROCESS", 12, from_width=120),
        Column("LAST", 12),
        Column("WHEN", 30, from_width=150),
        Column("IN PLAIN WORDS", 20, share=3, from_width=190),
    ),
    _drop_cells,
    _drop_terms,
)


# --- names


def _dns_cells(row: Row) -> Sequence[Cell]:
    failed = row["nxdomain"] + row["servfail"] + row["other_errors"]
    return (
        Cell(clean(row["name"]), ADDRESS),
        Cell(f"{row['count']:,}"),
        Cell(f"! {failed:,}" if failed else "0", BAD if failed else DIM),
        Cell(f"{row['nxdomain']:,}" if row["nxdomain"] else "–", DIM),
        Cell(f"{row['no_answer']:,}" if row["no_answer"] else "–", BAD if row["no_answer"] else DIM),
        Cell(latency(row["p50_ns"] // 1000) if row["p50_ns"] else "–"),
        Cell(latency(row["p99_ns"] // 1000) if row["p99_ns"] else "–"),
        Cell(clean(", ".join(row["clients"]))),
        Cell(clean(", ".join(row["addresses"]))),
        Cell(clean(", ".join(row["connected"]))),
    )


DNS = Table(
    (
        Column("NAME", 16, share=3),
        Column("COUNT", 6, is_number=True),
        Column("FAILED", 6, is_number=True),
        Column("NXDOMAIN", 8, is_number=True, from_width=110),
        Column("SILENT", 6, is_number=True),
        Column("P50", 8, is_number=True, from_width=110),
        Column("P99", 8, is_number=True),
        Column("ASKED BY", 10, share=2),
        Column("ADDRESSES", 10, share=2, from_width=110),
        Column("CONNECTED", 10, share=2, from_width=150),
    ),
    _dns_cells,
    _drop_terms,
)


def _rate(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _time(ms: float) -> str:
    return Clock("StampMilli").text(round(ms * _MS_NS))[_DAY:]
