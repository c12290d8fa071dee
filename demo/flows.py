"""The flows of the scenarios, as `rubin observe --follow` prints them."""

import re
import sys
import threading
import time
from collections import Counter

from demo import processes
from demo.scenarios import SCENARIOS, WITHOUT_KUBERNETES, Scenario

# `Nov 22 12:00:00.000: a:1 (ID:2) -> b:80 (ID:3) to-endpoint FORWARDED (TCP Flags: SYN)`; with `<-` b is the source.
LINE = re.compile(r"^.*?\d\.\d{3}: (\S+) \([^)]*\) (->|<-|<>) (\S+) \(")


class Flows:
    """Prints each flow beside its scenario's name; `most` lines of each scenario."""

    def __init__(self, rubin: str, server: str, began: float, most: int | None) -> None:
        self.first_flow_s: float | None = None
        self._began, self._most = began, most
        self.counts: Counter[str] = Counter()
        namespaces = [word for name in ("default", "containerd", "host") for word in ("--namespace", name)]
        command = [rubin, "observe", "--server", server, "--follow", *namespaces, "--color", "never"]
        self.process = processes.start("observe", command, stdout=processes.PIPE)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            if self.first_flow_s is None:
                self.first_flow_s = time.monotonic() - self._began  # whoever's it is
            scenario = scenario_of(line)
            if scenario is None:
                continue
            self.counts[scenario.title] += 1
            if self._most is None or self.counts[scenario.title] <= self._most:
                sys.stdout.write(f"{scenario.title:<24}{line}")
                sys.stdout.flush()


def scenario_of(line: str) -> Scenario | None:
    """The scenario that a line of `rubin observe` belongs to."""
    found = LINE.match(line)
    if found is None:
        return None
    left, arrow, right = found.groups()
    source, destination = (right, left) if arrow == "<-" else (left, right)
    scenarios = (*SCENARIOS, *WITHOUT_KUBERNETES)
    return next((scenario for scenario in scenarios if scenario.has(source, destination)), None)
