"""What our programs and maps cost, as the kernel counts it."""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from rubin.kernel.maps import Map
from rubin.kernel.objects import Objects
from rubin.kernel.syscall import enable_stats, program_info


@dataclass(frozen=True, slots=True)
class RunCost:
    """A program's time while it was measured, not since the start."""

    runs: int = 0
    time_ns: int = 0

    @property
    def ns_per_run(self) -> float:
        """Mean ns a run, 0 where it did not run."""
        return self.time_ns / self.runs if self.runs else 0.0


class Costs:
    """Times all programs in short windows: timing costs some 20 ns a run itself, so it is mostly off."""

    def __init__(self, objects: Objects, packet_programs: Collection[str]) -> None:
        self._objects = objects
        self._packets = frozenset(packet_programs)
        self._fd = -1
        self._begun: dict[str, RunCost] = {}
        self.measured: dict[str, RunCost] = {name: RunCost() for name in objects.programs()}

    def begin(self) -> bool:
        """Start a window; False where the kernel does not let us (it takes CAP_SYS_ADMIN)."""
        if self._fd < 0:
            try:
                self._fd = enable_stats()
            except OSError:
                return False
            self._begun = self._now()
        return True

    def end(self) -> None:
        """End the window and add what it saw to `measured`."""
        if self._fd < 0:
            return
        for name, cost in self._now().items():
            begun, sum_ = self._begun.get(name, RunCost()), self.measured.get(name, RunCost())
            self.measured[name] = RunCost(
                sum_.runs + cost.runs - begun.runs, sum_.time_ns + cost.time_ns - begun.time_ns
            )
        os.close(self._fd)
        self._fd = -1

    def _now(self) -> dict[str, RunCost]:
        infos = {name: program_info(fd) for name, fd in self._objects.programs().items()}
        return {name: RunCost(info.run_count, info.run_time_ns) for name, info in infos.items()}

    @property
    def ns_per_packet(self) -> float:
        """Mean ns a run of the programs that see packets; 0 where none ran. The others' cost is in `measured`."""
        costs = [self.measured[name] for name in self._packets if name in self.measured]
        return RunCost(sum(cost.runs for cost in costs), sum(cost.time_ns for cost in costs)).ns_per_run


def map_bytes(maps: Iterable[Map]) -> dict[str, int]:
    """What the kernel charges for each map, by name."""
    return {item.name: item.memory_bytes() for item in maps}
