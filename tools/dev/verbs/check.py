"""format, lint, types, arrows between rooms, generated files, sizes"""

import os
import subprocess
import sys
import time
from pathlib import Path

from tools.dev import environment, sizes
from tools.dev.say import ROOT

FOLDERS = [name for name in ("src", "tests", "tools", "demo", "bench") if (ROOT / name).is_dir()]
GENERATORS = ("tools/build_proto.py", "tools/build_docs.py")


def main(arguments: list[str]) -> int:
    """0 when everything holds. `--fix` formats and mends what can be mended first."""
    environment.need("dev")
    if "--fix" in arguments:
        _run("ruff", "check", "--fix", "--quiet", *FOLDERS)
        _run("ruff", "format", "--quiet", *FOLDERS)
        for generator in GENERATORS:
            _run("python", generator)
    failed = [name for name, command in _checks().items() if not _holds(name, command)]
    failed += [] if sizes.hold() else ["sizes"]
    print(f"failed: {', '.join(failed)}  (./dev check --fix mends what can be mended)" if failed else "all checks hold")
    return 1 if failed else 0


def _checks() -> dict[str, list[str]]:
    checks = {
        "format": ["ruff", "format", "--check", *FOLDERS],
        "lint": ["ruff", "check", *FOLDERS],
        "types": ["mypy", *FOLDERS],
        "arrows": ["lint-imports", "--no-logo", "--cache-dir", "build/imports"],
    }
    return checks | {f"generated: {Path(script).stem}": ["python", script, "--check"] for script in GENERATORS}


def _holds(name: str, command: list[str]) -> bool:
    begin = time.monotonic()
    done = _run(*command)
    print(f"{'ok    ' if done.returncode == 0 else 'FAILED'} {name:<24}{time.monotonic() - begin:5.1f} s", flush=True)
    if done.returncode:
        sys.stdout.write(done.stdout)
    return done.returncode == 0


def _run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [environment.command(tool), *arguments], cwd=ROOT, text=True, check=False, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": "src"},
    )  # fmt: skip
