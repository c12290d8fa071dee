"""How threads that compute share processors with those whom they observe (sched_setattr(2), sched(7))."""

import ctypes
import os
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from rubin.kernel import privileges
from rubin.kernel.turns import LONG_NS, SHORT_NS, Turns, give_way

_SET_ATTRIBUTES = 314  # the number of the call on x86-64
_BATCH, _IDLE = 3, 5  # SCHED_BATCH: waking up, the thread interrupts nobody; SCHED_IDLE: everybody interrupts it
_NICE = 5  # a third of the weight of who answers requests: enough for its share of a machine that is busy
_SLICE_NS = 100_000  # the least that the kernel takes; since 6.12, before it is passed over

_SPARE = 0.1  # of all processors' time: with less, who gives way to all does not get on
_MUCH_SPARE = 0.8  # with less, turns are shorter: they take more of the time, and more of them are in somebody's way
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_LATE_S = 0.05
_LOOK_S = 1.0

_libc = ctypes.CDLL(None, use_errno=True)


def own() -> tuple[int, ...]:
    """The thread that calls."""
    return (0,)


def whole_process() -> list[int]:
    """All its threads; those to come are as who begins them."""
    return list(map(int, os.listdir("/proc/self/task")))


class Manners:
    """Gives way to everybody while processors have time to spare, and takes short turns of its own where they have not.

    A look takes milliseconds, in which a server on the same processor would wait although it has a request to answer.
    `is_busy`: they had none when it was last looked. `spare`: the share of their time that nobody but this process has
    used then. Without CAP_SYS_NICE nobody comes back from SCHED_IDLE: then the turns are its own at any time.
    """

    def __init__(self, threads: Callable[[], Iterable[int]] = own, stat: Path = Path("/proc/stat")) -> None:
        """`threads`: whose they are, by numbers (gettid(2)), of which one may be gone. The turns are those of the
        thread that calls. Raises OSError where the kernel does not let it choose.
        """
        self._threads, self._stat = threads, stat
        self._ticks = self._read()
        self._looked_s = time.monotonic()
        self._policy, self.is_busy, self.spare = _BATCH, False, 1.0
        self._comes_back = privileges.SYS_NICE in privileges.held()
        self._turns = Turns()
        self._choose(_BATCH)

    @property
    def turns_are_short(self) -> bool:
        """Whether the kernel looks more often than at its tick whether a turn is over."""
        return self._turns.are_short

    @property
    def gives_way(self) -> bool:
        """Whether it does so to everybody now."""
        return self._policy == _IDLE

    def rest(self) -> None:
        """Call it before each sleep."""
        self._turns.end()

    def look(self, late_s: float, now_s: float | None = None) -> None:
        """Call it after each sleep, with how much longer it took than it was to be: who is late has no time to lose."""
        self._turns.begin(LONG_NS if self.spare > _MUCH_SPARE else SHORT_NS)
        now_s = time.monotonic() if now_s is None else now_s
        if self.gives_way and late_s > _LATE_S:
            self._looked_s, self._ticks = now_s, self._read()
            self._be(_BATCH)
        elif now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            self._examine()
            self._be(_BATCH if self.is_busy or not self._comes_back else _IDLE)

    def close(self) -> None:
        """No more turns; in any thread."""
        self._turns.close()

    def _examine(self) -> None:
        before, self._ticks = self._ticks, self._read()
        idle, passed, own_s = (now - then for now, then in zip(self._ticks, before, strict=True))
        if passed:
            self.is_busy = idle / passed < _SPARE
            self.spare = min(1.0, (idle + own_s * _TICKS_PER_S) / passed)

    def _read(self) -> tuple[int, int, float]:
        """Ticks since the start, of all processors: that nobody has used (proc(5): idle, iowait), and all; the seconds
        of this process.
        """
        ticks = list(map(int, self._stat.read_text().partition("\n")[0].split()[1:9]))
        return ticks[3] + ticks[4], sum(ticks), time.process_time()

    def _be(self, policy: int) -> None:
        if policy != self._policy:
            self._choose(policy)
            self._policy = policy

    def _choose(self, policy: int) -> None:
        for thread in self._threads():
            with suppress(ProcessLookupError):
                _choose(thread, policy)
        give_way(policy == _IDLE)


def _choose(thread: int, policy: int) -> None:
    size = 48
    attributes = struct.pack("=IIQiIQQQ", size, policy, 0, _NICE, 0, _SLICE_NS, 0, 0)
    if _libc.syscall(_SET_ATTRIBUTES, thread, attributes, 0) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
