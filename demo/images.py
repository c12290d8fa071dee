"""A busybox image, made by hand: what `docker save` writes."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

NAME = "rubin.test/busybox:1"
_FOLDERS = ("bin", "dev", "etc", "proc", "sys", "tmp")
_COMMANDS = ("httpd", "nc", "sh", "sleep")


def write(path: Path, labels: dict[str, str] | None = None) -> None:
    """The image's file. Its container sleeps."""
    layer = _tar([*_tree()])
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "config": {"Cmd": ["/bin/sleep", "600"], "Env": ["PATH=/bin"], "Labels": labels or {}},
    }).encode()  # fmt: skip
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": [NAME], "Layers": [f"{digest}.tar"]}]).encode()
    files = {name: config, f"{digest}.tar": layer, "manifest.json": manifest}
    path.write_bytes(_tar([(_entry(name, len(data)), data) for name, data in files.items()]))


def _tree() -> Iterable[tuple[tarfile.TarInfo, bytes]]:
    for folder in _FOLDERS:
        entry = _entry(folder)
        entry.type = tarfile.DIRTYPE
        yield entry, b""
    busybox = Path("/bin/busybox").read_bytes()
    yield _entry("bin/busybox", len(busybox)), busybox
    for command in _COMMANDS:
        entry = _entry(f"bin/{command}")
        entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
        yield entry, b""
    users = b"root:x:0:0:root:/:/bin/sh\n"
    yield _entry("etc/passwd", len(users)), users


def _entry(name: str, size: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o755
    return entry


def _tar(entries: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for entry, data in entries:
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()
