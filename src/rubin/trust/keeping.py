"""Files that others read while they are replaced."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rubin.errors import RubinError

_WAY_ON = "check the path and its permissions; the authority's owner can do this"


def read(path: Path) -> bytes:
    """What the file holds. Raises RubinError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise RubinError(f"cannot read {path}: {error.strerror}", _WAY_ON) from error


def write(path: Path, content: bytes, mode: int = 0o644) -> None:
    """The file anew, whole at any moment; one that was there leaves its owner and mode. Raises RubinError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        there = path.stat() if path.exists() else None
        descriptor, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # for its owner only
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                if there is not None:
                    os.fchown(file.fileno(), there.st_uid, there.st_gid)
                os.fchmod(file.fileno(), there.st_mode & 0o7777 if there else mode)
            os.replace(made, path)
        except BaseException:
            os.unlink(made)
            raise
    except OSError as error:
        raise RubinError(f"cannot write {path}: {error.strerror}", _WAY_ON) from error


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """One at a time."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
