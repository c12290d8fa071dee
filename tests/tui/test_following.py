"""A real server: followed, gone, back with another ring; and what it costs to keep up."""

import asyncio
import time

from rubin.api.target import ClientSettings
from rubin.store.ring import Ring
from rubin.ui.feed import Feed
from rubin.ui.terminal.following import Following
from tests.api.serving import serving
from tests.flows import generate
from tests.tui.looking import feed_of, looking, press, screen, settled
from tests.waiting import wait_for


def _ring(seed):
    ring = Ring()
    now_ns = time.time_ns()
    batch = generate(100, seed=seed)
    ring.append(batch.with_columns(time_ns=batch["time_ns"] - batch["time_ns"][-1] + now_ns))
    return ring


def test_a_server_that_goes_and_comes_back_is_said_and_followed_again(tmp_path):
    async def screen_when(app, pilot, holds):
        for _ in range(600):
            app.tick()
            await settled(app, pilot)
            if holds(screen(app)):
                return screen(app)
            await asyncio.sleep(0.05)
        raise AssertionError(screen(app))

    async def looked(feed, follows, server):
        async with looking(feed, (240, 24), following=follows) as (app, pilot):
            await screen_when(app, pilot, lambda text: "● LIVE" in text and "100 flows" in text)
            server.__exit__(None, None, None)
            gone = await screen_when(app, pilot, lambda text: "◌ WAITING" in text)
            assert "those from before" in gone
            assert app.flows_view.count == 100
            with serving(_ring(2), tmp_path):
                await screen_when(app, pilot, lambda text: "● LIVE" in text and "200 flows" in text)

    server = serving(_ring(1), tmp_path)
    server.__enter__()
    feed = Feed(ClientSettings(server=f"unix://{tmp_path}/s"))
    with Following(feed) as follows:
        wait_for(lambda: feed.flows == 100, "the first flows")
        asyncio.run(looked(feed, follows, server))


def test_nobody_there_is_tried_again_and_can_be_left(tmp_path):
    feed = Feed(ClientSettings(server=f"unix://{tmp_path}/nobody"))

    async def looked(follows):
        async with looking(feed, following=follows) as (app, pilot):
            await press(app, pilot, "2")
            return screen(app)

    with Following(feed) as follows:
        wait_for(lambda: feed.state.phase == "waiting", "that it waits")
        text = asyncio.run(looked(follows))
    assert "there is no socket" in text
    assert not follows.trouble


def test_a_hundred_rows_are_followed_within_80_ms():
    """The least of several: other programs share the machine."""
    batches = [generate(100, seed=seed) for seed in range(2, 12)]

    async def looked():
        feed = feed_of(generate(10_000))
        took = []
        async with looking(feed, (120, 40)) as (app, pilot):
            for batch in batches:
                feed.ring.append(batch)
                app._drawn_s = 0.0
                begun = time.perf_counter()
                app.tick()
                app.screen._compositor.render_strips()
                took.append(time.perf_counter() - begun)
                await press(app, pilot)
            assert app.flows_view.chosen == 10_999
        return min(took)

    assert asyncio.run(looked()) < 0.08
