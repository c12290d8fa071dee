"""A virtual machine on one of Debian's kernels, with this machine's files: virtme-ng, emulated by qemu.

Emulated on purpose: it needs no /dev/kvm and is the same everywhere. The tree is writable in it, all else is a copy.
"""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock
from typing import TextIO

from tools.dev import debian, environment, guest_files, kernels
from tools.dev.say import BUILD, ROOT, Stop, say

MEMORY = "3G"
POLL_S = 0.3
_FETCHING = Lock()  # Debian's package lists are one
# virtme-ng gives the guest this machine's files without a cache, so that every page of every library is fetched
# again each time. Here they come once more, cached, and the command runs on these; Python and the tree's modules come
# from an image (guest_files.py). What is left of the tree, results among it, stays uncached: somebody may be writing
# it, and a cache that believes an old length cuts files off.
FILES = (
    "-fsdev local,id=files,path=/,security_model=none,readonly=on,multidevs=remap "
    "-device virtio-9p-pci,fsdev=files,mount_tag=files "
    "-drive file={image},format=raw,if=virtio,readonly=on"
)
# Its two processors take turns in one thread. Each in its own, one executes what the other has just replaced in the
# kernel's code, where a tracepoint is attached or let go: the kernel dies of an int3 that nobody owns, within seconds.
TURNS = "-accel tcg,thread=single"
# What costs an emulated processor much and changes nothing of what is tested: a fifth level of page tables, a switch of
# the translation at every access to user memory, calls that hide their target from speculation; copying byte by byte,
# which only real processors do quickly (erms); filling with zeros what will be written anyway; and devices that nobody
# uses, for each of which drivers are loaded and, of the serial ports, 64 queues looked at whenever anything happens.
# svm stays: without it the processor tells no name, by which the tests know that it is emulated.
PROCESSOR = "-cpu max,la57=off,smap=off,smep=off,umip=off,pku=off,erms=off"
DEVICES = "-machine sata=off,smbus=off,i8042=off,vmport=off -global virtio-serial-pci.ioeventfd=off"
# Where others run beside it, the kernel finds that its processors' clock and its timer do not keep time: then it panics
# while it boots, or reads the time from a device from then on, which costs many times as much.
KERNEL = "mitigations=off init_on_alloc=0 nowatchdog no_timer_check tsc=reliable"
INSIDE = """
set -e
files=/run/files
mkdir -p $files {slow} /run/image
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose files $files
modprobe -a virtio_blk ext4
mount -t ext4 -o ro,noatime /dev/vda /run/image
for folder in dev proc sys; do mount --rbind /$folder $files/$folder; done
mount --bind $files{root}/.venv {slow}
for folder in /tmp /run {root} {build}; do mount --bind $folder $files$folder; done
mount --bind {slow} $files{root}/.venv
mount --bind {slow} $files{slow}
{mounts}
exec chroot $files sh -c 'cd "$0" && exec "$@"' {root} {command}
"""


class Unbooted(Stop):
    """The guest ended before the command began: nothing of ours has run."""


def run(series: str, command: list[str], limit_s: float, out: TextIO = sys.stdout, over: Event | None = None) -> int:
    """Runs the command in the guest at the root of the tree; its exit code, 124 past the limit or once it is `over`."""
    with _FETCHING:
        image, files = kernels.image(series), guest_files.image()
    for last in (False, True):
        try:
            with TemporaryDirectory(prefix=f"{series}-", dir=kernels.FOLDER) as folder:
                return _run(image, files, Path(folder), command, limit_s, out, over or Event())
        except Unbooted as stop:
            if last:
                raise
            say(f"{stop}\n· once more: an emulated boot ends early now and then")
    raise AssertionError("the second boot returned or raised")


def _run(image: Path, files: Path, folder: Path, command: list[str], limit_s: float, out: TextIO, over: Event) -> int:
    """Output and exit code come through files in the tree: a guest's console is shared with its kernel."""
    inside, output, exit_code, said = (folder / name for name in ("inside", "output", "exit", "console"))
    output.touch()
    inside.write_text(_inside(command))  # not in the kernel's command line, which holds 2 kB
    script = f"sh {inside} >{output} 2>&1 </dev/null; echo $? >{exit_code}; sync"
    say(f"booting {image.name.removeprefix('vmlinuz-')}, emulated (at most {limit_s:.0f} s)")
    begin = time.monotonic()
    with said.open("w") as console:
        guest = subprocess.Popen(
            [environment.command("vng"), *_options(image, files), "--", script], cwd=ROOT, stdin=subprocess.DEVNULL,
            stdout=console, stderr=subprocess.STDOUT, env=_environment(), start_new_session=True,
        )  # fmt: skip
    try:
        _follow(guest, output, begin + limit_s, out, over)
    finally:
        _end(guest)
    say(f"the guest ran {time.monotonic() - begin:.0f} s")
    if over.is_set():
        return 124
    if exit_code.exists() and exit_code.read_text().strip():
        return int(exit_code.read_text())
    if time.monotonic() - begin >= limit_s:
        return 124
    last = "\n".join(said.read_text(errors="replace").splitlines()[-60:])
    kind = Stop if output.stat().st_size else Unbooted
    raise kind(f"the guest did not run the command; its console ends with\n{last}", "run it again")


def pytest_command(*arguments: str) -> list[str]:
    """Pytest, as it runs in the guest: with its cache in the guest's own memory, and ten minutes before it says where a
    test is, because it reads what threads do while they do it, and may crash.
    """
    own = ["-o", "cache_dir=/tmp/pytest", "-o", "faulthandler_timeout=600"]
    return [".venv/bin/python", "-m", "pytest", *own, *arguments]


def _inside(command: list[str]) -> str:
    mounts = "\n".join(f"mount --bind /run/image/{name} $files{place}" for name, place in guest_files.mounts())
    return INSIDE.format(root=ROOT, build=BUILD, slow=guest_files.SLOW, mounts=mounts, command=shlex.join(command))


def _options(image: Path, files: Path) -> list[str]:
    machine = f"{FILES.format(image=files)} {TURNS} {PROCESSOR} {DEVICES}"
    return [
        *("--disable-kvm", "--verbose", "--user", "root", "--cpus", "2", "--memory", MEMORY),
        *("--rwdir", str(BUILD), "--run", str(image), f"--qemu-opts={machine}", "--append", KERNEL),
    ]


def _environment() -> dict[str, str]:
    path = f"{environment.VENV / 'bin'}:{debian.SYSTEM_PATH}"
    return {**os.environ, "PATH": path, "XDG_CACHE_HOME": str(kernels.FOLDER / "cache")}


def _follow(guest: "subprocess.Popen[bytes]", output: Path, end: float, out: TextIO, over: Event) -> None:
    """Shows what the command writes while the guest runs."""
    with output.open(errors="replace") as lines:
        while True:
            ended = guest.poll() is not None or time.monotonic() > end or over.is_set()
            out.write(lines.read())
            out.flush()
            if ended:
                return
            time.sleep(POLL_S)


def _end(guest: "subprocess.Popen[bytes]") -> None:
    """qemu is in the guest's process group and goes with it."""
    try:
        os.killpg(guest.pid, 9)
    except ProcessLookupError:
        return
    guest.wait()
