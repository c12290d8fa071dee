"""Flows as CSV (RFC 4180): the columns of the table in the browser, by their names, and each flow's UUID.

Times are UTC with nanoseconds; what is not known is empty. What was lost is a row that says so in its summary.
"""

import csv
from collections.abc import Iterable, Iterator
from io import StringIO

import numpy as np

from rubin.model.batch import Array, FlowBatch, Lost
from rubin.model.enums import EventType
from rubin.query.drops import uuid_text
from rubin.ui.answers.meta import COLUMNS
from rubin.ui.frames import Texts
from rubin.ui.views.rows import TEXT_COLUMNS, losses, rows_of
from rubin.words import hubble

HEADER = (*(name for name, *_ in COLUMNS), "uuid")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TYPES = {int(kind): kind.name.lower().replace("_", "-") for kind in EventType if kind}
_REPLY = ("false", "true", "")


def header() -> str:
    """The first row."""
    return _written([HEADER])


def rows(batch: FlowBatch) -> str:
    """The flows of a batch, then what was lost after them. Texts that a spreadsheet would take for a formula have an
    apostrophe before them.
    """
    return _written((*_flows(batch), *_lost(batch.lost)))


def _flows(batch: FlowBatch) -> Iterator[tuple[str, ...]]:
    texts = Texts(1)
    columns = rows_of(batch, texts)
    cells = {name: _cells(name, columns[name], texts) for name in HEADER if name in columns}
    cells["time"] = _times(batch["time_ns"])
    cells["uuid"] = map(uuid_text, batch["uuid_high"].tolist(), batch["uuid_low"].tolist())
    return zip(*(cells[name] for name in HEADER), strict=True)


def _cells(name: str, column: Array, texts: Texts) -> Iterable[str]:
    if name in TEXT_COLUMNS:
        known = ["", *map(_plain, texts.texts)]
        return [known[int(number)] for number in column.tolist()]
    values = column.tolist()
    match name:
        case "verdict":
            return [hubble.verdict(number, EventType.UNKNOWN) for number in values]
        case "type":
            return [_TYPES.get(number, "") for number in values]
        case "reply":
            return [_REPLY[number] for number in values]
        case "direction":
            return ["" if not number else hubble.direction(number).lower() for number in values]
        case "latency_ms":
            return ["" if number != number else f"{number:.6g}" for number in values]  # NaN is not itself
    return [str(int(number)) if number else "" for number in values]


def _lost(lost: Iterable[Lost]) -> Iterator[tuple[str, ...]]:
    for one in lost:
        texts = Texts(1)
        columns = losses((one,), texts)
        told = {name: texts.texts[int(columns[name][0]) - 1] for name in ("summary", "node") if columns[name][0]}
        told["time"] = next(iter(_times(np.array([one.time_ns]))))
        yield tuple(_plain(told.get(name, "")) for name in HEADER)


def _times(times_ns: Array) -> list[str]:
    found: list[str] = np.datetime_as_string(times_ns.astype("datetime64[ns]"), timezone="UTC").tolist()
    return found


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _written(table: Iterable[Iterable[str]]) -> str:
    to = StringIO(newline="")
    csv.writer(to).writerows(table)
    return to.getvalue()
