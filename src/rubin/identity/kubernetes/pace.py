"""How often an API server is asked, and how long after a failure."""

import random
from dataclasses import dataclass, field

_MOST_DOUBLINGS = 10


@dataclass(frozen=True)
class Pace:
    """Times of one watch. Six that each ask again after 10 to 20 minutes make one request in two and a half."""

    watch_s: float = 900.0
    """For how long the server shall let a watch run, a third more or less."""
    answer_s: float = 30.0
    """How long to wait for an answer's next part."""
    quiet_s: float = 200.0
    """How long a watch may be silent where the server sends bookmarks, as it does about every minute."""
    backoff_s: float = 1.0
    """The wait after a first failure; it doubles with each."""
    backoff_most_s: float = 60.0
    """The longest wait, and how long a watch has to stand until failures before it are forgotten."""
    page: int = 500
    """Objects on a page of a list."""

    def watch_for_s(self) -> int:
        """A time for one watch, whole seconds as the API has it."""
        return max(1, round(self.watch_s * random.uniform(2 / 3, 4 / 3)))


@dataclass
class Backoff:
    """Failures in a row."""

    pace: Pace
    failures: int = field(default=0, init=False)

    def after_s(self, stood_s: float, at_least_s: float = 0.0, free: bool = False) -> float:
        """How long to wait after one more failure of what had stood for a while; a first `free` one costs nothing."""
        self.failures = 1 if stood_s >= self.pace.backoff_most_s else self.failures + 1
        if free and self.failures == 1:
            return at_least_s
        wait = self.pace.backoff_s * 2.0 ** min(self.failures - 1, _MOST_DOUBLINGS)
        return max(at_least_s, min(wait, self.pace.backoff_most_s) * random.uniform(0.5, 1.0))
