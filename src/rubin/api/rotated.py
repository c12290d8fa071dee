"""A file of lines that is set aside when it is full, and the number of old ones that stay."""

import gzip
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path


class RotatedFile:
    """Lines appended to `path`; full files become `NAME-TIME.EXT` (`.gz` when compressed), as Hubble's do.

    `path` "stdout" is the standard output, which is never rotated. Raises OSError.
    """

    def __init__(self, path: str, max_bytes: int, max_backups: int, compress: bool) -> None:
        self._path, self._max_bytes, self._max_backups, self._compress = Path(path), max_bytes, max_backups, compress
        self._rotates = path != "stdout"
        self._file = self._opened() if self._rotates else sys.stdout.fileno()
        self._size = os.fstat(self._file).st_size if self._rotates else 0

    def write(self, lines: bytes) -> None:
        """Append whole lines. No file grows beyond its size but for a line that is larger by itself."""
        while lines:
            end = self._fitting(lines)
            if not end:
                self._rotate()
                end = self._fitting(lines)
            self._append(lines[:end])
            lines = lines[end:]

    def close(self) -> None:
        """Nothing is left to write: there is no buffer."""
        if self._rotates:
            os.close(self._file)

    def _append(self, lines: bytes) -> None:
        """All of the lines or, where the disk is full, none."""
        written = 0
        try:
            while written < len(lines):
                written += os.write(self._file, lines[written:])
        except OSError:
            if written and self._rotates:
                os.ftruncate(self._file, self._size)
            raise
        self._size += written

    def _fitting(self, lines: bytes) -> int:
        """How many bytes of whole lines fit; 0: first rotate."""
        room = self._max_bytes - self._size
        if not self._rotates or len(lines) <= room:
            return len(lines)
        end = lines.rfind(b"\n", 0, max(0, room)) + 1
        return end if end or self._size else lines.index(b"\n") + 1

    def _rotate(self) -> None:
        os.close(self._file)
        aside = self._aside()
        os.rename(self._path, aside)
        self._file, self._size = self._opened(), 0
        if self._compress:
            with aside.open("rb") as full, gzip.open(f"{aside}.gz", "wb", compresslevel=6) as packed:
                shutil.copyfileobj(full, packed)
            aside.unlink()
        self._forget()

    def _aside(self) -> Path:
        moment = datetime.now(UTC)
        while True:
            at = moment.strftime("%Y-%m-%dT%H-%M-%S.%f")
            aside = self._path.with_name(f"{self._path.stem}-{at}{self._path.suffix}")
            if not aside.exists():
                return aside
            moment = datetime.now(UTC)

    def _forget(self) -> None:
        for old in self._backups()[: -self._max_backups or None] if self._max_backups else self._backups():
            old.unlink()

    def _backups(self) -> list[Path]:
        """Oldest first: the times in the names sort."""
        pattern = f"{self._path.stem}-????-??-??T??-??-??.*{self._path.suffix}"
        return sorted([*self._path.parent.glob(pattern), *self._path.parent.glob(pattern + ".gz")])

    def _opened(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
