"""Where Go's crypto/tls is followed in executables: at instructions, in the functions that are meant."""

import re
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.kernel import libraries
from rubin.kernel.elf import UnfitError
from rubin.kernel.golang import HANDSHAKE, HEARD, READ, SAID, SHAKEN
from tests.kernel.golang import built

CONN = "crypto/tls.(*Conn)."
INSIDE = {
    HANDSHAKE: {f"{CONN}clientHandshake-fm", f"{CONN}serverHandshake-fm"},
    SHAKEN: {f"{CONN}clientHandshake-fm", f"{CONN}serverHandshake-fm"},
    READ: {f"{CONN}Read"},
    HEARD: {f"{CONN}Read"},
    SAID: {f"{CONN}Write"},
}
# Debian's, older than our compiler and linked by gcc, so that code of C is in front; the second can be loaded anywhere
DEBIAN = [path for path in ("/usr/bin/prometheus", "/usr/sbin/dockerd", "/usr/bin/containerd") if Path(path).exists()]


def found(path: Path | str) -> list[tuple[int, int]]:
    """(offset, cookie)"""
    (places,) = libraries.places(str(path))
    assert not places.dear
    return list(zip(places.offsets, places.cookies, strict=True))


def instructions(path: Path, function: str) -> dict[int, str]:
    """A function's instructions by their addresses, as binutils reads it."""
    command = ["objdump", "-d", "--no-show-raw-insn", f"--disassemble={function}", str(path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {int(one[1], 16): one[2] for one in re.finditer(r"^ +([0-9a-f]+):\t(.*)$", lines, re.MULTILINE)}


def test_places_are_instructions_of_the_functions_that_are_meant() -> None:
    path = built("tls")
    code = {name: instructions(path, name) for names in INSIDE.values() for name in names}
    places = found(path)
    assert sorted({cookie for _, cookie in places}) == sorted(INSIDE)
    for offset, cookie in places:
        address = offset + 0x400000  # where the linker lays a program that cannot be moved
        inside = [name for name in INSIDE[cookie] if address in code[name]]
        assert len(inside) == 1, (hex(address), cookie)
        instruction = code[inside[0]][address]
        if cookie in (HANDSHAKE, HEARD, SAID):
            callee = {
                HANDSHAKE: inside[0].removesuffix("-fm"),
                HEARD: "runtime.memmove",
                SAID: f"{CONN}writeRecordLocked",
            }
            assert instruction.startswith("call")
            assert f"<{callee[cookie]}>" in instruction
        elif cookie == READ:
            assert instruction.startswith("jbe")
            assert address - min(code[f"{CONN}Read"]) <= 12


def test_without_symbols_they_are_the_same() -> None:
    assert found(built("tls", "-ldflags=-s -w")) == found(built("tls"))


@pytest.mark.parametrize("path", DEBIAN)
def test_in_programs_of_a_distribution(path: str) -> None:
    places = found(path)
    assert [sum(one == cookie for _, one in places) for cookie in sorted(INSIDE)] == [2, 2, 1, 1, 2]
    raw = Path(path).read_bytes()
    assert all(raw[offset] == 0xE8 for offset, cookie in places if cookie in (HANDSHAKE, HEARD, SAID))


def test_a_program_without_tls_has_none() -> None:
    assert libraries.places(str(built("plain"))) == ()


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_a_broken_file_is_told_apart_whatever_is_in_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray(built("tls", "-ldflags=-s -w").read_bytes())
    table = raw.index(b"\xf1\xff\xff\xff\0\0\x01\x08")
    near = st.integers(6, 4095) | st.integers(table, table + 80) | st.integers(table, len(raw) - 1)
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(near)] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "broken"
    path.write_bytes(raw[: data.draw(st.just(len(raw)) | st.integers(6, len(raw)))])
    with suppress(UnfitError):
        libraries.places(str(path))
