"""An agent whose programs come off and on again while traffic runs: with it and without it, moments apart.

What a shared machine can do changes by more than what is measured, within seconds. While the programs are off
the agent's process is stopped, too.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.running import Running, answering
from rubin.agent import Agent, AgentSettings
from rubin.errors import RubinError


@dataclass(frozen=True)
class Switched(Running):
    """An agent that answers, and can be as if it were not."""

    asked: IO[str]
    told: IO[str]

    def off(self) -> None:
        """Nothing is attached and nothing runs, as soon as this returns."""
        self._switch("off")
        os.kill(self.pid, signal.SIGSTOP)

    def on(self) -> None:
        """Everything is attached as soon as this returns."""
        os.kill(self.pid, signal.SIGCONT)
        self._switch("on")

    def _switch(self, to: str) -> None:
        self.asked.write(f"{to}\n")
        self.asked.flush()
        answer = self.told.readline().strip()
        if answer != to:
            raise RuntimeError(f"the agent did not switch {to}: {answer}")


@contextmanager
def agent(folder: Path) -> Iterator[Switched]:
    """One that is switched on; gone at the end."""
    path = folder / "agent.sock"
    with answering([sys.executable, "-m", "bench.switched", str(path)], folder, path) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield Switched(process.pid, f"unix://{path}", process.stdin, process.stdout)
        finally:
            process.send_signal(signal.SIGCONT)


def main(path: str) -> None:
    """The agent itself, with the settings of `rubin agent` but no TCP; lines on standard input switch it."""
    with ExitStack() as stack:
        running = Agent(AgentSettings(listen=path, listen_address="", metrics_address=""), stack)
        signal.signal(signal.SIGTERM, lambda *_: running.live.stop())
        threading.Thread(target=_obey, args=(running,), daemon=True).start()
        running.run()


def _obey(running: Agent) -> None:
    for line in sys.stdin:
        probes = running.live.probes
        try:
            (probes.attach if line.strip() == "on" else probes.detach)()
        except (OSError, RubinError) as error:
            line = f"{error}\n"
        print(line, end="", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
