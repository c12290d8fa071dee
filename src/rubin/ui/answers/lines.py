"""Flows as JSON lines, the same that `rubin observe -o json` prints."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from rubin import __version__
from rubin.api.reading import Reading
from rubin.api.selection import Selection
from rubin.errors import UsageError
from rubin.ui.desk import Desk, filters_in, number_of, rest_of, time_of
from rubin.wire import json
from rubin.wire.flows import FlowEncoder

_DEFAULT_LAST = 20
_MOST = 10_000_000
_KNOWN = ("since", "until", "last", "first", "all", "follow")
_ON = ("1", "true", "")


def selection(query: str, now_ns: int) -> Selection:
    """What a query asks for, as the flags of the same names do. Raises UsageError."""
    rest = rest_of(query)
    for name in rest:
        if name not in _KNOWN and not name.startswith("v."):
            raise UsageError(
                f"'{name[:80]}' is no filter", "one of the filters of rubin observe, or " + ", ".join(_KNOWN)
            )
    follow = "follow" in rest and rest["follow"] in _ON
    since_ns = time_of("since", rest.get("since", ""), now_ns)
    until_ns = None if follow else time_of("until", rest.get("until", ""), now_ns)
    first, last = (number_of(name, rest.get(name, ""), 0, _MOST) for name in ("first", "last"))
    everything = "all" in rest and rest["all"] in _ON
    if first and (last or follow or everything):
        raise UsageError("first does not go with last, all or follow", "leave one of them out")
    number = first or last
    if not number and since_ns is None and until_ns is None and not everything and not follow:
        number = _DEFAULT_LAST
    return Selection(filters_in(query), number, bool(first), follow, since_ns, until_ns)


async def lines(desk: Desk, chosen: Selection) -> AsyncIterator[bytes]:
    """Some lines at a time; what was lost is a line of its own."""
    encoder = FlowEncoder((), __version__)
    reading = Reading(desk.ring, desk.wakes, chosen, "", 512)
    async with aclosing(aiter(reading)) as batches:
        async for batch in batches:
            yield "".join(f"{line}\n" for line in json.lines(batch, encoder)).encode(errors="replace")
