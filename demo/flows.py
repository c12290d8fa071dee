"""The flows of the scenarios, as `rubin observe --follow` prints them."""

import re
import sys
import threading
import time
from collections import Counter

from demo import processes
from demo.scenarios import SCENARIOS, Scenario

# `Nov 22 12:00:00.000: a:1 (ID:2) -> b:80 (ID:3) to-endpoint FORWARDED (TCP Flags: SYN)`; with `<-` b is the source.
LINE = re.compile(r"^.*?\d\.\d{3}: (\S+) \([^)]*\) (->|<-|<>) (\S+) \(")


class Flows:
    """Prints each flow beside its scenario's name; `most` lines of each scenario."""

    def __init__(self, rubin: str, server: str, began: float, most: int | None) -> None:
        self.first_flow_s: float | None = None
        self._began, self._most = began, most
        self._printed: Counter[str] = Counter()
        command = [rubin, "observe", "--server", server, "--follow", "--namespace", "default", "--color", "never"]
        self.process = processes.start("observe", command, stdout=processes.PIPE)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            if self.first_flow_s is None:
                self.first_flow_s = time.monotonic() - self._began
            scenario = scenario_of(line)
            if scenario and (self._most is None or self._printed[scenario.title] < self._most):
                self._printed[scenario.title] += 1
                sys.stdout.write(f"{scenario.title:<20}{line}")
                sys.stdout.flush()


def scenario_of(line: str) -> Scenario | None:
    """The scenario that a line of `rubin observe` belongs to."""
    found = LINE.match(line)
    if found is None:
        return None
    left, arrow, right = found.groups()
    source, destination = (right, left) if arrow == "<-" else (left, right)
    return next((scenario for scenario in SCENARIOS if scenario.has(source, destination)), None)
