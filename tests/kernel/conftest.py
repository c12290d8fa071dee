"""Compiles the test material in tests/kernel/*.bpf.c."""

import subprocess
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@cache
def compiled(name: str) -> bytes:
    """The BPF object of tests/kernel/NAME.bpf.c."""
    machine = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True, check=True).stdout.strip()
    command = f"clang -O2 -g -target bpf -I/usr/include/{machine} -I{ROOT}/bpf -c {HERE}/{name}.bpf.c -o -"
    return subprocess.run(command.split(), capture_output=True, check=True).stdout


@pytest.fixture(scope="session")
def tiny() -> bytes:
    """The object of tiny.bpf.c."""
    return compiled("tiny")
