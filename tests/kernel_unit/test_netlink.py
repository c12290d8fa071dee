"""Whatever bytes come in, parsing them never raises; what was written is read again."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from rubin.kernel import clsact, interfaces
from rubin.kernel.interfaces import Change, Interface, Kind, chosen
from rubin.kernel.netlink import Message, attribute, attributes, messages


@given(st.dictionaries(st.integers(0, 0x3FFF), st.binary(max_size=40), max_size=8))
def test_attributes_are_read_as_they_were_written(written: dict[int, bytes]) -> None:
    assert attributes(b"".join(attribute(kind, value) for kind, value in written.items())) == written


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed(data: bytes) -> None:
    attributes(data)
    for message in (*messages(data), Message(16, data), Message(17, data), Message(44, data)):
        interfaces.parse(message)
        clsact.parse(message)


def link(name: str = "veth0", kind: str = "veth", flags: int = 0, hardware: int = 1) -> bytes:
    info = struct.pack("=BxHiII", 0, hardware, 7, flags, 0)
    return info + attribute(3, name.encode() + b"\0") + attribute(18, attribute(1, kind.encode() + b"\0"))


def test_a_link_message_tells_the_interface() -> None:
    veth = Interface(7, "veth0", Kind.VETH)
    assert interfaces.parse(Message(16, link())) == Change(veth, gone=False)
    assert interfaces.parse(Message(17, link())) == Change(veth, gone=True)
    assert interfaces.parse(Message(99, link())) is None
    tunnel = interfaces.parse(Message(16, link("tun0", "ipip", hardware=768)))
    assert tunnel == Change(Interface(7, "tun0", Kind.TUNNEL, ethernet=False), gone=False)
    loopback = interfaces.parse(Message(16, link("lo", "", flags=8, hardware=772)))
    assert loopback == Change(Interface(7, "lo", Kind.LOOPBACK), gone=False)


@given(st.integers(0, 60))
def test_a_link_message_may_be_cut_anywhere(length: int) -> None:
    interfaces.parse(Message(16, link()[:length]))


def test_patterns_choose_interfaces() -> None:
    known = [
        Interface(i, name, kind)
        for i, (name, kind) in enumerate(
            {
                "lo": Kind.LOOPBACK,
                "eth0": Kind.PHYSICAL,
                "veth1": Kind.VETH,
                "veth2": Kind.VETH,
                "br0": Kind.BRIDGE,
                "ifb0": Kind.OTHER,
            }.items()
        )
    ]
    table = {
        (): ["eth0", "veth1", "veth2"],
        ("veth*",): ["veth1", "veth2"],
        ("veth*", "!veth2", "lo"): ["lo", "veth1"],
        ("!veth*",): ["lo", "eth0", "br0", "ifb0"],
        ("nothing",): [],
    }
    assert {patterns: [item.name for item in chosen(known, patterns)] for patterns in table} == table
