"""The virtual environment .venv, and what stands apart from it: made once, with versions and hashes of lock files."""

import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.dev import debian
from tools.dev.say import BUILD, ROOT, Stop, quietly, step

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = {
    "run": "requirements.lock",
    "dev": "requirements-dev.lock",
    "vm": "requirements-vm.lock",
    "fuzz": "requirements-fuzz.lock",
    "bench": "requirements-bench.lock",
}
WITHOUT_WHEELS = "pyperclip"  # of mitmproxy's for Python 3.11
HELD_BY = {"run": ("run", "dev"), "dev": ("dev",), "vm": ("vm",), "fuzz": ("fuzz",)}  # dev holds all of run


def need(kind: str) -> None:
    """Makes .venv hold what `kind` ("run", "dev", "vm" or "fuzz") locks, and the command `rubin`."""
    with _alone():
        _hold(kind)


def _hold(kind: str) -> None:
    if not _works(VENV):
        _create(VENV)
    if any(_stamp(has).exists() and _stamp(has).read_text() == _fingerprint(has) for has in HELD_BY[kind]):
        return
    lock = ROOT / LOCKS[kind]
    with step(f"installing {lock.name} into .venv"):
        _pip(VENV, "install", "--require-hashes", "--only-binary=:all:", "-r", str(lock))
        _pip(VENV, "install", "--no-deps", "--no-build-isolation", "--no-index", "--editable", ".")
    _stamp(kind).write_text(_fingerprint(kind))


def apart(kind: str) -> Path:
    """A virtual environment of its own with what `kind` ("bench") locks, whatever that asks of what we have, too."""
    venv, lock = BUILD / kind, ROOT / LOCKS[kind]
    stamp, wanted = venv / "installed", hashlib.sha256(lock.read_bytes()).hexdigest()
    with _alone():
        if stamp.exists() and stamp.read_text() == wanted and _works(venv):
            return venv
        _create(venv)
        with step(f"installing {lock.name} into build/{kind}"):
            only = ("--only-binary=:all:", f"--no-binary={WITHOUT_WHEELS}")
            _pip(venv, "install", "--require-hashes", *only, "-r", str(lock))
        stamp.write_text(wanted)
    return venv


@contextmanager
def _alone() -> Iterator[None]:
    """One command at a time: two that install into the same place take each other's files away (flock(2))."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "environment.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step("waiting for another command that installs"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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


def _works(venv: Path) -> bool:
    """False where there is none, or the Python it was made from is gone."""
    command = [str(venv / "bin" / "python"), "-c", "import pip"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _create(venv: Path) -> None:
    if importlib.util.find_spec("ensurepip") is None:  # Debian ships it apart
        debian.need("python")
    otherwise = Stop(
        "a virtual environment cannot be made", "what is above says why; on Debian: apt-get install python3-venv"
    )
    with step(f"making {venv.relative_to(ROOT)} with Python {sys.version.split()[0]}"):
        quietly([sys.executable, "-m", "venv", "--clear", venv], otherwise)


def _pip(venv: Path, *arguments: str) -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONDONTWRITEBYTECODE": ""}
    quietly(
        [venv / "bin" / "python", "-m", "pip", "--quiet", *arguments],
        Stop("Python packages cannot be installed", "is the package index reachable? pip's own words are above"),
        environment,
    )
