"""The application as a browser meets it, before a real server of a ring on a Unix socket."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from websockets.sync.client import ClientConnection, connect

from rubin.api.target import ClientSettings
from rubin.model.batch import FlowBatch
from rubin.store.ring import Ring
from rubin.ui.app import Application, application
from rubin.ui.feed import Feed
from rubin.ui.frames import Head, Type, decode
from rubin.ui.live import Hub
from rubin.ui.pages import Pages
from rubin.ui.server import address, listener, server_of
from tests.api.serving import serving
from tests.waiting import wait_for

Tables = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Browser:
    """`client` asks the application, which runs on a thread of its own, at `host`."""

    client: httpx.Client
    host: str
    app: Application
    feed: Feed

    @property
    def hub(self) -> Hub:
        """Of the application."""
        hub: Hub = self.app.state.desk.hub
        return hub


@contextmanager
def looking(ring: Ring, directory: Path, token: str = "", pages: Pages | None = None) -> Iterator[Browser]:
    """A browser before a server of the ring, all of whose flows have come."""
    with serving(ring, directory), browsing(f"unix://{directory}/s", token, pages) as browser:
        wait_for(lambda: browser.feed.flows >= ring.held_flows, "the flows that are held")
        yield browser


@contextmanager
def browsing(server: str, token: str = "", pages: Pages | None = None) -> Iterator[Browser]:
    """The same before any server."""
    feed = Feed(ClientSettings(server=server, timeout_s=2, request_timeout_s=5))
    app = application(feed, token, pages)
    on, ready = listener("127.0.0.1:0"), threading.Event()
    serving_it = server_of(app, ready.set, app.ending)
    thread = threading.Thread(target=lambda: asyncio.run(serving_it.serve(sockets=[on])))
    thread.start()
    try:
        assert ready.wait(30)
        host = address(on)
        with httpx.Client(base_url=f"http://{host}", timeout=60, trust_env=False) as client:
            yield Browser(client, host, app, feed)
    finally:
        serving_it.should_exit = True
        thread.join()
        on.close()


def got(browser: Browser, path: str, **parameters: Any) -> Any:
    """The answer, which is a good one."""
    answer = browser.client.get(f"/api/v1/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


class Page:
    """One tab: says things, takes frames, and puts numbers of texts back into texts."""

    def __init__(self, session: ClientConnection) -> None:
        self.session = session
        self.strings: dict[int, str] = {0: ""}

    def say(self, **message: Any) -> None:
        """One message."""
        self.session.send(json.dumps(message))

    def sub(self, number: int, view: str, **more: Any) -> None:
        """Ask for a view."""
        self.say(op="sub", id=number, view=view, **more)

    def take(self) -> tuple[Head, Tables]:
        """The next frame, its texts learned; credit is given back."""
        head, tables = decode(self.session.recv(60, decode=False))
        self.strings |= dict(head.get("strings", []))
        if head["type"] not in (Type.ERROR, Type.GAP, Type.BYE):
            self.say(op="credit", n=1)
        return head, tables

    def until(self, kind: Type, sub: int | None = None) -> tuple[Head, Tables]:
        """The next frame of a kind; others are taken and let go."""
        for _ in range(200):
            head, tables = self.take()
            if head["type"] == kind and (sub is None or head["sub"] == sub):
                return head, tables
        raise AssertionError(f"200 frames, none of them {kind!r}")

    def words(self, column: np.ndarray) -> list[str]:
        """A column of texts."""
        return [self.strings[int(number)] for number in column]


@contextmanager
def page(browser: Browser, **headers: str) -> Iterator[Page]:
    """A tab that is connected."""
    with connect(f"ws://{browser.host}/api/v1/live", additional_headers=headers, max_size=None, proxy=None) as session:
        yield Page(session)


def lately(batch: FlowBatch, now_ns: int) -> FlowBatch:
    """The same flows, the last of them now."""
    times = batch["time_ns"]
    return batch.with_columns(time_ns=times + (now_ns - int(times.max())))
