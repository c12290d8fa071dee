"""Debian's Chromium, without a screen, and pages of a real `rubin ui`."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Route,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.browser.stage import Stage
from tools.dev.say import BUILD

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # it would ask for its maker's hosts
    *("--disable-component-update", "--disable-sync", "--js-flags=--expose-gc", "--enable-precise-memory-info"),
)
PICTURES = BUILD / "pictures"
SIZE: ViewportSize = {"width": 1440, "height": 900}
expect.set_options(timeout=30_000)  # what is awaited is not how fast it is


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage")).running() as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


class Watched:
    """A page, and what must not happen on it: errors, requests to elsewhere, dialogs."""

    def __init__(self, page: Page, stage: Stage) -> None:
        self.page, self.stage = page, stage
        self.wrong: list[str] = []
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))
        page.on("console", self._console)
        page.route("**/*", self._route)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.wrong.append(f"console: {message.text}")

    def _route(self, route: Route, request: Request) -> None:
        if not request.url.startswith((self.stage.url, "data:", "blob:")):
            self.wrong.append(f"request: {request.url}")
        route.continue_()

    def open(self, path: str) -> Page:
        """The page at this path, once the first data is there."""
        self.page.goto(f"{self.stage.url}{path}")
        self.page.wait_for_selector("main")
        return self.page

    def picture(self, name: str) -> Path:
        """For a person to look at."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{name}.png"
        self.page.screenshot(path=path)
        return path


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    made = chromium.new_context(viewport=SIZE, color_scheme="dark", reduced_motion="reduce")
    yield made
    made.close()


@pytest.fixture
def watched(context: BrowserContext, stage: Stage) -> Iterator[Watched]:
    """Nothing may have gone wrong at the end."""
    found = Watched(context.new_page(), stage)
    yield found
    assert found.wrong == []


assert os.path.exists(CHROMIUM), "Debian's chromium is not installed: ./dev test browser does that"
