"""The texts that people write in filters, as values of `filter.FlowFilter`; UsageError where one is none."""

import re
from collections.abc import Callable, Iterable
from enum import IntEnum
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING
from uuid import UUID

from rubin.errors import UsageError
from rubin.model.enums import (
    LAYER_7,
    Direction,
    DropReason,
    EventType,
    Identity,
    TCPEvent,
    TCPFlags,
    TracePoint,
    Verdict,
)
from rubin.model.selectors import selector as compiled_selector

if TYPE_CHECKING:
    from rubin.model.tables import Workload

PROTOCOLS: dict[str, tuple[int, ...]] = {
    "tcp": (6,),
    "udp": (17,),
    "icmp": (1, 58),
    "icmpv4": (1,),
    "icmpv6": (58,),
    "sctp": (132,),
    "vrrp": (112,),
    "igmp": (2,),
}
PROTOCOL_NAMES = (*PROTOCOLS, *sorted(LAYER_7))
VERDICTS = tuple(verdict.name for verdict in Verdict if verdict)
DROP_REASONS = tuple(reason.name for reason in DropReason)
IDENTITIES = tuple(identity.text for identity in Identity)
TCP_FLAGS = tuple(str(flag.name) for flag in TCPFlags)
TCP_EVENTS = tuple(event.name for event in TCPEvent if event)
DIRECTIONS = ("ingress", "egress")
HTTP_METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
TRACE_POINTS = {point.name.lower().replace("_", "-"): point.sub_type for point in TracePoint if point}
_EVENT_NUMBERS = {kind.name.lower().replace("_", "-"): int(kind) for kind in EventType if kind}
EVENT_TYPES = ("capture", "drop", "l7", "policy-verdict", "trace", "trace-sock")
EVENTS = (*EVENT_TYPES, *(f"trace:{point}" for point in TRACE_POINTS))
_IP_VERSIONS = {"none": 0, **{f"{prefix}{n}": i for i, n in ((1, 4), (2, 6)) for prefix in ("", "v", "ip", "ipv")}}
_U32 = 2**32 - 1


def _missing(what: str, text: str, names: Iterable[str]) -> UsageError:
    return UsageError(f"{what} '{text}' does not exist", f"one of {', '.join(names)}")


def _member(kind: type[IntEnum], what: str, names: tuple[str, ...]) -> Callable[[str], int]:
    """A reader of an enumeration's names; case does not matter."""

    def read(text: str) -> int:
        if text.lower() not in map(str.lower, names):
            raise _missing(what, text, names)
        return int(kind[text.upper()])

    return read


verdict = _member(Verdict, "verdict", VERDICTS)
tcp_event = _member(TCPEvent, "TCP event", TCP_EVENTS)
direction = _member(Direction, "traffic direction", DIRECTIONS)


def drop_reason(text: str) -> int:
    """A name of Hubble's drop reasons."""
    if text.upper() not in DROP_REASONS:
        raise UsageError(
            f"drop reason '{text}' does not exist",
            "one of Hubble's names such as POLICY_DENIED; for the kernel's own, --kernel-drop-reason",
        )
    return int(DropReason[text.upper()])


def number(what: str, least: int = 0, greatest: int = _U32) -> Callable[[str], int]:
    """A reader of decimal numbers within limits."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,20}", text, re.ASCII) or not least <= int(text) <= greatest:
            raise UsageError(f"{what} '{text}' is out of range", f"write a number from {least} to {greatest}")
        return int(text)

    return read


ip_trace_id = number("ip-trace-id", 1, 2**64 - 1)
_port_number = number("port", 0, 65535)
_type_number = number("event type", 0, 255)
_sub_type_number = number("event sub-type", 0, 255)
_identity_number = number("identity")


def port(text: str) -> str:
    """A port, as text, as Hubble's filter has it."""
    return str(_port_number(text))


def filled(what: str) -> Callable[[str], str]:
    """A reader of any text but none."""

    def read(text: str) -> str:
        if not text:
            raise UsageError(f"{what} '' names nothing", "write a name, or leave the flag out")
        return text

    return read


namespaced = filled("name")


def workload(text: str) -> "Workload":
    """`name` or `Kind/name` or `Kind/`."""
    from rubin.model.tables import Workload  # `--help` does without

    kind, slash, name = text.partition("/")
    return Workload(name, kind) if slash else Workload(text)


def selector(text: str) -> str:
    """A label selector, found good."""
    compiled_selector(text)
    return text


def identity(text: str) -> int:
    """A number or a reserved name."""
    if text in IDENTITIES:
        return int(Identity(IDENTITIES.index(text)))
    if not text.isdigit():
        raise _missing("identity", text, ("a number", *IDENTITIES))
    return _identity_number(text)


def address(text: str) -> str:
    """An IP address or CIDR, found good."""
    try:
        if "/" in text:
            ip_network(text, strict=False)
        else:
            ip_address(text)
    except ValueError:
        raise UsageError(
            f"'{text}' is neither an IP address nor a CIDR", "write 10.0.0.1, 10.0.0.0/8, fd00::1 or fd00::/64"
        ) from None
    return text


def ip_version(text: str) -> int:
    """`v4`, `v6` or `none`, in the ways that people write them."""
    if text.lower() not in _IP_VERSIONS:
        raise _missing("IP version", text, ("none", "v4", "v6"))
    return _IP_VERSIONS[text.lower()]


def protocol(text: str) -> str:
    """A protocol's name, found good."""
    if text.lower() not in PROTOCOL_NAMES:
        raise _missing("protocol", text, PROTOCOL_NAMES)
    return text.lower()


def tcp_flags(text: str) -> int:
    """`SYN,ACK`: all of them."""
    flags = 0
    for name in text.upper().split(","):
        if name not in TCP_FLAGS:
            raise _missing("TCP flag", name, TCP_FLAGS)
        flags |= TCPFlags[name]
    return flags


def event_type(text: str) -> tuple[int, bool, int]:
    """`type` or `type:sub-type`, names or numbers, as (type, match_sub_type, sub_type)."""
    name, colon, rest = text.partition(":")
    if name in _EVENT_NUMBERS:
        kind = _EVENT_NUMBERS[name]
    elif name.isdigit():
        kind = _type_number(name)
    else:
        raise _missing("event type", name, EVENT_TYPES)
    if not colon:
        return kind, False, 0
    if kind == EventType.TRACE and rest in TRACE_POINTS:
        return kind, True, TRACE_POINTS[rest]
    if not rest.isdigit():
        known = tuple(TRACE_POINTS) if kind == EventType.TRACE else ("a number from 0 to 255",)
        raise _missing("event sub-type", rest, known)
    return kind, True, _sub_type_number(rest)


def interface(text: str) -> tuple[int, str]:
    """An interface's name as (any index, name)."""
    return 0, filled("interface")(text)


def http_status(text: str) -> str:
    """`404`, `40+` or `4+`, found good."""
    if not re.fullmatch(r"[1-5](?:[0-9]{2}|[0-9]?\+)", text, re.ASCII):
        raise UsageError(f"HTTP status '{text}' is not understood", "write 404, or 4+ or 40+ as its beginning")
    return text


def http_header(text: str) -> tuple[str, str]:
    """`key:value`."""
    key, colon, value = text.partition(":")
    if not colon:
        raise UsageError(f"HTTP header '{text}' has no value", "write key:value")
    return key, value


def uuid(text: str) -> str:
    """A UUID as flows have it."""
    try:
        return str(UUID(text))
    except ValueError:
        raise UsageError(f"'{text}' is no UUID", "copy one from the output of -o jsonpb") from None


def regex(what: str) -> Callable[[str], str]:
    """A reader of RE2 expressions, found good."""

    def read(text: str) -> str:
        from rubin.model.patterns import search

        search([text], what)
        return text

    return read


def domain(text: str) -> str:
    """A pattern of DNS names, found good."""
    from rubin.model.patterns import domains

    domains([text], "fqdn")
    return text


def node(text: str) -> str:
    """A pattern of node names, found good."""
    from rubin.model.patterns import nodes

    nodes([text])
    return text
