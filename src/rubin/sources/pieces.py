"""The bytes of a file, or of a pipe as they come."""

import os
import select
import sys

from rubin.errors import RubinError

PIECE_BYTES = 2 << 20


class Pieces:
    """Reads a file piece by piece; the path `-` is standard input. `wanted` says in an error what should be there."""

    def __init__(self, path: str, wanted: str) -> None:
        self.name = "standard input" if path == "-" else path
        self._own = path != "-"
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC) if self._own else sys.stdin.fileno()
        except OSError as error:
            raise RubinError(f"{path} cannot be read: {error.strerror}", f"name {wanted}, or - for a pipe") from None

    def read(self) -> bytes:
        """The next piece, b"" at the end. Of a pipe it is what is there, so that nothing waits for more to come."""
        piece = self._some(PIECE_BYTES)
        while piece and len(piece) < PIECE_BYTES and select.select([self._file], [], [], 0)[0]:
            following = self._some(PIECE_BYTES - len(piece))
            if not following:
                break
            piece += following
        return piece

    def close(self) -> None:
        """Let the file go; standard input is not ours to close."""
        if self._own and self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _some(self, most: int) -> bytes:
        try:
            return os.read(self._file, most)
        except OSError as error:
            raise RubinError(f"{self.name} cannot be read: {error.strerror}", "what came before was read") from None
