"""A file of lines that is set aside when it is full, and the number of old ones that stay."""

import gzip
import logging
import os
import shutil
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

_LOG = logging.getLogger(__name__)


class RotatedFile:
    """Lines appended to `path`; full files become `NAME-TIME.EXT` (`.gz` when compressed), as Hubble's do.

    `path` "stdout" is the standard output, which is never rotated. Of the directories only the last is
    made. Where a full file cannot be set aside it is gone on with, `failed_rotations` counts, and the
    next write tries again. Raises OSError.
    """

    def __init__(self, path: str, max_bytes: int, max_backups: int, compress: bool) -> None:
        self._path, self._max_bytes, self._max_backups, self._compress = Path(path), max_bytes, max_backups, compress
        self.failed_rotations = 0
        self._rotates = path != "stdout"
        self._file = self._opened() if self._rotates else sys.stdout.fileno()
        self._size = os.fstat(self._file).st_size if self._rotates else 0

    def write(self, lines: bytes) -> None:
        """Append whole lines. No file grows beyond its size but for a line that is larger by itself."""
        while lines:
            end = self._fitting(lines)
            if not end:
                end = self._fitting(lines) if self._rotate() else len(lines)
            self._append(lines[:end])
            lines = lines[end:]

    def close(self) -> None:
        """Nothing is left to write: there is no buffer."""
        if self._rotates:
            with suppress(OSError):  # the system has let it go even then
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

    def _rotate(self) -> bool:
        """Whether there is a new file to write to; if not, the old one stays in use."""
        aside = self._aside()
        try:
            with suppress(FileNotFoundError):  # somebody took the file away: nothing is left to set aside
                os.rename(self._path, aside)
            opened = self._opened()
        except OSError as error:
            self._failed(error)
            return False
        self.close()
        self._file, self._size = opened, 0
        try:
            self._tidy(aside)
        except OSError as error:
            self._failed(error)
        return True

    def _failed(self, error: OSError) -> None:
        if not self.failed_rotations:
            _LOG.error("file=%s is not rotated: reason=%r", self._path, error.strerror or str(error))
        self.failed_rotations += 1

    def _tidy(self, aside: Path) -> None:
        """Compress what was set aside, and remove what is too old."""
        if self._compress and aside.exists():
            packed = Path(f"{aside}.gz")
            try:
                with aside.open("rb") as full, gzip.open(packed, "wb", compresslevel=6) as into:
                    shutil.copyfileobj(full, into)
            except OSError:
                packed.unlink(missing_ok=True)  # half of it is of no use; the whole stays as it is
                raise
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
            old.unlink(missing_ok=True)

    def _backups(self) -> list[Path]:
        """Oldest first: the times in the names sort."""
        pattern = f"{self._path.stem}-????-??-??T??-??-??.*{self._path.suffix}"
        return sorted([*self._path.parent.glob(pattern), *self._path.parent.glob(pattern + ".gz")])

    def _opened(self) -> int:
        self._path.parent.mkdir(exist_ok=True)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
