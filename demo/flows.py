"""The flows of the scenarios, as `rubin observe --follow` prints them."""

import re
import sys
import threading
import time
from collections import Counter

from demo import processes
from demo.scenarios import SCENARIOS, SHOP, WITHOUT_KUBERNETES, Scenario

# `Nov 22 12:00:00.000: a:1 (ID:2) -> b:80 (ID:3) to-endpoint FORWARDED (TCP Flags: SYN)`; with `<-` b is the source.
LINE = re.compile(r"^.*?\d\.\d{3}: (\S+) \([^)]*\) (->|<-|<>) (\S+) \([^)]*\) (\S+)")
FAILED = re.compile(r" (?:ERROR|RCode:|grpc-status) |HTTP/\S+ [45]\d\d ")
SAID_EVERY_S = 3.0


class Flows:
    """Prints each flow beside its scenario's name; `most` lines of each, or what Exchanges shows."""

    def __init__(self, rubin: str, server: str, began: float, most: int | None) -> None:
        self.first_flow_s: float | None = None
        self._began, self._most = began, most
        self.counts: Counter[str] = Counter()
        self._exchanges = Exchanges(SAID_EVERY_S if most is None else float("inf"))
        namespaces = [word for name in ("default", "containerd", "host") for word in ("--namespace", name)]
        command = [rubin, "observe", "--server", server, "--follow", *namespaces, "--color", "never"]
        self.process = processes.start("observe", command, stdout=processes.PIPE)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def end(self) -> None:
        """No more lines."""
        self.process.kill()
        self._reader.join()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            if self.first_flow_s is None:
                self.first_flow_s = time.monotonic() - self._began  # whoever's it is
            scenario = scenario_of(line)
            if scenario is None:
                continue
            self.counts[scenario.title] += 1
            for shown in self._shown(scenario, line):
                sys.stdout.write(f"{scenario.title:<24}{shown}")
                sys.stdout.flush()

    def _shown(self, scenario: Scenario, line: str) -> list[str]:
        if scenario.protocols:
            return self._exchanges.shown(scenario, line, time.monotonic())
        return [line] if self._most is None or self.counts[scenario.title] <= self._most else []


class Exchanges:
    """Of the hundreds of lines a second that are said in a shop: of each protocol a request and its answer, once when
    it went well and once when it failed, and again after `every_s`.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s, self._since = every_s, 0.0
        self._asked: dict[str, str] = {}  # the last request of each scenario: its answer comes right behind it
        self._told: set[tuple[str, str, bool]] = set()

    def shown(self, scenario: Scenario, line: str, now: float) -> list[str]:
        """The lines to print at this one, which belongs to the scenario."""
        found = LINE.match(line)
        client, *_, kind = found.groups() if found else ("", "")
        if kind.endswith("request"):
            self._asked[scenario.title] = line
            return []
        if now - self._since > self._every_s:
            self._since = now
            self._told.clear()
        what = (scenario.title, kind, FAILED.search(line) is not None)
        if what in self._told:
            return []
        self._told.add(what)
        asked = self._asked.pop(scenario.title, "")
        return [asked, line] if f" {client} " in asked else [line]


def scenario_of(line: str) -> Scenario | None:
    """The scenario that a line of `rubin observe` belongs to."""
    found = LINE.match(line)
    if found is None:
        return None
    left, arrow, right, kind = found.groups()
    source, destination = (right, left) if arrow == "<-" else (left, right)
    scenarios = (*SCENARIOS, *WITHOUT_KUBERNETES, *SHOP)
    return next((scenario for scenario in scenarios if scenario.has(source, destination, kind)), None)
