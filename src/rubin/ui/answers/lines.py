"""Flows as they come: as JSON lines, the same that `rubin observe -o json` prints, or as CSV."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from difflib import get_close_matches

from rubin import __version__
from rubin.api.reading import Reading
from rubin.api.selection import Selection
from rubin.errors import UsageError
from rubin.ui.answers import csv_rows
from rubin.ui.desk import Desk, Parameters, filters_in, number_of, rest_of, time_of
from rubin.wire import json
from rubin.wire.flows import FlowEncoder
from rubin.words.filter_flags import NOT, filter_flags

_DEFAULT_LAST = 20
_ROWS = 512  # at a time: what is held of an answer
_MOST = 10_000_000
_KNOWN = ("since", "until", "last", "first", "all", "follow", "format")
_FORMATS = ("jsonl", "csv")
_ON, _OFF = ("1", "true", ""), ("0", "false")
_FILTERS = tuple(flag.name for flag in filter_flags() if flag.name != NOT)


def selection(query: str, now_ns: int, also: tuple[str, ...] = ()) -> Selection:
    """What a query asks for, as the flags of the same names do; `also` names may stand in it. Raises UsageError."""
    rest = rest_of(query)
    for name in rest:
        if name not in (*_KNOWN, *also) and not name.startswith("v."):
            near = get_close_matches(name.removeprefix(f"{NOT}."), [*_FILTERS, *_KNOWN], 1)
            known = "one of the filters of rubin observe, or " + ", ".join(_KNOWN)
            raise UsageError(f"'{name[:80]}' is no filter", near[0] if near else known)
    follow, everything = (_is_on(name, rest) for name in ("follow", "all"))
    since_ns = time_of("since", rest.get("since", ""), now_ns)
    until_ns = None if follow else time_of("until", rest.get("until", ""), now_ns)
    if since_ns is not None and until_ns is not None and until_ns < since_ns:
        raise UsageError("the time ends before it begins", "since before until")
    first, last = (number_of(name, rest.get(name, ""), 0, _MOST) for name in ("first", "last"))
    if first and (last or follow or everything):
        raise UsageError("first does not go with last, all or follow", "leave one of them out")
    number = first or last
    if not number and since_ns is None and until_ns is None and not everything and not follow:
        number = _DEFAULT_LAST
    return Selection(filters_in(query), number, bool(first), follow, since_ns, until_ns)


def _is_on(name: str, rest: Parameters) -> bool:
    text = rest.get(name, _OFF[0]).lower()
    if text not in _ON + _OFF:
        raise UsageError(f"{name} cannot be '{text[:80]}'", f"{name}=1, or leave it out")
    return text in _ON


def asked_format(query: str) -> str:
    """One of "jsonl", which is the default, and "csv". Raises UsageError."""
    found = rest_of(query).get("format") or _FORMATS[0]
    if found not in _FORMATS:
        raise UsageError(f"format '{found[:80]}' does not exist", "one of " + ", ".join(_FORMATS))
    return found


async def lines(desk: Desk, chosen: Selection, form: str = _FORMATS[0]) -> AsyncIterator[bytes]:
    """Some lines at a time; what was lost is a line of its own."""
    encoder = FlowEncoder((), __version__)
    reading = Reading(desk.ring, desk.wakes, chosen, "", _ROWS)
    if form == "csv":
        yield csv_rows.header().encode()
    async with aclosing(aiter(reading)) as batches:
        async for batch in batches:
            if form == "csv":
                yield csv_rows.rows(batch).encode(errors="replace")
            else:
                yield "".join(f"{line}\n" for line in json.lines(batch, encoder)).encode(errors="replace")
