"""A page whose server goes, comes back, is slow, or is another one; and one that nobody looks at."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, expect

from rubin.model.exchanges import expanded
from rubin.store.ring import Ring
from tests.api.serving import serving
from tests.browser.conftest import SIZE, Watched
from tests.browser.shop import SECOND, Shop
from tests.browser.stage import Stage
from tests.waiting import wait_for

LONG_MS = 60_000
CELLS = """() => {
    const table = document.querySelector('.flow-table'), top = table.getBoundingClientRect().top;
    const head = table.querySelector('.flow-head').getBoundingClientRect().height;
    const rows = [...table.querySelectorAll('.flow-row')].filter((row) => !row.hidden);
    const seen = rows.find((row) => {
        const at = row.getBoundingClientRect().top - top - head;
        return at > -1 && at < row.offsetHeight;
    });
    return seen && [...seen.querySelectorAll('[role=gridcell]')].map((cell) => cell.textContent);
}"""
"""The cells of the first row that is wholly seen."""


class Watching:
    """A context with a page; what the console calls an error, but for connections that are refused."""

    def __init__(self, browser: Browser, stage: Stage) -> None:
        self.context = browser.new_context(viewport=SIZE, reduced_motion="reduce")
        self.watched = Watched(self.context.new_page(), stage)

    def __enter__(self) -> Watched:
        return self.watched

    def __exit__(self, *error: object) -> None:
        self.context.close()


def rows(page: Page) -> Any:
    return page.evaluate("window.__rubin?.rows() ?? {}")


def holding(page: Page) -> int:
    return int(rows(page).get("held", 0))


def refused(what: str) -> bool:
    """What the browser itself notes of a server that is away."""
    return "ERR_CONNECTION" in what or "WebSocket connection" in what or "status of 50" in what


def test_a_ui_that_is_begun_again_takes_nothing_from_the_page(chromium: Browser, tmp_path: Path):
    stage = Stage(tmp_path, 40, 40)
    with stage.running(), Watching(chromium, stage) as watched:
        page = watched.open("/flows?debug=1&to-port=5432&to-port=8080&to-port=3000")
        wait_for(lambda: holding(page) > 300, "the first flows", 60)
        page.evaluate("document.querySelector('.flow-table').scrollTop = 2400")
        wait_for(lambda: not rows(page)["following"], "the table to stand still")
        page.locator(".flow-table .flow-row:not([hidden])").nth(14).click()
        expect(page.locator("aside")).to_be_visible()
        url, first, held = page.url, page.evaluate(CELLS), holding(page)
        chosen = page.locator(".flow-row.chosen").inner_text()
        stage.end_ui()
        expect(page.get_by_role("alert").first).to_contain_text("does not answer", timeout=LONG_MS)
        stage.begin_ui()
        expect(page.locator(".banner")).to_have_count(0, timeout=LONG_MS)
        wait_for(lambda: holding(page) > held, "more flows", 60)
        assert page.url == url
        assert page.evaluate(CELLS) == first
        assert page.locator(".flow-row.chosen").inner_text() == chosen
        stage.pause()
        wait_for(stage.is_all_seen, "the UI to have seen everything", 60)
        query = "to-port=5432&to-port=8080&to-port=3000"
        told = len(stage.lines(f"/api/v1/flows?{query}&last=500000"))
        wait_for(lambda: holding(page) == told, f"each of {told} flows once, not {holding(page)}", 30)
        assert [one for one in watched.wrong if not refused(one)] == []


def test_another_observer_at_the_same_address_is_told_apart(chromium: Browser, tmp_path: Path):
    first, second = Ring(50_000, again=expanded), Ring(50_000, again=expanded)
    now = time.time_ns()
    first.append(Shop(1).flows(now - 30 * SECOND, now - 5 * SECOND, 400))
    stage = Stage(tmp_path, 0, 0)
    with serving(first, tmp_path):
        stage.begin_ui()
        context = chromium.new_context(viewport=SIZE)
        page = context.new_page()
        page.goto(f"{stage.url}/flows?debug=1")
        wait_for(lambda: holding(page) > 0, "the first flows", 60)
        held = holding(page)
    try:
        expect(page.locator("header")).to_contain_text("WAITING", timeout=LONG_MS)
        time.sleep(1.1)  # an Observer that began within a second of the other is taken for the same
        now = time.time_ns()
        flows = Shop(2).flows(now - 8 * SECOND, now, 300)  # it knows of the time before, too
        second.append(flows.with_columns(uuid_high=np.full(len(flows), 7, np.uint64)))
        with serving(second, tmp_path):
            expect(page.locator(".time-gap")).to_contain_text("flows may be missing", timeout=LONG_MS)
            wait_for(lambda: holding(page) > held + 1, "the other's flows", 60)
            page.keyboard.press("g")
            page.keyboard.press("g")
            page.evaluate(f"document.querySelector('.flow-table').scrollTop = {24 * (held - 3)}")
            gap = page.locator(".flow-row.loss:not([hidden])")
            expect(gap).to_contain_text("has begun anew")
            assert gap.get_attribute("aria-rowindex") == str(held + 2), "between the one's rows and the other's"
            page.reload()
            expect(page.locator(".time-gap")).to_be_visible(timeout=LONG_MS)
    finally:
        context.close()
        stage.end_ui()


class _Held(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Bytes go on to a server only once `open` is set."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: str, behind: str) -> None:
        self.behind, self.open = behind, threading.Event()
        super().__init__(address, _Passing)


class _Passing(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _Held)
        server.open.wait()
        with socket.socket(socket.AF_UNIX) as behind:
            behind.connect(server.behind)
            back = threading.Thread(target=_pass, args=(behind, self.request), daemon=True)
            back.start()
            _pass(self.request, behind)
            back.join()


def _pass(one: socket.socket, other: socket.socket) -> None:
    try:
        while data := one.recv(1 << 16):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        return


@contextmanager
def held_back(stage: Stage) -> Iterator[_Held]:
    """A server between the UI and the Observer."""
    proxy = _Held(f"{stage.folder}/held", f"{stage.folder}/s")
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    stage.server = f"unix://{stage.folder}/held"
    try:
        yield proxy
    finally:
        proxy.open.set()
        proxy.shutdown()
        proxy.server_close()
        thread.join()


class Hurried(Stage):
    """Does not wait for flows."""

    def _answers(self) -> bool:
        try:
            return bool(self.get("/api/v1/status"))
        except OSError:
            return False


def test_a_page_of_a_server_that_does_not_answer_yet_says_so(chromium: Browser, tmp_path: Path):
    stage = Hurried(tmp_path, 100, 5)
    with held_back(stage) as proxy, stage.running(), Watching(chromium, stage) as watched:
        for screen in ("map", "flows"):
            page = watched.open(f"/{screen}?debug=1")
            expect(page.locator("header")).to_contain_text("WAITING", timeout=LONG_MS)
            said = page.locator(".empty")
            expect(said).to_be_visible(timeout=LONG_MS)
            expect(said).not_to_contain_text("asking", timeout=LONG_MS)
            assert len(said.inner_text()) > 10
        proxy.open.set()
        wait_for(lambda: holding(page) > 0, "the flows, once it answers", 60)
        expect(page.locator("header")).to_contain_text("LIVE", timeout=LONG_MS)
        assert [one for one in watched.wrong if not refused(one)] == []


HIDE = """(is) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => is });
    document.dispatchEvent(new Event('visibilitychange'));
}"""


def test_a_page_that_nobody_looks_at_costs_next_to_nothing(stage: Stage, watched: Watched):
    page = watched.open("/map?debug=1")

    def frames() -> int:
        return int(page.evaluate("window.__rubin.link().received.frames"))

    wait_for(lambda: frames() > 5, "the first frames")
    page.evaluate(HIDE, True)
    page.wait_for_timeout(1_000)
    before, begun = frames(), time.monotonic()
    page.wait_for_timeout(12_000)
    came, passed = frames() - before, time.monotonic() - begun
    assert came <= 3 * (passed / 5 + 1), "what is shown of three views, every five seconds"
    page.evaluate(HIDE, False)
    again = frames()
    wait_for(lambda: frames() > again + 5, "what is of now", 20)
    received = page.evaluate("window.__rubin.link().received")
    assert received["skipped"] == 0
    assert received["waited"] <= 4


AGE_S = """text => {
    const now = new Date(), [h, m, s] = text.split(':').map(Number);
    const second = now.getSeconds() + now.getMilliseconds() / 1000;
    return (((now.getHours() - h) * 60 + now.getMinutes() - m) * 60 + second - s + 86400) % 86400;
}"""


def test_a_slow_page_gets_the_newest_and_no_backlog(chromium: Browser, stage: Stage):
    with Watching(chromium, stage) as watched:
        page = watched.open("/flows?debug=1")
        wait_for(lambda: holding(page) > 0, "the first flows")
        session = page.context.new_cdp_session(page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": 20})
        page.wait_for_timeout(6_000)
        session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        received = page.evaluate("window.__rubin.link().received")
        assert received["waited"] <= 4
        assert received["skipped"] == 0
        seen = page.locator(".flow-row:not([hidden]) [role=gridcell]:first-child").all_inner_texts()
        assert min(page.evaluate(AGE_S, text) for text in seen) < 10
