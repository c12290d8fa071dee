"""The agent, on this machine, with the article's metrics, the names of the demo's world and its containers."""

import signal
import subprocess
import time
from pathlib import Path

from demo import containers, processes
from demo.place import FOLDER
from rubin.errors import RubinError

NAMES = Path(__file__).with_name("names.toml")
SOCKET = FOLDER / "rubin.sock"
READY_S, END_S = 15.0, 5.0
# No limit: the shop in full is worth more here than a quiet machine.
CPU_PERCENT = 100
# What the article gives Helm, and what it adds to it.
METRICS = (
    "dns drop tcp port-distribution icmp "
    "flows-to-world:labelsContext=source_namespace,source_app,destination_namespace,destination_app "
    "flow:labelsContext=source_namespace,source_app,destination_namespace,destination_app "
    "httpV2:exemplars=true;labelsContext=source_ip,source_namespace,source_workload,"
    "destination_ip,destination_namespace,destination_workload,traffic_direction"
)


class Agent:
    """A running `rubin agent`."""

    server = f"unix://{SOCKET}"

    def __init__(self, rubin: str, metrics_address: str) -> None:
        self.began = time.monotonic()
        self._process = processes.start(
            "agent",
            [
                *(rubin, "agent", "--listen", str(SOCKET), "--listen-address", ""),
                *("--metrics-address", metrics_address, "--metrics", METRICS, "--names", str(NAMES)),
                *("--container-runtimes", str(containers.SOCKET), "--messages-cpu-percent", str(CPU_PERCENT)),
            ],
        )

    def wait(self) -> None:
        """Returns when it answers; raises RubinError with its last words where it does not."""
        while not SOCKET.exists():
            self.check()
            if time.monotonic() - self.began > READY_S:
                raise RubinError("the agent does not answer", self._words())
            time.sleep(0.01)

    def check(self) -> None:
        """Raises RubinError where it has ended."""
        if self._process.poll() is None:
            return
        _, said, last = self._words().rpartition("rubin: ")
        if said:  # its own sentence and way on serve here too
            sentence, _, way_on = last.partition("\n  try: ")
            raise RubinError(sentence, way_on)
        raise RubinError(f"the agent ended with exit code {self._process.returncode}", self._words())

    def end(self) -> None:
        """As systemd would end it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired as error:
            raise RubinError("the agent does not end", self._words()) from error

    def _words(self) -> str:
        return processes.log_of("agent").read_text()[-1500:].strip() or "it said nothing"
