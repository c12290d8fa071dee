"""The pictures of the documentation, of the demo's traffic: made anew each time, kept where RUBIN_PICTURES says."""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from demo import place
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.end_to_end.agents import free_port
from tests.end_to_end.test_demo import is_up, start
from tests.waiting import wait_for
from tools.dev.say import BUILD, ROOT

PICTURES = Path(os.environ.get("RUBIN_PICTURES", BUILD / "pictures" / "docs"))
OF_DOCS = ROOT / "docs" / "pictures"
OF_DEMO = "cgroup=/rubin-demo"
SIZE = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def ui() -> Iterator[str]:
    """The address of `rubin ui` beside a demo."""
    demo = start()
    try:
        wait_for(is_up, "the world")
        address = f"127.0.0.1:{free_port()}"
        rubin = str(Path(sys.executable).with_name("rubin"))
        command = [rubin, "ui", "--listen", address, "--server", f"unix://{place.FOLDER}/rubin.sock"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                wait_for(lambda: _answers(f"http://{address}/api/v1/status"), "the UI")
                yield f"http://{address}"
            finally:
                process.terminate()
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        context = browser.new_context(viewport=SIZE, color_scheme="dark", reduced_motion="reduce")  # type: ignore[arg-type]
        yield context.new_page()
        browser.close()


def test_the_pictures(ui: str, page: Page) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    for screen, shown in (("map", "connection"), ("flows", "FORWARDED"), ("services", "redis"), ("dns", "shop")):
        page.goto(f"{ui}/{screen}?{OF_DEMO}")
        expect(page.locator("main")).to_contain_text(re.compile(shown), timeout=60_000)
        page.wait_for_timeout(5_000)  # a picture of some seconds' traffic
        page.screenshot(path=PICTURES / f"{screen}.png")
    assert all((OF_DOCS / f"{screen}.png").exists() for screen in ("map", "flows", "services", "dns"))


assert shutil.which("chromium"), "Debian's chromium is not installed: ./dev test end_to_end does that"
