"""What ICMP types and codes are called, in gopacket's words, which are Hubble's."""

from functools import cache

# Type: name, and the names of its codes from 0 on. RFC 792, 950, 1256, 1812.
_V4: dict[int, tuple[str, tuple[str, ...]]] = {
    0: ("EchoReply", ()),
    3: (
        "DestinationUnreachable",
        (
            "Net",
            "Host",
            "Protocol",
            "Port",
            "FragmentationNeeded",
            "SourceRoutingFailed",
            "NetUnknown",
            "HostUnknown",
            "SourceIsolated",
            "NetAdminProhibited",
            "HostAdminProhibited",
            "NetTOS",
            "HostTOS",
            "CommAdminProhibited",
            "HostPrecedence",
            "PrecedenceCutoff",
        ),
    ),
    4: ("SourceQuench", ()),
    5: ("Redirect", ("Net", "Host", "TOS+Net", "TOS+Host")),
    8: ("EchoRequest", ()),
    9: ("RouterAdvertisement", ()),
    10: ("RouterSolicitation", ()),
    11: ("TimeExceeded", ("TTLExceeded", "FragmentReassemblyTimeExceeded")),
    12: ("ParameterProblem", ("PointerIndicatesError", "MissingOption", "BadLength")),
    13: ("TimestampRequest", ()),
    14: ("TimestampReply", ()),
    15: ("InfoRequest", ()),
    16: ("InfoReply", ()),
    17: ("AddressMaskRequest", ()),
    18: ("AddressMaskReply", ()),
}
# RFC 4443, 4861.
_V6: dict[int, tuple[str, tuple[str, ...]]] = {
    1: (
        "DestinationUnreachable",
        (
            "NoRouteToDst",
            "AdminProhibited",
            "BeyondScopeOfSrc",
            "AddressUnreachable",
            "PortUnreachable",
            "SrcAddressFailedPolicy",
            "RejectRouteToDst",
        ),
    ),
    2: ("PacketTooBig", ()),
    3: ("TimeExceeded", ("HopLimitExceeded", "FragmentReassemblyTimeExceeded")),
    4: ("ParameterProblem", ("ErroneousHeaderField", "UnrecognizedNextHeader", "UnrecognizedIPv6Option")),
    128: ("EchoRequest", ()),
    129: ("EchoReply", ()),
    133: ("RouterSolicitation", ()),
    134: ("RouterAdvertisement", ()),
    135: ("NeighborSolicitation", ()),
    136: ("NeighborAdvertisement", ()),
    137: ("Redirect", ()),
}


@cache
def text(v6: bool, kind: int, code: int) -> str:
    """`EchoRequest`, `DestinationUnreachable(Port)`, `EchoReply(Code: 1)`, `143(0)` for an unknown type."""
    name, codes = (_V6 if v6 else _V4).get(kind, ("", ()))
    if not name:
        return f"{kind}({code})"
    if code < len(codes):
        return f"{name}({codes[code]})"
    return name if not codes and not code else f"{name}(Code: {code})"
