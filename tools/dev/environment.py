"""The virtual environment .venv: made once, with the versions and hashes of the lock files."""

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from tools.dev import debian
from tools.dev.say import ROOT, Stop, quietly, step

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = {"run": "requirements.lock", "dev": "requirements-dev.lock", "vm": "requirements-vm.lock"}
HELD_BY = {"run": ("run", "dev"), "dev": ("dev",), "vm": ("vm",)}  # dev holds all of run


def need(kind: str) -> None:
    """Makes .venv hold what `kind` ("run", "dev" or "vm") locks, and the command `rubin`."""
    if not _works():
        _create()
    if any(_stamp(has).exists() and _stamp(has).read_text() == _fingerprint(has) for has in HELD_BY[kind]):
        return
    lock = ROOT / LOCKS[kind]
    with step(f"installing {lock.name} into .venv"):
        _pip("install", "--require-hashes", "--only-binary=:all:", "-r", str(lock))
        _pip("install", "--no-deps", "--no-build-isolation", "--no-index", "--editable", ".")
    _stamp(kind).write_text(_fingerprint(kind))


def command(name: str) -> str:
    """The path of a command in .venv."""
    return str(VENV / "bin" / name)


def _stamp(kind: str) -> Path:
    return VENV / f"installed-{kind}"


def _fingerprint(kind: str) -> str:
    digest = hashlib.sha256()
    for path in (ROOT / LOCKS[kind], ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _works() -> bool:
    """False where there is none, or the Python it was made from is gone."""
    try:
        return subprocess.run([PYTHON, "-c", "import pip"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _create() -> None:
    if importlib.util.find_spec("ensurepip") is None:  # Debian ships it apart
        debian.need("python")
    otherwise = Stop(
        "a virtual environment cannot be made", "what is above says why; on Debian: apt-get install python3-venv"
    )
    with step(f"making .venv with Python {sys.version.split()[0]}"):
        quietly([sys.executable, "-m", "venv", "--clear", VENV], otherwise)


def _pip(*arguments: str) -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONDONTWRITEBYTECODE": ""}
    quietly(
        [PYTHON, "-m", "pip", "--quiet", *arguments],
        Stop("Python packages cannot be installed", "is the package index reachable? pip's own words are above"),
        environment,
    )
