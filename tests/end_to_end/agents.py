"""Agents as processes, and what they hold in the kernel."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.waiting import wait_for

RUBIN = str(Path(sys.executable).with_name("rubin"))


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Agent:
    """A `rubin agent` with a socket and a port of its own."""

    def __init__(
        self, folder: Path, flags: Sequence[str] = (), before: Sequence[str] = (), metrics_port: int | None = None
    ) -> None:
        self.folder = folder
        self.socket = folder / "rubin.sock"
        self.metrics_port = metrics_port or free_port()
        self._log = (folder / "agent.log").open("w+")
        command = [*before, RUBIN, "agent", "--listen", str(self.socket), "--listen-address", ""]
        self.process = subprocess.Popen(
            [*command, "--metrics-address", f"127.0.0.1:{self.metrics_port}", *flags],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )  # fmt: skip

    @property
    def words(self) -> str:
        """All that it said."""
        return (self.folder / "agent.log").read_text()

    def wait_until_it_observes(self) -> "Agent":
        """Returns when its programs are attached."""
        wait_for(lambda: self.process.poll() is not None or ("agent=started" in self.words), "the agent to start", 20)
        assert self.process.poll() is None, self.words
        return self

    def wait_until_it_ends(self, seconds: float = 10) -> int:
        """Its exit code."""
        return self.process.wait(seconds)

    def observe(self, *flags: str) -> list[dict[str, Any]]:
        """The flows that `rubin observe` prints with these flags, as Hubble's JSON has them."""
        lines = self.rubin("observe", "-o", "jsonpb", *flags).splitlines()
        return [event["flow"] for line in lines if "flow" in (event := json.loads(line))]

    def rubin(self, *words: str) -> str:
        """The output of another `rubin` command that asks this agent."""
        command = [RUBIN, words[0], "--server", f"unix://{self.socket}", *words[1:]]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout

    def programs(self) -> set[int]:
        """The ids of the BPF programs that it holds, directly or by a link (proc(5), fdinfo)."""
        found: set[int] = set()
        for path in Path(f"/proc/{self.process.pid}/fdinfo").iterdir():
            with suppress(FileNotFoundError):  # the agent has closed it meanwhile
                found |= {int(number) for number in re.findall(r"^prog_id:\s*(\d+)", path.read_text(), re.MULTILINE)}
        return found

    def end(self, number: int = signal.SIGTERM) -> int:
        """Its exit code after the signal."""
        self.process.send_signal(number)
        return self.wait_until_it_ends()

    def close(self) -> None:
        """Ends it if it lives."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._log.close()


def loaded_programs() -> set[int]:
    """The ids of all BPF programs in this kernel."""
    out = subprocess.run(["bpftool", "--json", "prog", "show"], capture_output=True, text=True, check=True).stdout
    return {program["id"] for program in json.loads(out)}
