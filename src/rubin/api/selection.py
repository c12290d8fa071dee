"""What a GetFlows request asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from google.protobuf.timestamp_pb2 import Timestamp

from rubin.api import asking
from rubin.api.sight import Sight
from rubin.errors import UsageError
from rubin.model.batch import FlowBatch
from rubin.model.filter import Filters, FlowFilter
from rubin.wire.filters import filters_of
from rubin.wire.pb.observer_pb2 import GetFlowsRequest

MOST_FILTERS = 200
_LEAST_NS, _GREATEST_NS = int(np.iinfo(np.int64).min), int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which flows, from where, and whether to stay for new ones.

    `number` 0: no limit, and with `follow` only new flows. `first`: the oldest, else the newest.
    Both times belong to the range; None is no limit. `filters` None: every flow.
    """

    filters: Filters | None = None
    number: int = 0
    first: bool = False
    follow: bool = False
    since_ns: int | None = None
    until_ns: int | None = None

    def rows(self, batch: FlowBatch) -> npt.NDArray[np.intp] | None:
        """The rows asked for, in order; None where it is all of them."""
        mask = self._in_time(batch)
        if self.filters is None:
            return None if mask is None or mask.all() else np.flatnonzero(mask)
        if mask is None or mask.all():
            return np.flatnonzero(self.filters.mask(batch))
        within = np.flatnonzero(mask)
        return within[self.filters.mask(batch.take(within))] if len(within) else within

    @property
    def chooses(self) -> bool:
        """Whether some flows are left out."""
        return self.filters is not None or self.since_ns is not None or self.until_ns is not None

    def _in_time(self, batch: FlowBatch) -> npt.NDArray[np.bool_] | None:
        mask: npt.NDArray[np.bool_] | None = None
        if self.since_ns is not None:
            mask = batch["time_ns"] >= self.since_ns
        if self.until_ns is not None:
            early = batch["time_ns"] <= self.until_ns
            mask = early if mask is None else mask & early
        return mask


def selection_of(request: GetFlowsRequest) -> Selection:
    """The request as a selection of what who asks may see. Raises UsageError, which says what is wrong with the
    request.
    """
    if (number := len(request.whitelist) + len(request.blacklist)) > MOST_FILTERS:
        what = f"the request has {number:,} filters, it may have {MOST_FILTERS:,}"
        raise UsageError(what, "several values in one filter: --pod a --pod b, or --pod a,b")
    if request.first and request.follow:
        raise UsageError("first cannot be specified with follow", "first alone, or follow with a number")
    return Selection(
        filters=_narrowed(compiled(*filters_of(request)), asking.sight()),
        number=request.number,
        first=request.first,
        follow=request.follow,
        since_ns=time_ns(request.since) if request.HasField("since") else None,
        until_ns=time_ns(request.until) if request.HasField("until") else None,
    )


class _Narrowed(Filters):
    """Flows that are seen, and wanted by the filters."""

    def __init__(self, wanted: Filters | None, sight: Sight) -> None:
        super().__init__()
        self._wanted, self._sight = wanted, sight

    @property
    def everything(self) -> bool:
        """Some are refused."""
        return False

    def mask(self, batch: FlowBatch) -> npt.NDArray[np.bool_]:
        """As a filter's."""
        mask = self._sight.mask(batch)
        if self._wanted is not None and mask.any():
            rows = np.flatnonzero(mask)
            mask[rows] = self._wanted.mask(batch.take(rows))
        return mask


def _narrowed(wanted: Filters | None, sight: Sight) -> Filters | None:
    return wanted if sight.is_all else _Narrowed(wanted, sight)


def compiled(allow: Sequence[FlowFilter], deny: Sequence[FlowFilter]) -> Filters | None:
    """Compiled filters, None where there are none. CEL is loaded only where a filter uses it."""
    if not allow and not deny:
        return None
    if any(one.cel_expression for one in (*allow, *deny)):
        from rubin.wire.cel import compile_cel

        return Filters(allow, deny, compile_cel)
    return Filters(allow, deny)


def time_ns(timestamp: Timestamp) -> int:
    """Nanoseconds since the epoch, at most what a column holds."""
    return max(_LEAST_NS, min(_GREATEST_NS, timestamp.seconds * 1_000_000_000 + timestamp.nanos))
