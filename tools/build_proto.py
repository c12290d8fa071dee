"""Make the modules of messages from proto/, each into the room that speaks them.

    python tools/build_proto.py            write the modules
    python tools/build_proto.py --check    exit 1 and name the stale ones; nothing is written

What comes out depends on proto/ and on the compiler only: the release of grpcio-tools is pinned where the
development tools are listed. Modules import each other as `PACKAGE.X`.
"""

import re
import sys
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parent.parent
PROTO = ROOT / "proto"
PACKAGES = {
    "rubin.wire.pb": ("flow", "observer", "peer", "relay", "rubin"),
    "rubin.identity.containers.pb": ("containerd", "cri"),
}
_INIT = '"""Messages made by tools/build_proto.py from proto/; not edited by hand."""\n'


def _folder(package: str) -> Path:
    return ROOT / "src" / package.replace(".", "/")


def _compile(names: Sequence[str], target: Path) -> None:
    google = str(files("grpc_tools") / "_proto")
    protos = [f"{name}.proto" for name in names]
    arguments = ["protoc", f"-I{PROTO}", f"-I{google}", f"--python_out={target}", f"--pyi_out={target}", *protos]
    if protoc.main(arguments):
        raise SystemExit("build_proto: protoc failed, see above")


def modules(package: str) -> dict[str, str]:
    """The text of each file of a package by its name."""
    names = PACKAGES[package]
    with tempfile.TemporaryDirectory() as directory:
        _compile(names, Path(directory))
        texts = {path.name: path.read_text() for path in Path(directory).iterdir()}
    importing = re.compile(rf"^import ((?:{'|'.join(names)})_pb2) as ", re.MULTILINE)
    texts = {name: importing.sub(rf"from {package} import \1 as ", text) for name, text in texts.items()}
    return {"__init__.py": _INIT, **texts}


def _there(package: str) -> dict[str, str]:
    return {path.name: path.read_text() for path in _folder(package).glob("*.py*") if path.is_file()}


def _stale(package: str) -> list[Path]:
    made, there = modules(package), _there(package)
    return [_folder(package) / name for name in sorted(made | there) if made.get(name) != there.get(name)]


def _write(package: str) -> None:
    made, folder = modules(package), _folder(package)
    folder.mkdir(parents=True, exist_ok=True)
    for name in _there(package).keys() - made.keys():
        (folder / name).unlink()
    for name, text in made.items():
        (folder / name).write_text(text)


def _homeless() -> set[str]:
    """Protos that no package has."""
    return {path.stem for path in PROTO.glob("*.proto")} - {name for names in PACKAGES.values() for name in names}


def main(arguments: list[str]) -> int:
    """Exit code: 0 done or fresh, 1 stale."""
    if homeless := _homeless():
        raise SystemExit(f"build_proto: no package has {', '.join(sorted(homeless))}; add it to PACKAGES")
    if "--check" not in arguments:
        for package in PACKAGES:
            _write(package)
        return 0
    stale = [path for package in PACKAGES for path in _stale(package)]
    for path in stale:
        print(f"stale: {path.relative_to(ROOT)}; run: python tools/build_proto.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
