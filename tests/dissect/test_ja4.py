"""JA4 is computed as FoxIO's specification says."""

import pytest

from rubin.dissect.protocols.ja4 import ja4
from rubin.dissect.protocols.tls_hello import ClientHello, client_hello
from tests.dissect.tls_talks import extension, hello

# The example of FoxIO's specification, in the order in which Chrome sent it
SUITES = [
    0x1301,
    0x1302,
    0x1303,
    0xC02B,
    0xC02F,
    0xC02C,
    0xC030,
    0xCCA9,
    0xCCA8,
    0xC013,
    0xC014,
    0x9C,
    0x9D,
    0x2F,
    0x35,
]
KINDS = [0x1B, 0, 0x33, 0x10, 0x4469, 0x17, 0x2D, 0x0D, 0x05, 0x23, 0x12, 0x2B, 0xFF01, 0x0B, 0x0A, 0x15]
ALGORITHMS = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]
CONTENTS = {
    0x0000: b"\0\7\0\0\4shop",
    0x0010: b"\0\x0c\2h2\x08http/1.1",
    0x002B: b"\x06\xfa\xfa\3\4\3\3",
    0x000D: b"\0\x10" + b"".join(number.to_bytes(2) for number in ALGORITHMS),
}


def test_the_example_of_ja4():
    extensions = [extension(kind, CONTENTS.get(kind, b"")) for kind in (0x2A2A, *KINDS, 0xDADA)]
    asked = client_hello(hello(*extensions, suites=(0x8A8A, *SUITES)))
    assert ja4(asked) == "t13d1516h2_8daaf6152771_e5627efa2ab1"
    del extensions[KINDS.index(0x000D) + 1]
    assert ja4(client_hello(hello(*extensions, suites=SUITES))).startswith("t13d1515h2_8daaf6152771_")


@pytest.mark.parametrize(
    ("asked", "printed"),
    [
        (ClientHello(0x0303, whole=True), "t12i000000_000000000000_000000000000"),
        (ClientHello(0x0303, extensions=KINDS, whole=True), "t12d001600_000000000000_6d807ffa2a79"),
        (ClientHello(0x0300, suites=[1] * 120, alpn=[b"x"], whole=True), "ts3i9900xx_"),
        (ClientHello(0x1234, alpn=[b"http/1.1"], whole=True), "t00i0000h1_"),
        (ClientHello(alpn=[b"\xab"], whole=True), "t00i0000ab_"),
        (ClientHello(alpn=[b"\xab\xcd"], whole=True), "t00i0000ad_"),
        (ClientHello(alpn=[b"\x30\x31\xab\xcd"], whole=True), "t00i00003d_"),
        (ClientHello(alpn=[b""], whole=True), "t00i000000_"),
        (ClientHello(0x0303), ""),
    ],
)
def test_the_corners_of_ja4(asked, printed):
    assert ja4(asked).startswith(printed)
    assert bool(ja4(asked)) == bool(printed)
