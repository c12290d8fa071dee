"""Compiles bpf/*.bpf.c to src/rubin/kernel/objects/*.bpf.o: when a source changed, and only then.

Used by `./dev`, by the wheel's build, and by hand: `python tools/build_bpf.py [--force]`.
"""

import hashlib
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "bpf"
OBJECTS = ROOT / "src" / "rubin" / "kernel" / "objects"
STAMP = ROOT / "build" / "bpf.stamp"
# -g is for BTF: what is stripped afterwards is DWARF alone. v3 is what every kernel since 5.1 runs.
_OUTPUT = ("-O2", "-g", "-target", "bpf", "-mcpu=v3", "-fno-ident")
_WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-sign-compare")
FLAGS = (*_OUTPUT, *_WARNINGS)


class CompileError(Exception):
    """What clang said."""


def stale() -> bool:
    """True when the objects are not those of these sources and flags."""
    wanted = {OBJECTS / f"{source.stem}.o" for source in _sources()}
    present = set(OBJECTS.glob("*.bpf.o"))
    return present != wanted or not STAMP.exists() or STAMP.read_text() != _fingerprint()


def build() -> list[Path]:
    """The objects, compiled anew. CompileError has clang's words; FileNotFoundError: no clang or llvm-strip."""
    OBJECTS.mkdir(parents=True, exist_ok=True)
    STAMP.parent.mkdir(exist_ok=True)
    fingerprint = _fingerprint()
    with ThreadPoolExecutor(2) as threads:
        objects = list(threads.map(_compile, _sources()))
    for path in set(OBJECTS.glob("*.bpf.o")) - set(objects):
        path.unlink()
    STAMP.write_text(fingerprint)
    return objects


def _sources() -> list[Path]:
    return sorted(SOURCES.glob("*.bpf.c"))


def _fingerprint() -> str:
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for path in sorted(SOURCES.rglob("*.[ch]")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _compile(source: Path) -> Path:
    machine = platform.machine()
    target = OBJECTS / f"{source.stem}.o"
    definitions = (f"-D__TARGET_ARCH_{'x86' if machine == 'x86_64' else machine}",)
    includes = ("-I", str(SOURCES), "-idirafter", f"/usr/include/{machine}-linux-gnu")
    # Paths in messages and line information start at bpf/, wherever the repository stands.
    with TemporaryDirectory(dir=STAMP.parent) as folder:
        fresh = Path(folder, target.name)
        _run(
            "clang", *FLAGS, *definitions, *includes, f"-ffile-prefix-map={ROOT}/=", "-c", str(source), "-o", str(fresh)
        )
        _run("llvm-strip", "-g", str(fresh))
        fresh.replace(target)  # whoever loads objects meanwhile sees the old one or the new one, whole
    return target


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompileError(done.stderr.strip())


if __name__ == "__main__":
    try:
        if "--force" in sys.argv or stale():
            print("\n".join(f"{path.relative_to(ROOT)} {path.stat().st_size} bytes" for path in build()))
    except CompileError as error:
        sys.exit(f"clang refused:\n{error}")
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} is not on this machine\n  try: apt-get install clang llvm libbpf-dev")
