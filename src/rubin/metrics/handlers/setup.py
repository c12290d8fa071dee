"""What a handler is made from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rubin.metrics.contexts import Contexts
from rubin.metrics.options import Options
from rubin.metrics.series import Counters, Histogram, Room
from rubin.model.batch import FlowBatch


def _no_contexts() -> Contexts:
    return Contexts(Options(), 1)


@dataclass(frozen=True)
class Setup:
    """The labels of the context options, the handler's own options in lower case, and the room for series."""

    contexts: Contexts = field(default_factory=_no_contexts)
    options: frozenset[str] = frozenset()
    room: Room = field(default_factory=Room)


class Handler(Protocol):
    """A metric, or some that are counted together."""

    @property
    def series(self) -> Sequence[Counters | Histogram]:
        """What it counts into."""

    def observe(self, batch: FlowBatch) -> None:
        """Count a batch."""
