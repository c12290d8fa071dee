"""Follows TLS libraries as processes map them, so that what is said over TLS is read in clear."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from rubin.errors import RubinError
from rubin.kernel import libraries, uprobes
from rubin.kernel.elf import UnfitError
from rubin.kernel.libraries import Content, Mapped
from rubin.kernel.objects import Objects
from rubin.kernel.turns import Turns
from rubin.kernel.uprobes import Uprobes
from rubin.kernel.writes import Writes

_LOG = logging.getLogger(__name__)

MOST_FILES = 256
_EVERY_S = 1.0
_LAST_LOOK_S = 64.0  # a process is looked at after 1, 2, 4 … seconds, and then so often: it may load more at any time
_MOST_KNOWN = 65_536  # files that are no libraries
_MOST_REFUSALS = 64
_FORGET_S = 600.0

_File = tuple[bytes, int, str]


@dataclass
class _Process:
    """When a process is looked at next, and which libraries it maps."""

    due_s: float
    pause_s: float = _EVERY_S
    files: set[_File] = field(default_factory=set)

    def look_again(self, now_s: float) -> None:
        """As if it were new."""
        self.due_s, self.pause_s = now_s, _EVERY_S


@dataclass(eq=False)
class _Library:
    """A file that is attached to. What has its name may be another one by now: `fd` is the file itself."""

    fd: int
    content: Content
    path: str
    shown: str
    watch: int = -1
    unused_s: float | None = None


class _Known(NamedTuple):
    """What was found in a file when it held this; without a library: none, or one that cannot be attached to."""

    content: Content | None
    library: _Library | None


class Clear:
    """A thread of its own attaches to libraries that appear and lets go of those that have gone or are changed."""

    def __init__(self, objects: Objects, load: Callable[[], bool] | None = None) -> None:
        """Nothing is attached yet: the thread does that at once, after `load`, if that says that it can be."""
        self._objects, self._load, self._writes = objects, load, Writes()
        self._processes: dict[int, _Process] = {}
        self._known: dict[_File, _Known] = {}
        self._libraries: list[_Library] = []
        self.refused: dict[str, str] = {}
        self._refusals = self._failures = 0
        self._stopping = threading.Event()
        self._looked = 0
        self._thread = threading.Thread(target=self._run, name="rubin-clear", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        if not self._is_loaded():
            return
        self._uprobes = Uprobes(self._objects)
        turns, written = Turns(), set[int]()
        try:
            while not self._stopping.is_set():
                turns.begin()
                try:
                    self.look(time.monotonic(), written)
                except Exception:
                    if not self._failures:
                        _LOG.exception("what=following of TLS libraries")
                    self._failures += 1
                turns.end()
                written = self._writes.wait(_EVERY_S)
        finally:
            turns.close()
            self._release(self._libraries)
            self._libraries = []

    def _is_loaded(self) -> bool:
        """Whether anything can be attached."""
        try:
            return self._load is None or self._load()
        except RubinError as error:
            self._failures += 1
            _LOG.warning("what=TLS is not read in clear reason=%s", error.sentence)
            return False

    def look(self, now_s: float, written: Iterable[int] = ()) -> None:
        """Look at the processes that are due, after what is `written` to. Called by the thread."""
        self._leave([one for one in self._libraries if one.watch in written or _is_changed(one)], now_s)
        alive = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        for pid in self._processes.keys() - alive:
            del self._processes[pid]
        found: dict[_File, tuple[int, Mapped]] = {}
        compared: set[_File] = set()
        for pid in sorted(alive):
            process = self._processes.setdefault(pid, _Process(now_s))
            if process.due_s <= now_s and not self._stopping.is_set():
                process.due_s, process.pause_s = now_s + process.pause_s, min(2 * process.pause_s, _LAST_LOOK_S)
                self._look_at(pid, process, found, compared)
        # all at once: the first attachment after a while waits for the kernel, the next ones do not
        for name, (pid, file) in found.items():
            if not self._stopping.is_set():
                self._know(name, pid, file)
        self._let_go(now_s)
        self._looked += 1

    def _look_at(
        self, pid: int, process: _Process, found: dict[_File, tuple[int, Mapped]], compared: set[_File]
    ) -> None:
        """Note which libraries a process maps; files that are new are `found`."""
        process.files.clear()
        for file in libraries.mapped(pid):
            name = (file.device, file.inode, file.path)
            if name in found or self._is_new(name, pid, file, compared):
                found.setdefault(name, (pid, file))
                process.files.add(name)
            elif self._known[name].library is not None:
                process.files.add(name)

    def _is_new(self, name: _File, pid: int, file: Mapped, compared: set[_File]) -> bool:
        """Whether a file is not known, or not as it is now: the same one may have been written anew (`cp`)."""
        known = self._known.get(name)
        if known is None:
            return True
        if known.library is not None or known.content is None or name in compared:
            return False
        compared.add(name)
        with suppress(OSError, UnfitError):  # the process has gone, or it may not be looked at
            if libraries.content(libraries.place_of(pid, file)) != known.content:
                self.refused.pop(file.path, None)
                return True
        return False

    def _know(self, name: _File, pid: int, file: Mapped) -> None:
        """Attach to a file that was not seen before, or not as it is now, if it is a library."""
        if len(self._known) >= _MOST_KNOWN:
            self._known = {one: which for one, which in self._known.items() if which.library is not None}
        self._known[name] = _Known(None, None)
        try:
            path = libraries.reachable(pid, file)
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                content = libraries.content(fd)
                self._known[name] = _Known(content, None)
                shown = file.path if path == file.path else f"{file.path} of process {pid}"
                library = self._same(fd) or self._attach(_Library(fd, content, path, shown), file.path)
                self._known[name] = _Known(content, library)
            finally:
                os.close(fd)
        except UnfitError as error:
            self._refuse(file.path, str(error))
        except (FileNotFoundError, ProcessLookupError):
            del self._known[name]  # the process has gone in between, and another one may have it, too
        except (OSError, ValueError) as error:
            if not _is_special(file.path):
                self._refuse(file.path, os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error))

    def _same(self, fd: int) -> _Library | None:
        """The one that is attached to already, by another way to it."""
        wanted = libraries.identity(fd)
        return next((one for one in self._libraries if libraries.identity(one.fd) == wanted), None)

    def _attach(self, seen: _Library, path: str) -> _Library | None:
        """With a descriptor of its own then; None where there is nothing of TLS. Raises OSError and UnfitError."""
        here = f"/proc/self/fd/{seen.fd}"  # all that follows is about one file, whatever happens to its name
        places = libraries.places(here)
        if not places:
            return None
        if len(self._libraries) >= MOST_FILES:
            raise UnfitError(f"there are {MOST_FILES} already")
        library = replace(seen, fd=os.dup(seen.fd), watch=self._writes.watch(here))
        try:
            self._uprobes.attach(library, here, places)
            if _is_changed(library):
                raise UnfitError("somebody is writing to it")
        except UnfitError:
            self._release([library])
            raise
        self._libraries = [*self._libraries, library]
        if dear := [name for one in places for name in one.dear]:
            self._note(path, f"read, but at a high cost: {', '.join(dear)} cannot be emulated")
        _LOG.info("attached=%s", path)
        return library

    def _refuse(self, path: str, why: str) -> None:
        self._refusals += 1
        self._note(path, why)

    def _note(self, path: str, why: str) -> None:
        if len(self.refused) < _MOST_REFUSALS:
            self.refused[path] = why

    def _let_go(self, now_s: float) -> None:
        """Detach from what nobody maps any more: of our own files after some time, of those in others' mounts, which
        may be in the way of an unmount, when the process has gone by which they were reached.
        """
        names = (name for process in self._processes.values() for name in process.files)
        used = {self._known[name].library for name in names if name in self._known}
        for one in self._libraries:
            one.unused_s = None if one in used else one.unused_s or now_s
        self._leave([one for one in self._libraries if self._holds(one.path) or _is_over(one, now_s)], now_s)

    def _holds(self, path: str) -> bool:
        """Whether a path is in the mounts of a process that has gone."""
        parts = path.split("/", 3)
        return parts[1] == "proc" and int(parts[2]) not in self._processes

    def _leave(self, over: list[_Library], now_s: float) -> None:
        """Detach from these, and look again at who uses them: by another path, or as they are now."""
        if not over:
            return
        self._release(over)
        self._libraries = [one for one in self._libraries if one not in over]
        names = {name for name, known in self._known.items() if known.library in over}
        self._known = {name: known for name, known in self._known.items() if name not in names}
        for process in self._processes.values():
            if not process.files.isdisjoint(names):
                process.look_again(now_s)

    def _release(self, over: list[_Library]) -> None:
        self._uprobes.detach(over)
        for one in over:
            self._writes.forget(one.watch)
            os.close(one.fd)

    def account(self) -> dict[str, float]:
        """Figures for `rubin status`."""
        return {"tls_libraries": len(self._libraries), "tls_libraries_refused": self._refusals + self._failures}

    @property
    def attached(self) -> list[str]:
        """Where libraries are attached to; of what we have not got ourselves, by which process."""
        return [f"{uprobes.OBJECT} at {one.shown}" for one in self._libraries]

    @property
    def looked(self) -> int:
        """How often all processes were gone through."""
        return self._looked

    def stop(self) -> None:
        """See no more; what has to be detached takes its time, in the thread."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._writes.wake()

    def close(self) -> None:
        """Everything is detached."""
        self.stop()
        self._thread.join()
        self._writes.close()


def _is_changed(library: _Library) -> bool:
    """Whether its places are those of what it held before."""
    return libraries.content(library.fd) != library.content


def _is_over(library: _Library, now_s: float) -> bool:
    """Whether nobody will run it any more. While it has a name, somebody may at any time."""
    if library.unused_s is None:
        return False
    if not os.stat(library.fd).st_nlink:
        return True
    if now_s - library.unused_s <= _FORGET_S:
        return False
    with suppress(OSError):
        return libraries.identity(library.path) != libraries.identity(library.fd)
    return True


def _is_special(path: str) -> bool:
    return path.startswith(("/memfd:", "/dev/", "/SYSV", "/anon_hugepage"))
