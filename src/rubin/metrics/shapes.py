"""What several metrics ask of a row, as small numbers, and the words for these numbers."""

import numpy as np
import numpy.typing as npt

from rubin.model.batch import FlowBatch
from rubin.model.enums import EventType, IPVersion, Protocol, TCPEvent, TracePoint, Verdict
from rubin.model.messages import HTTP, NUMBERS

U64 = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

PROTOCOLS = ("Unknown L4", "TCP", "UDP", "ICMPv4", "ICMPv6", "SCTP", "VRRP", "IGMP")
_UNKNOWN_FLOW = len(PROTOCOLS)
_L7 = _UNKNOWN_FLOW + 1
FLOW_PROTOCOLS = (*PROTOCOLS, "Unknown flow", "Unknown L7", "DNS", "HTTP")
"""Hubble's FlowProtocol, by the number that `flow_protocol` gives."""

_HAS_L4 = (EventType.DROP, EventType.TRACE, EventType.POLICY_VERDICT, EventType.CAPTURE)


def _table(size: int, default: int, entries: dict[int, int]) -> U64:
    table = np.full(size, default, np.uint64)
    for index, value in entries.items():
        table[index] = value
    return table


_PROTOCOL = _table(
    256, 0, {Protocol[name]: number for number, name in enumerate(PROTOCOLS) if name in Protocol.__members__}
)
_PLAIN = _table(256, 0, {int(event): 1 for event in _HAS_L4}).astype(np.bool_)


_KINDS = _table(256, 0, {NUMBERS["dns"]: 1, **dict.fromkeys(HTTP, 2)})


def l7_kind(batch: FlowBatch) -> U64:
    """(n,) uint64: 1 where the row carries DNS, 2 HTTP, 0 nothing or another protocol."""
    kinds = np.zeros(len(batch), np.uint64)
    said = np.flatnonzero(batch["message"]) if "message" in batch else ()
    if len(said):
        kinds[said] = _KINDS[batch.tables.messages.rows(batch["message"][said])["protocol"]]
    return kinds


def protocol(batch: FlowBatch) -> U64:
    """(n,) uint64: the row's index in PROTOCOLS."""
    return _PROTOCOL[batch["protocol"]]


def flow_protocol(batch: FlowBatch) -> U64:
    """(n,) uint64: the row's index in FLOW_PROTOCOLS."""
    numbers = protocol(batch)
    events = batch["event_type"]
    others = np.flatnonzero(~_PLAIN[events])
    if len(others):
        numbers[others] = _UNKNOWN_FLOW
        l7 = others[events[others] == EventType.L7]
        if len(l7):
            numbers[l7] = l7_kind(batch)[l7] + np.uint64(_L7)
    return numbers


def passed(batch: FlowBatch) -> Mask:
    """(n,) bool: which rows were let through."""
    verdict = batch["verdict"]
    return np.asarray((verdict == Verdict.FORWARDED) | (verdict == Verdict.REDIRECTED), np.bool_)


def told(batch: FlowBatch) -> Mask:
    """(n,) bool: which rows Hubble would have, too: not the ends of connections that tell no packet."""
    return np.asarray((batch["tcp_event"] != TCPEvent.CLOSE) | (batch["packets"] > 0), np.bool_)


def verdict_word(number: int) -> str:
    """`FORWARDED`; a number that is no verdict reads as itself."""
    return Verdict(number).name if number in _VERDICTS else str(number)


def family_word(number: int) -> str:
    """`IPv4`, `IPv6`."""
    return IPVersion(number).name if number in _FAMILIES else str(number)


_VERDICTS = frozenset(Verdict)
_FAMILIES = frozenset(IPVersion)
_POINTS = {point.sub_type: point.name.lower().replace("_", "-") for point in TracePoint if point}


def point_word(sub_type: int) -> str:
    """`to-stack`; "" for a point that Hubble does not know."""
    return _POINTS.get(sub_type, "")
