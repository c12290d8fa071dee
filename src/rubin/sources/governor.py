"""Holds the agent to its share of the machine: what is too much is not listened to, and counted."""

import os
import time

_STEP_S = 1.0
_RECOVERY = 1.25  # a second, once there is room again
_LEAST = 1 / 256
_WHERE_BUSY = 1 / 16  # of its share, for listening alone, however little is left over
_COMFORT = 0.9  # of the limit, so that it does not swing around it
_START_S = 5.0  # of its share, which it may take beside it once


class Governor:
    """Says once a second which share of connections can be listened to.

    What listening costs grows with what is heard, so the share follows the time that the process has used. The less of
    the machine's time is to `spare`, the more of what listening takes is felt: the likelier it is that somebody wants
    the processor, and the longer it lasts until who has waited has caught up. So listening may take the third power of
    what is to spare of the agent's share, a sixteenth at the least. What else the agent does is not less for hearing
    less.

    To find out with which servers nothing is said that can be read takes so many connections with each, however many
    of them are listened to: to hear less would only make it last, and all others would not be heard so long. So it
    may take some time more than its share once, at the start.
    """

    def __init__(self, most_percent: float, processors: int | None = None) -> None:
        """`most_percent` of all processors, for the whole process; 100: no limit."""
        count = processors or len(os.sched_getaffinity(0))
        self.spare = 1.0
        self._most = most_percent / 100 * count if most_percent < 100 else float("inf")
        self.share, self._over = 1.0, False
        self._start_s = _START_S * self._most
        self._wall_s, self._used_s, self._listened_s = time.monotonic(), time.process_time(), 0.0
        self.listened_s = 0.0
        """What listening has taken of a processor so far, and what was done with what was heard."""

    def step(self) -> bool:
        """True when `share` has changed."""
        return self.judge(time.monotonic(), time.process_time(), self.listened_s)

    def judge(self, wall_s: float, used_s: float, listened_s: float) -> bool:
        """The same for these readings of the clocks."""
        passed = wall_s - self._wall_s
        if passed < _STEP_S:
            return False
        used, listened = (used_s - self._used_s) / passed, (listened_s - self._listened_s) / passed
        self._wall_s, self._used_s, self._listened_s = wall_s, used_s, listened_s
        before, was_over = self.share, self._over
        for_listening = self._most * max(_WHERE_BUSY, self.spare**3)
        taken = max(used / self._most, listened / for_listening)
        self._over = taken > 1
        if self._over:
            self._start_s -= max(used - self._most, listened - for_listening) * passed
            if not was_over or self._start_s > 0:
                return False  # it may be a burst: the next second tells
            self.share = max(before / taken, _LEAST)
        elif taken < _COMFORT:
            self.share = min(before * _RECOVERY, 1.0)
        return self.share != before
