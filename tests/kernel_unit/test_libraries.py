"""Where probes go in TLS libraries of several builds, and which files processes have mapped."""

import mmap
import os
import shutil
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.kernel import libraries, openssl
from rubin.kernel.elf import Elf, Places, Raw, UnfitError
from rubin.kernel.libraries import Mapped
from rubin.kernel.openssl import FIFTH, FOURTH, RETURNED, WRITES

# As ssl/ssl_lib.c has them: what is public does little, and both forms of it call the same
_SOURCE = """
#include <stddef.h>
extern void ERR_new(int);
#define BODY(x) { if (!s || !buf) { ERR_new(1); return -1; } ERR_new(x); *done = num; \\
    for (size_t i = 0; i < num; i++) ((volatile char *)buf)[i] ^= ((volatile char *)s)[i & 7]; ERR_new(2); return 1; }
INNER int ssl_read_internal(void *s, void *buf, size_t num, size_t *done) BODY(3)
int SSL_read(void *s, void *buf, int num)
{ size_t done; if (num < 0) { ERR_new(4); return -1; }
  int r = ssl_read_internal(s, buf, num, &done); return r > 0 ? (int)done : r; }
int SSL_read_ex(void *s, void *buf, size_t num, size_t *done)
{ int r = ssl_read_internal(s, buf, num, done); return r < 0 ? 0 : r; }
#ifdef FLAGS
INNER int ssl_write_internal(void *s, void *buf, size_t num, unsigned long flags, size_t *done) BODY(flags)
#define MORE 0,
int SSL_write_ex2(void *s, void *buf, size_t num, unsigned long flags, size_t *done)
{ int r = ssl_write_internal(s, buf, num, flags, done); return r < 0 ? 0 : r; }
int SSL_write_ex(void *s, void *buf, size_t num, size_t *done) { return SSL_write_ex2(s, buf, num, 0, done); }
#else
INNER int ssl_write_internal(void *s, void *buf, size_t num, size_t *done) BODY(5)
#define MORE
int SSL_write_ex(void *s, void *buf, size_t num, size_t *done)
{ int r = ssl_write_internal(s, buf, num, done); return r < 0 ? 0 : r; }
#endif
int SSL_write(void *s, void *buf, int num)
{ size_t done; if (num < 0) { ERR_new(6); return -1; }
  int r = ssl_write_internal(s, buf, num, MORE &done); return r > 0 ? (int)done : r; }
#ifndef LACKS
int SSL_do_handshake(long *s) { if (!s) return -1; ERR_new(7); ERR_new(*s); return 1; }
#endif
void SSL_set_connect_state(long *s) { ERR_new(8); *s = 0; }
void SSL_set_accept_state(long *s) { ERR_new(9); *s = 1; }
"""
_APART, _INLINED = "-DINNER=__attribute__((noinline))static", "-DINNER=static inline __attribute__((always_inline))"


@pytest.fixture
def build(tmp_path: Path):
    if shutil.which("gcc") is None:
        pytest.skip("there is no C compiler here")

    def compiled(*flags: str) -> str:
        source, target = tmp_path / "ssl.c", tmp_path / "libssl.so"
        source.write_text(_SOURCE)
        subprocess.run(["gcc", "-O2", "-fPIC", "-shared", *flags, "-o", str(target), str(source)], check=True)
        return str(target)

    return compiled


def address_of(path: str, name: str) -> int:
    """Of a function, by binutils; here addresses of code are offsets in the file."""
    lines = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout.splitlines()
    return next(int(line.split()[0], 16) for line in lines if line.split()[-1] == name)


def found(path: str) -> dict[str, Places]:
    return {one.program.removeprefix("rubin_clear_"): one for one in libraries.places(path)}


@pytest.mark.parametrize("optimised", ["-O2", "-O1", "-Os"])
@pytest.mark.parametrize(("flags", "written"), [((), FOURTH), (("-DFLAGS",), FIFTH)])
def test_both_forms_of_a_function_call_the_same_and_that_is_it(build, optimised, flags, written):
    path = build(_APART, optimised, *flags)
    places = found(path)
    assert list(places) == ["begin", "handshake", "return", "call"]
    assert places["call"].cookies == (FOURTH, written | WRITES)
    assert places["return"].offsets == places["call"].offsets
    inner = [address_of(path, f"ssl_{name}_internal") for name in ("read", "write")]
    assert all(0 <= place - at < 16 for place, at in zip(places["call"].offsets, inner, strict=True))


def test_symbols_of_what_is_not_public_are_not_needed(build):
    path = build(_APART)
    before = found(path)
    subprocess.run(["strip", path], check=True)
    assert found(path) == before


def test_where_the_inner_function_has_become_part_of_the_others_each_is_attached_to(build):
    path = build(_INLINED, "-DFLAGS")
    calls = found(path)["call"]
    names = ("SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex", "SSL_write_ex2")
    assert calls.cookies == (RETURNED, FOURTH, WRITES | RETURNED, WRITES | FOURTH, WRITES | FIFTH)
    for place, name in zip(calls.offsets, names, strict=True):
        assert 0 <= place - address_of(path, name) < 16


def test_what_leaves_the_arguments_as_they_are_is_passed_over(build):
    path = build(_APART, "-fcf-protection=full")
    places = found(path)
    raw = Path(path).read_bytes()
    assert raw[address_of(path, "SSL_do_handshake") :][:4] == b"\xf3\x0f\x1e\xfa"
    assert places["handshake"].offsets[0] >= address_of(path, "SSL_do_handshake") + 4
    for place in (*places["call"].offsets, *places["handshake"].offsets):
        assert raw[place] not in (0xF3, 0x48), "endbr64 and test are single-stepped"


def test_a_library_that_lacks_something_says_what(build):
    with pytest.raises(UnfitError, match="SSL_do_handshake"):
        libraries.places(build(_APART, "-DLACKS"))


def test_who_only_calls_it_is_none(tmp_path):
    source, target = tmp_path / "user.c", tmp_path / "user.so"
    source.write_text("int SSL_read(void *, void *, int); int SSL_write(void *, void *, int);"
                      "int both(void *s) { return SSL_read(s, s, 1) + SSL_write(s, s, 1); }")  # fmt: skip
    subprocess.run(["gcc", "-fPIC", "-shared", "-o", str(target), str(source)], check=True)
    assert libraries.places(str(target)) == ()


@pytest.mark.parametrize("raw", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(100)])
def test_other_files_are_none(tmp_path, raw):
    (tmp_path / "file").write_bytes(raw)
    assert libraries.places(str(tmp_path / "file")) == ()


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_broken_file_is_told_apart_whatever_is_in_it(data):
    raw = bytearray(_broken())
    for _ in range(data.draw(st.integers(0, 8))):
        raw[data.draw(st.integers(6, 4095) | st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(6, len(raw)))]
    path = Path(f"/dev/shm/rubin-elf-{os.getpid()}")
    path.write_bytes(raw)
    try:
        libraries.places(str(path))
    except UnfitError:
        pass
    finally:
        path.unlink()


@pytest.mark.parametrize("left", [0, 60, 4096])
def test_a_file_that_is_cut_while_it_is_read_is_told_apart_and_ends_nobody(tmp_path, left):
    path = tmp_path / "libssl.so"
    path.write_bytes(_broken())
    with path.open("rb") as file:
        elf = Elf(Raw(file.fileno()))
        os.truncate(path, left)
        with suppress(struct.error, ValueError, IndexError, UnfitError):
            assert openssl.places(elf) == ()


def _broken() -> bytes:
    if not _KEPT:
        code = Path(f"/dev/shm/rubin-elf-{os.getpid()}.c")
        code.write_text(_SOURCE)
        target = code.with_suffix(".so")
        subprocess.run(["gcc", "-O2", "-fPIC", "-shared", _APART, "-o", str(target), str(code)], check=True)
        _KEPT.append(target.read_bytes())
        code.unlink()
        target.unlink()
    return _KEPT[0]


_KEPT: list[bytes] = []


def test_files_of_which_a_process_executes_code():
    ours = {os.path.realpath(one.path): one for one in libraries.mapped(os.getpid())}
    executable = ours[os.path.realpath(sys.executable)]
    assert executable.inode == os.stat(sys.executable).st_ino
    assert len({(one.device, one.inode) for one in ours.values()}) == len(ours)
    assert not list(libraries.mapped(2**22 + 1))


def test_a_file_that_is_the_same_for_us_is_reached_by_our_own_path(tmp_path):
    library = tmp_path / "libone.so"
    shutil.copy(sys.executable, library)
    with library.open("rb") as file, mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC):
        inode = library.stat().st_ino

        def seen() -> Mapped:
            return next(one for one in libraries.mapped(os.getpid()) if one.inode == inode)

        assert libraries.reachable(os.getpid(), seen()) == str(library)
        same = libraries.identity(str(library))
        library.rename(tmp_path / "moved")
        (tmp_path / "link").symlink_to(tmp_path / "moved")
        assert libraries.identity(str(tmp_path / "link"))[:3] == same[:3]
        shutil.copy(sys.executable, tmp_path / "moved.so")
        assert libraries.identity(str(tmp_path / "moved.so")) != libraries.identity(str(tmp_path / "link"))
        (tmp_path / "moved").unlink()
        if os.geteuid() == 0:  # where one may look by the place in memory, also what has gone is reached
            assert libraries.reachable(os.getpid(), seen()).startswith("/proc/")
