"""A bundle: what was looked at, in one file: a zip of `view.json`, which says what page it was, `flows.columns`, which
is read here, and `flows.jsonl`, the same flows in Hubble's format for other programs: it has no bytes and no processes.

It is written piece by piece and read piece by piece, and nothing of it is ever unpacked to a disk. Who opens one does
not know who made it: names, sizes and versions are looked at before a byte is unpacked.
"""

import asyncio
import json
import re
import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from io import SEEK_END, BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, Any, NamedTuple, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from rubin import __version__
from rubin.errors import RubinError, UsageError
from rubin.model.batch import FlowBatch
from rubin.model.tables import Tables
from rubin.wire import frames
from rubin.wire.jsonlines import LineParser, read_lines

FORMAT = 1
VIEW, COLUMNS, LINES = "view.json", "flows.columns", "flows.jsonl"
_NAMES = (VIEW, COLUMNS, LINES)

_PAGE = re.compile(r"/(map|flows|drops|services|dns|health)(\?[!-~]*)?")
_MOST_PAGE = 48_000
_MOST_VIEW_BYTES = 64 << 10
_MOST_FRAME_BYTES = 64 << 20
_LENGTH_BYTES = 4  # little-endian, before each frame
_MOST_TIMES = 200  # flows pack some 30 times smaller; deflate could 1,000 times
_SMALL_BYTES = 64 << 20  # as much may come of anything
LEVEL = 4  # 6 takes twice as long for 8 % less
_LINES, _LINES_BYTES = 4_096, 16 << 20  # at a time
_END, _FAR_END = struct.Struct("<4s4H2LH"), b"PK\x06\x07"  # APPNOTE 4.3.16 and 4.3.15
_FAR_END_BYTES = 20
_MOST_LIST_BYTES = 64 << 10
_SAME = "the rubin that saved it; its flows.jsonl is for every one: unzip -p FILE flows.jsonl | rubin replay -"
_FIRST_NS, _LAST_NS = 0, 1 << 63
_ENCRYPTED = 1
_BROKEN = (BadZipFile, NotImplementedError, EOFError, ValueError, zlib.error)
"""What `zipfile` raises for bytes that make no sense."""


class View(NamedTuple):
    """The page, as its path and query, and from when until when all flows that it asks for are there."""

    page: str
    since_ns: int
    until_ns: int


def checked_page(page: str) -> str:
    """A path of the application with its query. Raises UsageError where it is none."""
    if len(page) > _MOST_PAGE or not _PAGE.fullmatch(page):
        raise UsageError(f"'{page[:80]}' is no page", "/map?since=5m, as in the address of the page")
    return page


async def packed(view: View, batches: AsyncIterator[FlowBatch], lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes of a bundle, as they come: `batches` and `lines` are of the same flows."""
    to, told = _Pieces(), {"format": FORMAT, "rubin": __version__, "columns": frames.VERSION, **view._asdict()}
    with ZipFile(cast(IO[bytes], to), "w", ZIP_DEFLATED, compresslevel=LEVEL) as file:
        file.writestr(VIEW, json.dumps(told))
        with file.open(COLUMNS, "w", force_zip64=True) as columns:
            async for batch in batches:
                await asyncio.to_thread(_write, columns, batch)
                yield to.take()
        with file.open(LINES, "w", force_zip64=True) as flows:
            async for piece in lines:
                await asyncio.to_thread(flows.write, piece)
                yield to.take()
    yield to.take()


def _write(to: IO[bytes], batch: FlowBatch) -> None:
    frame = frames.encode(batch)
    to.write(len(frame).to_bytes(_LENGTH_BYTES, "little") + frame)


class _Pieces:
    """A file that is written and cannot be sought in."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing is kept back."""

    def take(self) -> bytes:
        found, self._pieces = b"".join(self._pieces), []
        return found


class Bundle:
    """One that is there, and was found to be one; `flows` reads what it holds, `is_known` says whether all of it."""

    def __init__(self, path: str) -> None:
        """Raises RubinError where it is none, or hides something."""
        self.path = path
        try:
            size = _checked_size(path)
            with ZipFile(path) as file:
                told = _read_view(path, file, _parts(path, file, size))
            self.view = _view(path, told)
            self.is_known = told.get("columns") == frames.VERSION
        except OSError as error:
            raise RubinError(f"{path} cannot be read: {error.strerror}", "a bundle that the browser saved") from error
        except _BROKEN as error:
            raise _broken(path) from error

    def flows(self) -> Iterator[FlowBatch]:
        """In their order. Raises RubinError where it ends badly, after what is good of it."""
        read = self._columns if self.is_known else self._lines
        try:
            with ZipFile(self.path) as file, file.open(COLUMNS if self.is_known else LINES) as member:
                yield from read(BufferedReader(cast(RawIOBase, member), _LINES_BYTES))
        except (OSError, *_BROKEN) as error:
            raise _broken(self.path) from error

    def _columns(self, file: BufferedReader) -> Iterator[FlowBatch]:
        while head := file.read(_LENGTH_BYTES):
            length = int.from_bytes(head, "little")
            if length > _MOST_FRAME_BYTES:
                raise _broken(self.path)
            try:
                batch = frames.decode(file.read(length))
            except RubinError as error:
                raise _broken(self.path) from error
            yield batch

    def _lines(self, file: BufferedReader) -> Iterator[FlowBatch]:
        tables = Tables()
        parser, lines, bad, count = LineParser(tables), read_lines(file), 0, 0
        while some := _some(lines):
            if tables.full:
                tables = Tables()
                parser = LineParser(tables)
            parsed = parser.parse(some)
            bad, count = bad + parsed.bad_lines, count + len(some)
            yield parsed.batch
        if bad:
            raise RubinError(f"{bad:,} of {count:,} lines of {self.path} make no sense", "a newer rubin may know them")
        raise RubinError(f"{self.path} is of another rubin: its flows are read without bytes and processes", _SAME)


def _some(lines: Iterator[bytes]) -> list[bytes]:
    """The next ones: not too many, nor too long together."""
    found: list[bytes] = []
    size = 0
    while len(found) < _LINES and size < _LINES_BYTES and (line := next(lines, b"")):
        found.append(line)
        size += len(line)
    return found


def _checked_size(path: str) -> int:
    """How long the file is. Raises RubinError where its list of files is endless, BadZipFile where there is none."""
    with Path(path).open("rb") as raw:
        size = raw.seek(0, SEEK_END)
        raw.seek(max(0, size - _END.size - _FAR_END_BYTES))
        end = raw.read()
    if len(end) < _END.size or not end[-_END.size :].startswith(b"PK\x05\x06"):
        raise BadZipFile
    *_, count, list_bytes, _, _ = _END.unpack(end[-_END.size :])
    if list_bytes > _MOST_LIST_BYTES or end.startswith(_FAR_END):
        raise _no_bundle(path, f"it lists {count:,} files or more")
    return size


def _parts(path: str, file: ZipFile, size: int) -> dict[str, ZipInfo]:
    """Its two files by name. Raises RubinError for anything else."""
    infos = file.infolist()
    others = [info.filename for info in infos if info.filename not in _NAMES]
    if others:
        raise _no_bundle(path, f"it holds '{others[0][:80]}'")
    parts = {info.filename: info for info in infos}
    if not len(infos) == len(parts) == len(_NAMES):
        raise _no_bundle(path, f"it does not hold {', '.join(_NAMES)}, each once")
    for info in infos:
        if info.flag_bits & _ENCRYPTED or info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise _no_bundle(path, f"{info.filename} is packed in a way of its own")
    least = min(size, sum(info.compress_size for info in infos))
    if parts[VIEW].file_size > _MOST_VIEW_BYTES:
        raise _no_bundle(path, f"{VIEW} is of {parts[VIEW].file_size:,} bytes")
    whole = sum(info.file_size for info in infos)
    if whole > max(_SMALL_BYTES, _MOST_TIMES * least):
        raise _no_bundle(path, f"its {size:,} bytes would become {whole:,}")
    return parts


def _read_view(path: str, file: ZipFile, parts: dict[str, ZipInfo]) -> Any:
    with file.open(parts[VIEW]) as view:
        try:
            return json.loads(view.read(_MOST_VIEW_BYTES))
        except (ValueError, RecursionError) as error:
            raise _no_bundle(path, f"{VIEW} is no JSON") from error


def _view(path: str, told: Any) -> View:
    """Of what `view.json` says. Raises RubinError."""
    if not isinstance(told, dict) or type(told.get("format")) is not int:
        raise _no_bundle(path, f"{VIEW} says no format")
    if told["format"] > FORMAT:
        by = str(told.get("rubin", ""))[:40]
        raise RubinError(
            f"{path} is of a newer rubin ({by}), in format {told['format']}; this one, {__version__}, knows {FORMAT}",
            _SAME,
        )
    page, times = told.get("page"), (told.get("since_ns"), told.get("until_ns"))
    if not isinstance(page, str) or not _PAGE.fullmatch(page):
        raise _no_bundle(path, f"{VIEW} says no page")
    if any(type(at) is not int or not _FIRST_NS < at < _LAST_NS for at in times):
        raise _no_bundle(path, f"{VIEW} says no times")
    return View(page, *map(int, filter(None, times)))


def _no_bundle(path: str, why: str) -> RubinError:
    return RubinError(f"{path} is no bundle: {why}", "one that `export` in the browser saved")


def _broken(path: str) -> RubinError:
    return RubinError(f"{path} is cut or broken", "export it again, or copy it again")
