"""The Python that runs in a guest, with the tree's own modules, as one image of a file system.

Over 9p every `open` asks the host several times, and what it maps comes page by page: importing numpy takes four times
as long. From a disk that the guest's kernel caches it takes what an emulated processor takes.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.dev import environment
from tools.dev.say import BUILD, ROOT, Stop, quietly, step

IMAGE = BUILD / "vm" / "python.ext4"
TREE = ("src", "tests", "tools", "bpf")
SLOW = "/run/venv"  # where the guest has the environment over 9p
LARGE_BYTES = 64 << 20  # a Go compiler, a browser's driver, schemas: no kernel test imports any of it
UNUSED = ("site-packages", "test", "idlelib", "ensurepip", "config-*")


@cache
def image() -> Path:
    """The image, made once a run of ./dev, so that it is what the tree is now; raises Stop where it cannot be."""
    with step("an image of Python and the tree"), TemporaryDirectory(prefix="python-", dir=_folder()) as name:
        _compile()
        top = Path(name) / "files"
        _standard_library(top)
        _packages(top)
        for folder in TREE:
            halves = shutil.ignore_patterns("*.pyc.*")  # bytecode that somebody is writing
            shutil.copytree(ROOT / folder, top / "tree" / folder, symlinks=True, ignore=halves)
        _write(top, Path(name) / "fresh.ext4")
    return IMAGE


def mounts() -> list[tuple[str, Path]]:
    """(folder of the image, where it belongs)"""
    return [
        ("stdlib", _stdlib()),
        ("packages", _site_packages()),
        *((f"tree/{folder}", ROOT / folder) for folder in TREE),
    ]


def _folder() -> Path:
    IMAGE.parent.mkdir(parents=True, exist_ok=True)
    return IMAGE.parent


def _stdlib() -> Path:
    """Of the Python that .venv was made from."""
    return Path(_asked("stdlib"))


def _site_packages() -> Path:
    return Path(_asked("purelib"))


@cache
def _asked(name: str) -> str:
    code = f"import sysconfig; print(sysconfig.get_path({name!r}))"
    return subprocess.run([environment.PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _compile() -> None:
    """Bytecode of all that the tests import, their own, which pytest rewrites, too: in a guest it takes minutes."""
    command = [environment.command("pytest"), "--collect-only", "-q", "-o", f"cache_dir={BUILD}/pytest", "tests/kernel"]
    otherwise = Stop("the kernel tests cannot be collected", "what is above says why")
    quietly(command, otherwise, {**os.environ, "PYTHONDONTWRITEBYTECODE": ""})


def _standard_library(top: Path) -> None:
    shutil.copytree(_stdlib(), top / "stdlib", symlinks=True, ignore=shutil.ignore_patterns(*UNUSED))


def _packages(top: Path) -> None:
    """Linked, not copied; what is large and no module stays where it is, behind a link that the guest can follow."""
    here = _site_packages()
    (top / "packages").mkdir()
    for entry in here.iterdir():
        there = top / "packages" / entry.name
        if _bytes(entry) > LARGE_BYTES:
            there.symlink_to(f"{SLOW}/{entry.relative_to(environment.VENV)}")
        elif entry.is_dir():
            shutil.copytree(entry, there, symlinks=True, copy_function=os.link)
        else:
            os.link(entry, there)


def _bytes(path: Path) -> int:
    return sum(one.lstat().st_size for one in path.rglob("*")) if path.is_dir() else path.lstat().st_size


def _write(top: Path, fresh: Path) -> None:
    files = sum(1 for _ in top.rglob("*"))
    size = _bytes(top) + files * 5120 + (64 << 20)  # a file's last block is half empty
    command = ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum", "-m", "0", "-N", str(files + 1000)]
    quietly(
        [*command, "-d", top, fresh, f"{size >> 10}k"],
        Stop("the guest's image of Python cannot be made", "on Debian: apt-get install e2fsprogs"),
        {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
    )
    fresh.replace(IMAGE)  # a guest that runs keeps what it began with
