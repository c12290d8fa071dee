"""Make src/rubin/wire/pb/ from proto/.

    python tools/build_proto.py            write the modules
    python tools/build_proto.py --check    exit 1 and name the stale ones; nothing is written

What comes out depends on proto/ and on the compiler only: the release of grpcio-tools is pinned where the
development tools are listed. Modules import each other as `rubin.wire.pb.X`.
"""

import re
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parent.parent
PROTO = ROOT / "proto"
OUT = ROOT / "src" / "rubin" / "wire" / "pb"
_INIT = '"""Messages made by tools/build_proto.py from proto/; not edited by hand."""\n'


def _compile(target: Path) -> None:
    google = str(files("grpc_tools") / "_proto")
    names = sorted(path.name for path in PROTO.glob("*.proto"))
    arguments = ["protoc", f"-I{PROTO}", f"-I{google}", f"--python_out={target}", f"--pyi_out={target}", *names]
    if protoc.main(arguments):
        raise SystemExit("build_proto: protoc failed, see above")


def modules() -> dict[str, str]:
    """The text of each file of rubin/wire/pb by its name."""
    own = "|".join(path.stem for path in PROTO.glob("*.proto"))
    with tempfile.TemporaryDirectory() as directory:
        _compile(Path(directory))
        texts = {path.name: path.read_text() for path in Path(directory).iterdir()}
    importing = re.compile(rf"^import ((?:{own})_pb2) as ", re.MULTILINE)
    texts = {name: importing.sub(r"from rubin.wire.pb import \1 as ", text) for name, text in texts.items()}
    return {"__init__.py": _INIT, **texts}


def main(arguments: list[str]) -> int:
    """Exit code: 0 done or fresh, 1 stale."""
    made = modules()
    there = {path.name: path.read_text() for path in OUT.glob("*.py*") if path.is_file()}
    if "--check" in arguments:
        stale = sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))
        for name in stale:
            print(f"stale: {(OUT / name).relative_to(ROOT)}; run: python tools/build_proto.py")
        return 1 if stale else 0
    OUT.mkdir(parents=True, exist_ok=True)
    for name in there.keys() - made.keys():
        (OUT / name).unlink()
    for name, text in made.items():
        (OUT / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
