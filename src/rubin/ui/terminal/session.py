"""What one looks at, apart from how it is drawn: the filter and those before it, the lines, where they were held."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from rubin.ui.feed import Feed
from rubin.ui.terminal.matches import Matches, Wanted
from rubin.ui.terminal.status import Held, Rate
from rubin.ui.terminal.typed import Question

_MOST_UNDONE = 100
_SETTLED_S = 3


class Session:
    """`clock` gives seconds since the epoch."""

    def __init__(self, feed: Feed, question: Question, clock: Callable[[], float] = time.time) -> None:
        self.feed, self.question, self.clock = feed, question, clock
        self.abnormal = False
        self.before: list[Question] = []
        self.held: Held | None = None
        self.matches = self.found(question, False)
        self._all, self._shown = Rate(), Rate()
        self.rates = 0.0, 0.0

    @property
    def is_filtered(self) -> bool:
        """Whether some flows are not shown."""
        question = self.question
        return self.abnormal or bool(question.terms or question.since or question.until)

    def found(self, question: Question, abnormal: bool) -> Matches:
        """The lines that it asks for, of all that is held now; takes a while where that is much. Raises UsageError."""
        since_ns, until_ns = question.times_ns(round(self.clock() * 1e9))
        matches = Matches(self.feed.ring, Wanted(question.filters(), since_ns, until_ns, abnormal))
        matches.extend()
        return matches

    def take(self, question: Question, abnormal: bool, matches: Matches) -> None:
        """Look at this from now on."""
        if question.chips != self.question.chips:
            self.before = [*self.before[-_MOST_UNDONE:], self.question]
        self.question, self.abnormal, self.matches, self.held = question, abnormal, matches, None
        self._shown = Rate()

    def measure(self) -> None:
        """Note how much has come; what the server held when we came is no rate."""
        now_s, state = self.clock(), self.feed.state
        if state.phase != "following" or now_s - state.since_s < _SETTLED_S:
            self._all, self._shown = Rate(), Rate()
        self.rates = self._all.note(now_s, self.feed.flows), self._shown.note(now_s, self.matches.matched)

    def hold(self) -> None:
        """Stop the picture; what comes is counted from here on."""
        self.held = Held(self.clock(), self.matches.matched, self.matches.bad)


def at_time(matches: Matches, time_ns: int) -> int:
    """The first line of that time or later; flows lie nearly in the order of their times."""
    low, high = 0, len(matches)
    while low < high:
        middle = (low + high) // 2
        if time_of(matches, middle) < time_ns:
            low = middle + 1
        else:
            high = middle
    return low


def time_of(matches: Matches, at: int) -> int:
    """The time of a line, ns since the epoch; 0 where its flow is no longer held."""
    code = matches.lines[at : at + 1].copy()
    if code[0] < 0:
        return matches.loss(int(code[0])).time_ns
    flow = matches.flows(code)
    return int(flow["time_ns"][0]) if len(flow) else 0


def next_event(matches: Matches, at: int, step: int) -> int | None:
    """The nearest line before (`step` -1) or behind `at` that is a loss, a drop or an error; None: there is none."""
    lines = matches.lines
    span = 16_384
    while True:
        first, end = (at + 1, min(at + 1 + span, len(lines))) if step > 0 else (max(0, at - span), at)
        if first >= end:
            return None
        wrong = first + np.flatnonzero(matches.went_wrong(lines[first:end]))
        if len(wrong):
            return int(wrong[0] if step > 0 else wrong[-1])
        at = end - 1 if step > 0 else first
