"""A real server: followed, slow, silent, gone, back with another ring; and what it costs to keep up."""

import asyncio
import socket
import threading
import time
from contextlib import contextmanager, suppress

from rubin.api.target import ClientSettings
from rubin.store.ring import Ring
from rubin.ui.feed import Feed
from rubin.ui.terminal import picture
from rubin.ui.terminal.following import Following
from tests.api.serving import serving
from tests.asked import SINCE, UNTIL, shop
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


async def _seen(app, pilot, text):
    """The screen when it has the text: no waiting for what is still on its way."""
    for _ in range(1_200):
        await pilot.pause()
        if text in screen(app):
            return screen(app)
        await asyncio.sleep(0.05)
    raise AssertionError(f"no {text} in\n{screen(app)}")


@contextmanager
def _slow(directory, seconds):
    """The server at `directory`/s, at `directory`/slow: there its answers come so much later."""

    def late(source, target, wait_s):
        with suppress(OSError):  # one of the two has hung up
            while data := source.recv(1 << 16):
                time.sleep(wait_s)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def between(near):
        with near, socket.socket(socket.AF_UNIX) as far:
            far.connect(f"{directory}/s")
            back = threading.Thread(target=late, args=(far, near, seconds))
            back.start()
            late(near, far, 0)
            back.join()

    def take(listener):
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=between, args=(listener.accept()[0],)))
                threads[-1].start()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{directory}/slow")
        listener.listen()
        threads = [threading.Thread(target=take, args=(listener,))]
        threads[0].start()
        try:
            yield f"unix://{directory}/slow"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(60)


def test_a_slow_server_is_waited_for_and_keys_are_answered_meanwhile(tmp_path, monkeypatch):
    """Its answers take longer than the time after which they are asked for again."""
    monkeypatch.setattr(picture, "_ANSWER_S", 0.05)

    async def looked(feed, follows):
        async with looking(feed, (120, 24), times=(SINCE, UNTIL), following=follows) as (app, pilot):
            await pilot.press("2")
            waits = await _seen(app, pilot, "asking unix://")
            begun = time.monotonic()
            await pilot.press("3")
            await _seen(app, pilot, "REASON")
            took_s = time.monotonic() - begun
            await pilot.press("2")
            return waits, took_s, await _seen(app, pilot, "/items/*")

    with serving(shop(), tmp_path), _slow(tmp_path, 0.5) as address:
        feed = Feed(ClientSettings(server=address))
        with Following(feed) as follows:
            wait_for(lambda: feed.flows >= 91, "the flows")
            waits, took_s, answered = asyncio.run(looked(feed, follows))
    assert "/items/*" not in waits
    assert took_s < 5  # not the answer's time, which may be many turns
    assert "postgresql" in answered


def test_a_server_that_takes_and_says_nothing_is_left_again(tmp_path):
    async def looked(feed, follows):
        async with looking(feed, (120, 24), following=follows) as (app, pilot):
            await _seen(app, pilot, "◌ CONNECTING")
            await pilot.press("question_mark")
            await _seen(app, pilot, "Everywhere")
            await pilot.press("q")
            return await _seen(app, pilot, "◌ WAITING")

    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{tmp_path}/silent")
        silent.listen()
        feed = Feed(ClientSettings(server=f"unix://{tmp_path}/silent", timeout_s=4, request_timeout_s=4))
        with Following(feed) as follows:
            told = asyncio.run(looked(feed, follows))
    assert "it is tried again and again" in told
    assert "try:" in told


def test_what_is_open_stays_when_the_server_comes_back_with_another_ring(tmp_path):
    async def looked(feed, follows, server):
        async with looking(feed, (200, 40), following=follows) as (app, pilot):
            await press(app, pilot, "home", "enter")
            before = screen(app).splitlines()[4:-2]
            server.__exit__(None, None, None)
            await _seen(app, pilot, "◌ WAITING")
            with serving(_ring(2), tmp_path):
                await _seen(app, pilot, "1 of 200")
                after = screen(app).splitlines()[4:-2]
                await press(app, pilot, "h", "G")
                newest = app.flows_view.flow()
                await press(app, pilot, "6")
                return before, after, newest, await _seen(app, pilot, "Current/Max Flows: 100/")

    server = serving(_ring(1), tmp_path)
    server.__enter__()
    feed = Feed(ClientSettings(server=f"unix://{tmp_path}/s"))
    with Following(feed) as follows:
        wait_for(lambda: feed.flows == 100, "the first flows")
        before, after, newest, health = asyncio.run(looked(feed, follows, server))
    assert after == before
    assert newest is not None
    assert newest["time_ns"][0] == feed.newest_ns
    assert "200 of 1,000,000" in health


def test_a_hundred_rows_are_followed_within_80_ms():
    """Of the processor, and the least of several: other programs share the machine."""
    batches = [generate(100, seed=seed) for seed in range(2, 12)]

    async def looked():
        feed = feed_of(generate(10_000))
        took = []
        async with looking(feed, (120, 40)) as (app, pilot):
            for batch in batches:
                feed.ring.append(batch)
                app._drawn_s = 0.0
                begun = time.thread_time()
                app.tick()
                app.screen._compositor.render_strips()
                took.append(time.thread_time() - begun)
                await press(app, pilot)
            assert app.flows_view.chosen == 10_999
        return min(took)

    assert asyncio.run(looked()) < 0.08
