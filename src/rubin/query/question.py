"""What `top` is asked. No numpy here: the command line reads the words for its help."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rubin.errors import UsageError

if TYPE_CHECKING:
    from rubin.model.filter import Filters

BY: dict[str, tuple[str, ...]] = {
    "endpoint": ("protocol", "server", "method", "target"),
    "service": ("protocol", "server"),
    "client": ("protocol", "server", "client"),
    "process": ("protocol", "program", "inbound"),
    "protocol": ("protocol",),
}
"""What the exchanges of a row have in common."""
SORTS = ("busiest", "slowest", "failing")
"""By their number, by their 95th percentile of latency, by the number of errors."""
DEFAULT_BY = "endpoint"
MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Question:
    """Which exchanges, and how they are put together. `number` of rows at most, 0: `MOST_ROWS`.

    Both times belong to the range; None is no limit.
    """

    by: str = DEFAULT_BY
    sort: str = SORTS[0]
    number: int = 20
    filters: "Filters | None" = None
    since_ns: int | None = None
    until_ns: int | None = None

    def check(self) -> None:
        """Raises UsageError for a word that does not exist."""
        for name, word, words in (("by", self.by, tuple(BY)), ("sort", self.sort, SORTS)):
            if word not in words:
                raise UsageError(f"{name} '{word}' does not exist", "one of " + ", ".join(words))
