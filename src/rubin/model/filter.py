"""Which flows: Hubble's `FlowFilter`, what it cannot ask, and the judgement of both over columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from rubin.errors import UsageError
from rubin.model.batch import FlowBatch
from rubin.model.enums import EventType
from rubin.model.meanings import BEYOND_HUBBLE, MEANINGS
from rubin.model.predicates import Mask, Predicate, merged
from rubin.model.tables import Workload

Cel = Callable[[FlowBatch, npt.NDArray[np.intp]], npt.NDArray[np.bool_]]
"""Of these rows of a batch, the ones for which an expression holds; (len(rows),) bool."""


@dataclass(frozen=True, slots=True)
class BeyondHubble:
    """Constraints that Hubble's message has no field for; they travel between our own processes only.

    As in `FlowFilter`: fields are joined by AND, the values of one by OR, () is no constraint.
    """

    process: tuple[str, ...] = ()
    """Command name of the local socket's owner, exact."""
    pid: tuple[int, ...] = ()
    uid: tuple[int, ...] = ()
    cgroup: tuple[str, ...] = ()
    """Path of the cgroup: that one and all below it."""
    kernel_drop_reason: tuple[str, ...] = ()
    """The running kernel's own names (`NETFILTER_DROP`); case does not matter."""
    tcp_event: tuple[int, ...] = ()
    """enums.TCPEvent"""


@dataclass(frozen=True, slots=True)
class FlowFilter:
    """Fields, values and meaning of Hubble's `flow.FlowFilter`; `Filters` refuses bad values.

    A flow passes when every field that has values agrees with at least one of them.
    """

    uuid: tuple[str, ...] = ()
    source_ip: tuple[str, ...] = ()
    source_ip_xlated: tuple[str, ...] = ()
    source_pod: tuple[str, ...] = ()
    source_fqdn: tuple[str, ...] = ()
    source_label: tuple[str, ...] = ()
    source_service: tuple[str, ...] = ()
    source_workload: tuple[Workload, ...] = ()
    source_cluster_name: tuple[str, ...] = ()
    destination_ip: tuple[str, ...] = ()
    destination_pod: tuple[str, ...] = ()
    destination_fqdn: tuple[str, ...] = ()
    destination_label: tuple[str, ...] = ()
    destination_service: tuple[str, ...] = ()
    destination_workload: tuple[Workload, ...] = ()
    destination_cluster_name: tuple[str, ...] = ()
    traffic_direction: tuple[int, ...] = ()
    """enums.Direction"""
    verdict: tuple[int, ...] = ()
    """enums.Verdict"""
    drop_reason_desc: tuple[int, ...] = ()
    """enums.DropReason"""
    interface: tuple[tuple[int, str], ...] = ()
    """(index, name); 0 and "" mean any"""
    event_type: tuple[tuple[int, bool, int], ...] = ()
    """(type, match_sub_type, sub_type); type 0 means any"""
    http_status_code: tuple[str, ...] = ()
    protocol: tuple[str, ...] = ()
    source_port: tuple[str, ...] = ()
    destination_port: tuple[str, ...] = ()
    reply: tuple[bool, ...] = ()
    dns_query: tuple[str, ...] = ()
    source_identity: tuple[int, ...] = ()
    destination_identity: tuple[int, ...] = ()
    http_method: tuple[str, ...] = ()
    http_path: tuple[str, ...] = ()
    http_url: tuple[str, ...] = ()
    http_header: tuple[tuple[str, str], ...] = ()
    """(key, value)"""
    tcp_flags: tuple[int, ...] = ()
    """enums.TCPFlags: all of these are set in the flow"""
    node_name: tuple[str, ...] = ()
    node_labels: tuple[str, ...] = ()
    ip_version: tuple[int, ...] = ()
    """enums.IPVersion"""
    trace_id: tuple[str, ...] = ()
    ip_trace_id: tuple[int, ...] = ()
    encrypted: tuple[bool, ...] = ()
    cel_expression: tuple[str, ...] = ()
    """`experimental.cel_expression`"""
    beyond: BeyondHubble = BeyondHubble()
    """Not Hubble's: see there."""


class Filters:
    """Whether a flow is wanted: one of `allow` (or there is none) and none of `deny`.

    Compiled once; UsageError names a value that is not understood. `cel` compiles the expressions
    of a filter (they are joined by OR); it is given from above, where flows become messages.
    """

    def __init__(
        self,
        allow: Sequence[FlowFilter] = (),
        deny: Sequence[FlowFilter] = (),
        cel: Callable[[tuple[str, ...]], Cel] | None = None,
    ) -> None:
        self._allow = [_Compiled(each, cel) for each in allow]
        self._deny = [_Compiled(each, cel) for each in deny]

    @property
    def everything(self) -> bool:
        """True when no flow is refused."""
        return not self._allow and not self._deny

    def mask(self, batch: FlowBatch) -> Mask:
        """(n,) bool: which flows of the batch are wanted."""
        wanted = np.zeros(len(batch), np.bool_) if self._allow else np.ones(len(batch), np.bool_)
        for compiled in self._allow:
            wanted |= compiled.mask(batch, ~wanted if compiled.dear and wanted.any() else None)
        for compiled in self._deny:
            if not wanted.any():
                break
            wanted &= ~compiled.mask(batch, wanted)
        return wanted


class _Compiled:
    """One filter: all its predicates hold, and of the rows left then the expression."""

    def __init__(self, asked: FlowFilter, cel: Callable[[tuple[str, ...]], Cel] | None) -> None:
        _check_http(asked)
        self._predicates = merged(_predicates(asked))
        self._cel: Cel | None = None
        self.dear = bool(asked.cel_expression)
        if asked.cel_expression:
            if cel is None:
                raise UsageError("CEL expressions cannot be judged here", "leave out --cel-expression")
            self._cel = cel(asked.cel_expression)

    def mask(self, batch: FlowBatch, among: Mask | None) -> Mask:
        """(n,) bool: the rows that pass, of those among which it is asked (all)."""
        left = np.ones(len(batch), np.bool_) if among is None else among.copy()
        for at, predicate in enumerate(self._predicates):
            left &= predicate(batch, left if at or among is not None else None)
        if self._cel is not None and left.any():
            rows = np.flatnonzero(left)
            left[rows] = self._cel(batch, rows)
        return left


def _predicates(asked: FlowFilter) -> list[Predicate]:
    """One per field that has values."""
    hubble = [MEANINGS[name](getattr(asked, name)) for name in MEANINGS if getattr(asked, name)]
    beyond = [BEYOND_HUBBLE[name](getattr(asked.beyond, name)) for name in BEYOND_HUBBLE if getattr(asked.beyond, name)]
    return hubble + beyond


def _check_http(asked: FlowFilter) -> None:
    """Hubble refuses to ask for HTTP where the events asked for carry none."""
    if not asked.event_type or any(kind == EventType.L7 for kind, _, _ in asked.event_type):
        return
    for field in fields(asked):
        if field.name.startswith("http_") and getattr(asked, field.name):
            what = _HTTP_WORDS[field.name]
            raise UsageError(
                f"filtering by http {what} requires the event type filter to only match 'l7' events",
                "add --type l7, or leave the event type out",
            )


_HTTP_WORDS = {
    "http_status_code": "status code",
    "http_method": "method",
    "http_path": "path",
    "http_url": "url",
    "http_header": "headers",
}
