"""A shop that goes on, an Observer that serves it, `rubin ui` beside it: everything real but the kernel."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rubin.model.exchanges import expanded
from rubin.store.ring import Ring
from tests.api.serving import serving
from tests.browser.shop import SECOND, Shop
from tests.waiting import wait_for

STEP_S = 0.1


class Stage:
    """`flows_per_second` of the shop go into the ring until `pause`; `history_s` of it are there from the start. The UI
    holds `capacity` of them.
    """

    def __init__(
        self,
        folder: Path,
        flows_per_second: int = 400,
        history_s: int = 120,
        make: Callable[[], Shop] = Shop,
        capacity: int = 1_000_000,
    ) -> None:
        self.folder, self.rate, self.capacity = folder, flows_per_second, capacity
        self.ring = Ring(500_000, again=expanded)
        self._make, self.shop = make, make()
        self.server = f"unix://{folder}/s"
        now = time.time_ns()
        for second in range(history_s, 0, -1):
            self.ring.append(self.shop.flows(now - second * SECOND, now - (second - 1) * SECOND, flows_per_second))
        self._until_ns = now
        self._ending, self._going = threading.Event(), threading.Event()
        self._going.set()
        self._stepping = threading.Lock()
        self._writer = threading.Thread(target=self._write, daemon=True)
        self.address = ""

    def _write(self) -> None:
        while not self._ending.wait(STEP_S):
            with self._stepping:
                if self._going.is_set():
                    self.step()

    def step(self) -> None:
        """What went on since the last time."""
        now = time.time_ns()
        count = round(self.rate * (now - self._until_ns) / SECOND)
        if count:
            if self.shop.tables.full:
                self.shop = self._make()
            self.ring.append(self.shop.flows(self._until_ns, now, count))
            self._until_ns = now

    def pause(self) -> None:
        """Nothing more happens in the shop."""
        with self._stepping:
            self._going.clear()

    def resume(self) -> None:
        """It goes on as if nothing had happened meanwhile."""
        self._until_ns = time.time_ns()
        self._going.set()

    def is_all_seen(self) -> bool:
        """Whether the UI has the last of the shop's flows."""
        held_ms: float = self.get("/api/v1/status")["feed"]["newest_ms"]
        newest_ns = max(int(view["time_ns"].max()) for view in self.ring.scan(self.ring.next_row - 1))
        return held_ms >= newest_ns / 1e6  # rounded as the server does

    @contextmanager
    def running(self) -> Iterator["Stage"]:
        """The Observer and the UI, until the block ends."""
        with serving(self.ring, self.folder):
            self.begin_ui()
            self._writer.start()
            try:
                yield self
            finally:
                self._ending.set()
                self._writer.join()
                self.end_ui()

    def begin_ui(self) -> None:
        """`rubin ui`, once it answers: at a port of its own, the same each time."""
        if not self.address:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        flags = ["--listen", self.address, "--server", self.server, "--capacity", str(self.capacity)]
        command = [sys.executable, "-m", "rubin", "ui", *flags]
        log = self.folder / "ui.log"
        with log.open("w") as out:
            process = self._ui = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": "src"}, stderr=out)
        wait_for(lambda: process.poll() is not None or self._answers(), "the UI to answer")
        if process.poll() is not None:
            raise RuntimeError(log.read_text())

    def end_ui(self) -> None:
        """As Ctrl-C would."""
        self._ui.terminate()
        self._ui.wait(10)

    @property
    def ui_pid(self) -> int:
        """Of `rubin ui`."""
        return self._ui.pid

    def _answers(self) -> bool:
        try:
            return bool(self.get("/api/v1/status")["feed"]["flows"])
        except OSError:
            return False

    @property
    def url(self) -> str:
        """Of the UI."""
        return f"http://{self.address}"

    def get(self, path: str) -> Any:
        """The JSON at this path."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return json.load(answer)

    def lines(self, path: str) -> list[dict[str, Any]]:
        """The JSON lines at this path."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:
            return [json.loads(line) for line in answer]

    def observe(self, *flags: str) -> list[dict[str, Any]]:
        """What `rubin observe -o json` prints of the server."""
        command = [sys.executable, "-m", "rubin", "observe", "--server", self.server, "-o", "json", *flags]
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": "src"}, capture_output=True, text=True, check=True
        )
        return [json.loads(line) for line in done.stdout.splitlines()]
