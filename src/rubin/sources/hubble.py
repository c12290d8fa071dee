"""Flows from JSON lines, as `hubble observe -o jsonpb` and Hubble's exporter write them."""

import logging
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from rubin.errors import RubinError
from rubin.model.batch import FlowBatch
from rubin.model.tables import Tables
from rubin.sources.classic import MAGICS as _CLASSIC
from rubin.sources.pcapng import MAGIC
from rubin.sources.pieces import Pieces
from rubin.wire.jsonlines import MAX_LINE_BYTES, parse_lines

_CAPTURES = (MAGIC, *_CLASSIC)
_LINES = 4_096
_LOG = logging.getLogger(__name__)


class Hubble:
    """Iterates batches of the flows and losses in a file; the path `-` is standard input.

    Lines that make no sense are passed over, and fields that only a newer Hubble knows: the first is
    logged, all are counted, in `bad_lines` and `unknown_fields`.
    """

    def __init__(self, path: str) -> None:
        self._pieces = Pieces(path, "a file of JSON lines")
        self.name = self._pieces.name
        self.lines = self.bad_lines = self.unknown_fields = 0
        self._tables = Tables()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go."""
        self._pieces.close()

    def __iter__(self) -> Iterator[FlowBatch]:
        rest: list[bytes] = []
        size = 0
        begun = False
        while piece := self._pieces.read():
            if not begun:
                self._refuse_capture(piece)
                begun = True
            first, newline, behind = piece.partition(b"\n")
            if size <= MAX_LINE_BYTES:  # of a longer line only the beginning is kept, and never read
                rest.append(first)
            size += len(first)
            if not newline:
                continue
            *lines, last = behind.split(b"\n")
            yield from self._batches([*self._whole(rest, size), *lines])
            rest, size = [last], len(last)
        yield from self._batches(self._whole(rest, size))
        if self.bad_lines > 1:
            _LOG.warning("file=%s bad_lines=%d of lines=%d were passed over", self.name, self.bad_lines, self.lines)

    def _refuse_capture(self, piece: bytes) -> None:
        """Raises RubinError where the first bytes are a capture's, be it that they end in its mark."""
        if piece.startswith(_CAPTURES):
            file = "-" if self.name == "standard input" else self.name
            raise RubinError(f"{self.name} is a capture, not JSON lines", f"rubin replay {file}")
        if MAGIC.startswith(piece):
            raise RubinError(f"{self.name} ends after {len(piece)} bytes and holds no flows", "see what wrote it")

    def _whole(self, rest: list[bytes], size: int) -> list[bytes]:
        """The line that these pieces make; none where it is too long, which is counted."""
        if size <= MAX_LINE_BYTES:
            return [b"".join(rest)]
        self.lines += 1
        self._passed_over(self.lines, f"it is longer than {MAX_LINE_BYTES >> 20} MB")
        self.bad_lines += 1
        return []

    def _passed_over(self, number: int, why: str) -> None:
        if not self.bad_lines:
            _LOG.warning("file=%s line=%d passed over: %s", self.name, number, why)

    def _batches(self, lines: list[bytes]) -> Iterator[FlowBatch]:
        for at in range(0, len(lines), _LINES):
            batch = self._batch(lines[at : at + _LINES])
            if len(batch) or batch.lost:
                yield batch

    def _batch(self, lines: list[bytes]) -> FlowBatch:
        if self._tables.full:
            self._tables = Tables()
        parsed = parse_lines(lines, self._tables)
        if parsed.bad_lines:
            number, what = parsed.first_bad
            self._passed_over(self.lines + number, what)
        if parsed.unknown_fields and not self.unknown_fields:
            _LOG.warning("file=%s holds fields that are not known here: it comes from a newer Hubble", self.name)
        self.lines += len(lines)
        self.bad_lines += parsed.bad_lines
        self.unknown_fields += parsed.unknown_fields
        return parsed.batch
