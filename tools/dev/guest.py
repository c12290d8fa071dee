"""A virtual machine on one of Debian's kernels, with this machine's files: virtme-ng, emulated by qemu.

Emulated on purpose: it needs no /dev/kvm and is the same everywhere. The tree is writable in it, all else is a copy.
"""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from tools.dev import debian, environment, kernels
from tools.dev.say import ROOT, Stop, say

MEMORY = "3G"
POLL_S = 0.3


def run(series: str, command: list[str], limit_s: float) -> int:
    """Runs the command in the guest at the root of the tree, its output to ours; its exit code, 124 past the limit."""
    image = kernels.image(series)
    output, exit_code = (kernels.FOLDER / f"{series}.{name}" for name in ("output", "exit"))
    output.write_text("")
    exit_code.unlink(missing_ok=True)
    script = f"{{ {shlex.join(command)}; }} >{output} 2>&1 </dev/null; echo $? >{exit_code}; sync"
    say(f"booting {image.name.removeprefix('vmlinuz-')}, emulated (at most {limit_s:.0f} s)")
    begin = time.monotonic()
    with (kernels.FOLDER / f"{series}.console").open("w") as console:
        guest = subprocess.Popen(
            [environment.command("vng"), *_options(image), "--", script], cwd=ROOT, stdin=subprocess.DEVNULL,
            stdout=console, stderr=subprocess.STDOUT, env=_environment(), start_new_session=True,
        )  # fmt: skip
    try:
        _follow(guest, output, begin + limit_s)
    finally:
        _end(guest)
    say(f"the guest ran {time.monotonic() - begin:.0f} s")
    if exit_code.exists() and exit_code.read_text().strip():
        return int(exit_code.read_text())
    if time.monotonic() - begin >= limit_s:
        return 124
    raise Stop("the guest did not run the command", f"look at {Path(console.name).relative_to(ROOT)}")


def pytest_command(*arguments: str) -> list[str]:
    """Pytest, as it runs in the guest: with its cache in the guest's own memory."""
    return [".venv/bin/python", "-m", "pytest", "-o", "cache_dir=/tmp/pytest", *arguments]


def _options(image: Path) -> list[str]:
    return ["--disable-kvm", "--verbose", "--user", "root", "--cpus", "2", "--memory", MEMORY, "--rwdir", str(ROOT),
            "--run", str(image)]  # fmt: skip


def _environment() -> dict[str, str]:
    path = f"{environment.VENV / 'bin'}:{debian.SYSTEM_PATH}"
    return {**os.environ, "PATH": path, "XDG_CACHE_HOME": str(kernels.FOLDER / "cache")}


def _follow(guest: "subprocess.Popen[bytes]", output: Path, end: float) -> None:
    """Shows what the command writes while the guest runs."""
    with output.open(errors="replace") as lines:
        while True:
            over = guest.poll() is not None or time.monotonic() > end
            sys.stdout.write(lines.read())
            sys.stdout.flush()
            if over:
                return
            time.sleep(POLL_S)


def _end(guest: "subprocess.Popen[bytes]") -> None:
    """qemu is in the guest's process group and goes with it."""
    try:
        os.killpg(guest.pid, 9)
    except ProcessLookupError:
        return
    guest.wait()
