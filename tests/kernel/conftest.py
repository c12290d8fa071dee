"""Compiles the test material in tests/kernel/*.bpf.c."""

import ctypes
import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.kernel.hearing import Ear
from tests.kernel.programs import World, close_idle, world

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
KEPT = ROOT / "build" / "tests" / "objects"


@cache
def compiled(name: str) -> bytes:
    """The BPF object of tests/kernel/NAME.bpf.c; kept until it or a header changes, for clang is slow in emulation."""
    source = HERE / f"{name}.bpf.c"
    said = b"".join(one.read_bytes() for one in (source, *sorted((ROOT / "bpf").glob("*.h"))))
    target = KEPT / f"{name}-{hashlib.sha256(said).hexdigest()[:16]}.bpf.o"
    if not target.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        asked = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True, check=True)
        include = f"-I/usr/include/{asked.stdout.strip()} -I{ROOT}/bpf"
        fresh = target.with_suffix(f".{os.getpid()}")
        command = f"clang -O2 -g -target bpf {include} -c {source} -o {fresh}"
        subprocess.run(command.split(), capture_output=True, check=True)
        fresh.replace(target)
    return target.read_bytes()


@pytest.fixture(scope="session")
def tiny() -> bytes:
    """The object of tiny.bpf.c."""
    return compiled("tiny")


@pytest.fixture(scope="session", autouse=True)
def nothing_stays_loaded() -> Iterator[None]:
    """Programs are kept from one test to the next, and go with the last."""
    yield
    close_idle()


@pytest.fixture
def ear() -> Iterator[Ear]:
    """The programs that read TLS in clear, loaded and attached."""
    found = Ear()
    yield found
    found.close()


@pytest.fixture
def between() -> Iterator[World]:
    """Two hosts joined by a cable."""
    with world() as built:
        yield built


_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


@contextmanager
def network_namespace() -> Iterator[None]:
    """This thread, and what it starts, in a network namespace of its own, which goes at the end."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        assert _libc.unshare(_CLONE_NEWNET) == 0
        ip("link set lo up")
        yield
    finally:
        assert _libc.setns(before, _CLONE_NEWNET) == 0
        os.close(before)


def ip(words: str) -> None:
    """Run `ip WORDS`."""
    subprocess.run(["ip", *words.split()], check=True, capture_output=True)


@pytest.fixture
def namespace() -> Iterator[None]:
    """The test runs in a network namespace of its own."""
    with network_namespace():
        yield
