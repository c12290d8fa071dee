"""What is looked at, to be saved as a bundle; and how much that is, before it is saved."""

import zlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from rubin import __version__
from rubin.api.reading import Reading
from rubin.api.selection import Selection
from rubin.model.batch import FlowBatch
from rubin.query.picture import chosen
from rubin.store.ring import Ring
from rubin.ui.answers.lines import lines, selection
from rubin.ui.bundle import LEVEL, View, checked_page, packed
from rubin.ui.desk import Desk, rest_of
from rubin.wire import frames, json
from rubin.wire.flows import FlowEncoder

Answer = dict[str, Any]

_SAMPLE, _ROWS = 1_000, 4_096
_DEFAULT_PAGE = "/map"


def bundle(desk: Desk, query: str) -> AsyncIterator[bytes]:
    """The bytes of a bundle of the flows that a query asks for; its `page` is what opens first. Raises UsageError."""
    page = checked_page(rest_of(query).get("page") or _DEFAULT_PAGE)
    asked = _all(desk, query)
    return packed(View(page, *_span(desk, asked)), _batches(desk, asked), lines(desk, asked))


async def _batches(desk: Desk, asked: Selection) -> AsyncIterator[FlowBatch]:
    async with aclosing(aiter(Reading(desk.ring, desk.wakes, asked, "", _ROWS))) as batches:
        async for batch in batches:
            yield batch


async def count(desk: Desk, query: str) -> Answer:
    """How many flows that are, from when until when, and in about how many bytes. Raises UsageError."""
    asked = _all(desk, query)
    flows, size = await desk.look(_counted, desk.ring, asked)
    since_ns, until_ns = _span(desk, asked)
    return {"flows": flows, "bytes": size, "since_ms": since_ns / 1e6, "until_ms": until_ns / 1e6}


def _all(desk: Desk, query: str) -> Selection:
    """Of the query's filters and time: all flows, up to now at most."""
    now_ns = desk.now_ns()
    asked = selection(query, now_ns, also=("page",))
    until_ns = now_ns if asked.until_ns is None else min(asked.until_ns, now_ns)
    return replace(asked, number=0, first=False, follow=False, until_ns=until_ns)


def _span(desk: Desk, asked: Selection) -> tuple[int, int]:
    """From when until when all of them are held."""
    oldest_ns, until_ns = desk.feed.oldest_ns(), asked.until_ns or desk.now_ns()
    return oldest_ns if asked.since_ns is None else max(asked.since_ns, oldest_ns), until_ns


def _counted(ring: Ring, asked: Selection) -> tuple[int, int]:
    """Flows, and bytes: by what the newest of them take."""
    flows, sample, size = 0, 0, 0
    encoder = FlowEncoder((), __version__)
    views = ring.scan(newest_first=True, since_ns=asked.since_ns, until_ns=asked.until_ns)
    for view in views:
        found = chosen(view, asked.filters, asked.since_ns, asked.until_ns)
        flows += len(found)
        if len(found) and sample < _SAMPLE:
            some = found.take(slice(-(_SAMPLE - sample), None))
            text = "\n".join(json.lines(some, encoder)).encode(errors="replace")
            size += len(zlib.compress(text, LEVEL)) + len(zlib.compress(frames.encode(some), LEVEL))
            sample += len(some)
    return flows, round(size * flows / sample) if sample else 0
