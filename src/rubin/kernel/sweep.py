"""Walks the connection tables, so that what idle entries still hold becomes a record."""

import struct

from rubin.kernel.syscall import run

_SWEEP = struct.Struct("=III52x")  # struct sweep of bpf/maps.h, and the 64 bytes that a packet has at least


class Sweep:
    """One table: `step` walks a part of it each time, and all of it in `steps` calls."""

    def __init__(self, program_fd: int, entries: int, steps: int = 4) -> None:
        self._program = program_fd
        self._entries = entries
        self._count = max(entries // steps, 1)
        self._next = 0

    def step(self) -> int:
        """The records made by the next part of the table. Raises OSError."""
        made = run(self._program, _SWEEP.pack(self._next, self._count, 0))[0]
        self._next = (self._next + self._count) % self._entries
        return made

    def all(self) -> int:
        """The records made by telling all that is in the table, at the end. Raises OSError."""
        return run(self._program, _SWEEP.pack(0, self._entries, 1))[0]
