"""The terminal's user interface over flows that are always the same, and what its screen shows."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from rubin.api.target import ClientSettings
from rubin.cli.tui import outputs
from rubin.model.batch import FlowBatch, Lost
from rubin.model.enums import LostSource
from rubin.model.tables import Tables
from rubin.store.ring import Ring
from rubin.ui.feed import Feed
from rubin.ui.terminal.app import TUI
from rubin.ui.terminal.following import Following
from rubin.ui.terminal.typed import made
from rubin.words.terms import Term
from tests.api.serving import serving
from tests.exchanges import TIME_NS
from tests.flows import flows
from tests.waiting import wait_for

NOW_S = TIME_NS / 1e9 + 10
_GOLDEN = Path(__file__).parent / "golden"

TABLE = """
    src                dst             from         to           verdict   tcp_flags is_reply kernel_drop_reason process
    10.0.0.1:40100     10.0.0.2:8443   shop/web     shop/pay     FORWARDED SYN       0        -                  0
    10.0.0.2:8443      10.0.0.1:40100  shop/pay     shop/web     FORWARDED SYN,ACK   1        -                  0
    10.0.0.1:40100     10.0.0.2:8443   shop/web     shop/pay     FORWARDED ACK,PSH   0        -                  0
    10.0.0.1:40101     10.0.0.3:5432   shop/web     data/orders  DROPPED   SYN       -1       NETFILTER_DROP     0
    10.0.0.1:40101     10.0.0.3:5432   shop/web     data/orders  DROPPED   SYN       -1       NETFILTER_DROP     0
    10.0.0.4:40102     10.0.0.2:8443   ops/probe    shop/pay     AUDIT     SYN       0        -                  0
    [fd00::1]:40103    [fd00::2]:53    -            -            ERROR     -         0        -                  0
    192.0.2.7:40104    10.0.0.2:8443   -            shop/pay     REDIRECTED FIN,ACK  0        -                  0
"""


def batch(table: str = TABLE, **columns: Any) -> FlowBatch:
    """Flows of one table with times of their own."""
    return flows(table, Tables()).with_columns(**columns)


def feed_of(*batches: FlowBatch) -> Feed:
    """A feed that has followed, and holds these."""
    feed = Feed(ClientSettings(server="localhost:4245"), capacity=100_000)
    feed.state.phase = "following"
    for one in batches:
        feed.ring.append(one)
        feed.flows += len(one)
        feed.lost += sum(lost.events for lost in one.lost)
    return feed


def small() -> Feed:
    """Eight flows with UUIDs, and a loss before the last of them."""
    made_ = batch()
    named = made_.with_columns(
        uuid_high=np.full(len(made_), 0x2D1C1D2E90A84A6B, np.uint64),
        uuid_low=np.arange(len(made_), dtype=np.uint64) | np.uint64(1 << 63),
        node_name=np.full(len(made_), made_.tables.strings.code("node-1")),
    )
    lost = Lost(LostSource.OBSERVER_EVENTS_QUEUE, 42, int(named["time_ns"][-1]), node_name="node-1", place="ring")
    return feed_of(named.take(slice(0, 7)), named.take(slice(7, None)).with_lost((lost,)))


@contextmanager
def following(ring: Ring, directory: Path, flows: int = 0) -> Iterator[tuple[Feed, Following]]:
    """A feed that follows a real server of the ring, once it holds so many flows."""
    with serving(ring, directory):
        feed = Feed(ClientSettings(server=f"unix://{directory}/s"), capacity=100_000)
        with Following(feed) as follows:
            wait_for(lambda: feed.state.phase == "following" and feed.flows >= flows, "the flows")
            yield feed, follows


@asynccontextmanager
async def looking(
    feed: Feed,
    size: tuple[int, int] = (80, 24),
    terms: tuple[Term, ...] = (),
    times: tuple[str, str] = ("", ""),
    **more: Any,
) -> AsyncIterator[tuple[TUI, Pilot[None]]]:
    """The application on a screen of `size` columns and lines, at a time that stands still."""
    app = TUI(feed, outputs(), question=made(terms, *times), clock=lambda: NOW_S, **more)
    async with app.run_test(size=size) as pilot:
        await settled(app, pilot)
        yield app, pilot


async def press(app: TUI, pilot: Pilot[None], *keys: str) -> None:
    """Press the keys, and wait until what they began is done."""
    for key in keys:
        await pilot.press(key)
        await settled(app, pilot)
    await settled(app, pilot)


async def settled(app: TUI, pilot: Pilot[None]) -> None:
    """When nothing that was asked is still on its way."""
    await pilot.pause()
    while working := [one for one in app.workers if not one.is_finished]:
        with suppress(WorkerCancelled):  # another question has taken its place, and is waited for
            await app.workers.wait_for_complete(working)
    await pilot.pause()


def screen(app: TUI) -> str:
    """What stands on it, a line each, without blanks at the ends."""
    strips = app.screen._compositor.render_strips()
    lines = ["".join(segment.text for segment in strip).rstrip() for strip in strips]
    return "\n".join(lines) + "\n"


def styles(app: TUI) -> set[str]:
    """The colours on the screen, as they go to the terminal."""
    app_filters = app._filters
    found = set()
    for strip in app.screen._compositor.render_strips():
        for each in app_filters:
            if each.enabled:
                strip = strip.apply_filter(each, app.screen.background_colors[1])
        found |= {str(segment.style.color.name) for segment in strip if segment.style and segment.style.color}
        found |= {str(segment.style.bgcolor.name) for segment in strip if segment.style and segment.style.bgcolor}
    return found - {"default"}


def check(name: str, text: str) -> None:
    """The text is what the file holds; GOLDEN=write takes the new one."""
    path = _GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text(), f"differs from {path}; GOLDEN=write takes the new text"
