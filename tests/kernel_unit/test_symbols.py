"""Addresses get the name of the function they lie in; hidden addresses get none."""

from pathlib import Path

import pytest

from rubin.kernel.symbols import Symbols

TEXT = """ffffffff81000000 T _stext
ffffffff81000100 t tcp_v4_rcv
ffffffff81000180 D some_data
ffffffffc0001000 t veth_xmit\t[veth]
ffffffff81000080 W weak
"""


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (0xFFFFFFFF81000100, "tcp_v4_rcv+0x0"),
        (0xFFFFFFFF810001F0, "tcp_v4_rcv+0xf0"),
        (0xFFFFFFFF810000FF, "weak+0x7f"),
        (0xFFFFFFFFC0001004, "veth_xmit+0x4"),
        (0xFFFFFFFFC1001004, ""),
        (0xFFFFFFFF80000000, ""),
        (0, ""),
    ],
)
def test_an_address_lies_in_the_function_that_begins_before_it(tmp_path: Path, address: int, name: str) -> None:
    path = tmp_path / "kallsyms"
    path.write_text(TEXT)
    assert Symbols(str(path)).name(address) == name


def test_a_function_ends_where_the_next_begins(tmp_path: Path) -> None:
    path = tmp_path / "kallsyms"
    path.write_text(TEXT + "ffffffffc0002000 t tcp_v4_rcv.cold\t[veth]\nffffffffc0003000 t tcp_v4_rcv_early\t[veth]\n")
    symbols = Symbols(str(path))
    assert symbols.ranges(["tcp_v4_rcv", "some_data", "no_such"]) == [
        (0xFFFFFFFF81000100, 0xFFFFFFFFC0001000),
        (0xFFFFFFFFC0002000, 0xFFFFFFFFC0003000),
    ]
    assert symbols.ranges(["veth_xmit"]) == [(0xFFFFFFFFC0001000, 0xFFFFFFFFC0002000)]


@pytest.mark.parametrize("text", ["", "0000000000000000 T _stext\n0000000000000000 t tcp_v4_rcv\n"])
def test_hidden_addresses_have_no_names(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kallsyms"
    path.write_text(text)
    symbols = Symbols(str(path))
    assert not symbols.read()
    assert symbols.name(0xFFFFFFFF81000100) == ""
    assert symbols.ranges(["tcp_v4_rcv"]) == []
