"""The feed: what a server held, what comes, and what happens when it goes and comes back."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from rubin.api.target import ClientSettings
from rubin.errors import RubinError
from rubin.model.batch import FlowBatch, Lost, concat, empty
from rubin.model.enums import LostSource
from rubin.store.ring import Ring
from rubin.ui.feed import Feed
from rubin.wire.pb import observer_pb2 as pb
from tests.api.hubble import flow_response, hubble
from tests.api.serving import serving
from tests.flows import generate
from tests.waiting import wait_for


@contextmanager
def following(server: str, **more: int) -> Iterator[Feed]:
    """A feed that runs on a thread of its own."""
    feed = Feed(ClientSettings(server=server, timeout_s=2, request_timeout_s=5), **more)
    loop = asyncio.new_event_loop()
    running = loop.create_task(feed.run())

    def run() -> None:
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(running)

    thread = Thread(target=run)
    thread.start()
    try:
        yield feed
    finally:
        loop.call_soon_threadsafe(running.cancel)
        thread.join()
        loop.close()


def now(batch: FlowBatch, first: int = 0) -> FlowBatch:
    """The same, of this moment, with UUIDs that count up from `first`."""
    count = len(batch)
    times = time.time_ns() + np.arange(count)
    return batch.with_columns(time_ns=times, uuid_low=np.arange(first, first + count, dtype=np.uint64))


def ring_of(*batches: FlowBatch) -> Ring:
    ring = Ring()
    for batch in batches:
        ring.append(batch)
    return ring


def uuids(ring: Ring) -> list[int]:
    return [int(one) for view in ring.scan() for one in view["uuid_low"]]


def test_what_was_held_comes_first_then_what_comes(tmp_path: Path) -> None:
    ring = ring_of(now(generate(5_000)))
    with serving(ring, tmp_path), following(f"unix://{tmp_path}/s") as feed:
        wait_for(lambda: feed.flows == 5_000, "what was held")
        assert (feed.state.phase, feed.state.is_ours, feed.state.sentence) == ("following", True, "")
        assert feed.state.server_version.startswith("rubin")
        for first in range(5_000, 8_000, 100):
            ring.append(now(generate(100, seed=first), first))
        wait_for(lambda: feed.flows == 8_000, "what came")
        assert uuids(feed.ring) == list(range(8_000))
        assert len(list(feed.ring.scan())) == 1, "flows of many frames share a segment"
        assert abs(feed.now_ns() - time.time_ns()) < 1_000_000_000
        assert feed.per_second() > 0


def test_no_more_than_the_backlog_and_the_capacity_is_held(tmp_path: Path) -> None:
    ring = ring_of(now(generate(50_000)))
    with serving(ring, tmp_path), following(f"unix://{tmp_path}/s", capacity=1_000, backlog=3_000) as feed:
        wait_for(lambda: feed.flows == 1_000, "the newest")
        ring.append(now(generate(60_000), 50_000))
        wait_for(lambda: feed.flows == 61_000, "all that came")
        assert feed.ring.held_flows <= 1_000 + 32_768


def test_losses_come_along(tmp_path: Path) -> None:
    ring = ring_of(now(generate(10)))
    with serving(ring, tmp_path), following(f"unix://{tmp_path}/s") as feed:
        wait_for(lambda: feed.flows == 10, "the flows")
        ring.append(empty(lost=(Lost(LostSource.PERF_EVENT_RING_BUFFER, 7, time.time_ns()),)))
        wait_for(lambda: feed.lost == 7, "the loss")
        assert sum(lost.events for view in feed.ring.scan() for lost in view.lost) == 7


def test_a_server_that_comes_back_with_its_ring_tells_no_flow_twice(tmp_path: Path) -> None:
    ring = ring_of(now(generate(1_000)))
    with serving(ring, tmp_path):
        address = f"unix://{tmp_path}/s"
        feed_at = following(address)
        feed = feed_at.__enter__()
        wait_for(lambda: feed.flows == 1_000, "what was held")
    try:
        wait_for(lambda: feed.state.phase == "waiting", "the break")
        assert feed.state.sentence
        ring.append(now(generate(500), 1_000))
        with serving(ring, tmp_path):
            wait_for(lambda: feed.flows == 1_500, "what came meanwhile")
            ring.append(now(generate(10), 1_500))
            wait_for(lambda: feed.flows == 1_510, "what came after")
            assert uuids(feed.ring) == list(range(1_510))
            assert not feed.gaps
    finally:
        feed_at.__exit__(None, None, None)


def test_a_server_that_comes_back_with_another_ring_leaves_a_gap(tmp_path: Path) -> None:
    with serving(ring_of(now(generate(1_000))), tmp_path):
        feed_at = following(f"unix://{tmp_path}/s")
        feed = feed_at.__enter__()
        wait_for(lambda: feed.flows == 1_000, "what was held")
    try:
        wait_for(lambda: feed.state.phase == "waiting", "the break")
        with serving(ring_of(now(generate(300), 5_000)), tmp_path):
            wait_for(lambda: feed.flows == 1_300, "the other ring's flows")
            assert uuids(feed.ring) == [*range(1_000), *range(5_000, 5_300)]
            (gap,) = feed.gaps
            assert gap.from_ns < gap.until_ns
            assert gap.why
    finally:
        feed_at.__exit__(None, None, None)


def test_a_server_that_is_not_there_is_told_and_tried_again(tmp_path: Path) -> None:
    with following(f"unix://{tmp_path}/s") as feed:
        wait_for(lambda: feed.state.phase == "waiting", "the first failure")
        assert feed.state.sentence == f"there is no socket {tmp_path}/s"
        assert "rubin agent" in feed.state.way_on
        with serving(ring_of(now(generate(5))), tmp_path):
            wait_for(lambda: feed.flows == 5, "the flows at last")


def test_one_question_has_a_client_of_its_own(tmp_path: Path) -> None:
    feed = Feed(ClientSettings(server=f"unix://{tmp_path}/s"))
    with serving(ring_of(now(generate(5))), tmp_path):
        assert asyncio.run(feed.ask(lambda client: client.status())).num_flows == 5
    with pytest.raises(RubinError, match="there is no socket"):
        asyncio.run(feed.ask(lambda client: client.status()))


def test_a_hubble_server_will_do() -> None:
    def answer(method: str, _request: bytes, _context: object) -> object:
        if method == "ServerStatus":
            return pb.ServerStatusResponse(version="hubble v1.17.0")
        return iter([flow_response(number) for number in range(1, 101)])

    with hubble(answer) as address, following(address) as feed:
        wait_for(lambda: feed.flows >= 100, "the flows")
        assert (feed.state.is_ours, feed.state.server_version) == (False, "hubble v1.17.0")
        wait_for(lambda: feed.state.phase == "waiting", "the end of its stream")
        assert "ended the stream" in feed.state.sentence
        wait_for(lambda: feed.state.phase == "following", "another try")
        assert len(concat(view.without_lost() for view in feed.ring.scan())) == 100
