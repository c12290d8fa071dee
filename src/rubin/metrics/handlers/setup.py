"""What a handler is made from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rubin.metrics.alike import Amounts
from rubin.metrics.contexts import Contexts
from rubin.metrics.options import Options
from rubin.metrics.said import Heard
from rubin.metrics.series import Counters, Histogram, Room
from rubin.metrics.spoken import Spoken
from rubin.model.batch import FlowBatch


def _no_contexts() -> Contexts:
    return Contexts(Options(), 1)


Series = Counters | Histogram | Spoken


@dataclass(frozen=True)
class Setup:
    """The labels of the context options, the handler's own options in lower case, the room for series, and what
    messages a batch has.
    """

    contexts: Contexts = field(default_factory=_no_contexts)
    options: frozenset[str] = frozenset()
    room: Room = field(default_factory=Room)
    heard: Heard = field(default_factory=Heard)


class Measure(Protocol):
    """A metric, or some that are counted together."""

    @property
    def series(self) -> Sequence[Series]:
        """What it counts into."""


class Handler(Measure, Protocol):
    """Of rows."""

    def observe(self, batch: FlowBatch) -> None:
        """Count a batch."""


class FlowCounter(Measure, Protocol):
    """Of flows: of a row it reads nothing but `alike.COLUMNS`."""

    def observe(self, batch: FlowBatch, amounts: Amounts) -> None:
        """Count a batch."""
