"""What goes over a stream of flows beside the flows, and what who asks for one may wish."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from rubin.model.batch import FlowBatch
from rubin.wire.pb.observer_pb2 import GetFlowsResponse

_PROMISES, _ROWS = "rubin-promises-ms", "rubin-frame-rows"
_LEAST_MS = 20


class Promise(NamedTuple):
    """All that comes later has a time from `from_ns` on. `is_live`: what was held at the beginning is sent."""

    from_ns: int
    is_live: bool


class Told(NamedTuple):
    """One thing of a stream of flows: flows and losses, news of a node, what is promised after these. `is_late`: they
    do not fit into the order of what came before.
    """

    flows: FlowBatch | None = None
    status: GetFlowsResponse | None = None
    promise: Promise | None = None
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class Wishes:
    """What who asks for columns wishes besides: a promise at least every `promises_s` (None: none), and no more than so
    many `rows` a frame.
    """

    promises_s: float | None = None
    rows: int = 16_384

    def metadata(self) -> dict[str, str]:
        """As a request carries it."""
        every = {} if self.promises_s is None else {_PROMISES: str(round(self.promises_s * 1e3))}
        return {**every, _ROWS: str(self.rows)}

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> "Wishes":
        """What a request wishes; what makes no sense is not wished."""
        every_ms, rows = (_number(metadata.get(name)) for name in (_PROMISES, _ROWS))
        return cls(max(every_ms, _LEAST_MS) / 1e3 if every_ms else None, rows or cls().rows)


def _number(text: Any) -> int:
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 10 else 0
