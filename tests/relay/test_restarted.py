"""A relay that is started again under load: who followed it misses nothing."""

import asyncio
import threading
import time

import numpy as np

from rubin.api.target import ClientSettings
from rubin.ui.feed import Feed
from tests.relay.relayed import nodes, relaying
from tests.relay.test_relay import live
from tests.waiting import wait_for


def test_who_follows_a_relay_goes_on_where_it_was() -> None:
    with nodes("a", "b") as made:
        with relaying() as relayed:
            address = relayed.relay.address
            relayed.update(node.address for node in made)
            relayed.ready(2)
            feed = Feed(ClientSettings(address))
            loop = asyncio.new_event_loop()
            task = loop.create_task(feed.run())
            thread = threading.Thread(target=run, args=(loop, task))
            thread.start()
            wait_for(lambda: all(node.server.followers for node in made), "the feed")
            sent = flood(made, 1.0)
        sent += flood(made, 0.5)
        with relaying(listen_address=address) as relayed:
            relayed.update(node.address for node in made)
            sent += flood(made, 1.0)
            try:
                wait_for(lambda: feed.flows >= sent, f"{sent} flows")
            finally:
                loop.call_soon_threadsafe(task.cancel)
                thread.join()
                loop.close()
    ids = np.concatenate([view["uuid_low"] for view in feed.ring.scan()])
    assert (feed.flows, len(np.unique(ids)), feed.lost) == (sent, sent, 0)


def run(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[None]") -> None:
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))


def flood(made: list, seconds: float) -> int:
    """Flows of both nodes for a while: how many."""
    end_s, sent = time.monotonic() + seconds, 0
    while time.monotonic() < end_s:
        for node in made:
            live(node, 20)
            sent += 20
        time.sleep(0.01)
    return sent
