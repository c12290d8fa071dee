"""Follows TLS libraries as processes map them, so that what is said over TLS is read in clear."""

import logging
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from rubin.kernel import libraries, uprobes
from rubin.kernel.elf import UnfitError
from rubin.kernel.libraries import Identity, Mapped
from rubin.kernel.objects import Objects
from rubin.kernel.uprobes import Uprobes

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


class Clear:
    """A thread of its own attaches to libraries that appear and lets go of those that have gone."""

    def __init__(self, objects: Objects) -> None:
        """Nothing is attached yet: the thread does that at once."""
        self._uprobes = Uprobes(objects)
        self._processes: dict[int, _Process] = {}
        self._known: dict[_File, Identity | None] = {}  # None: no library, or one that cannot be attached to
        self._paths: dict[Identity, str] = {}  # of those that are attached
        self._shown: dict[Identity, str] = {}
        self._unused_s: dict[Identity, float] = {}
        self.refused: dict[str, str] = {}
        self._refusals = self._failures = 0
        self._stopping = threading.Event()
        self._looked = 0
        self._thread = threading.Thread(target=self._run, name="rubin-clear", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self.look(time.monotonic())
                except Exception:
                    if not self._failures:
                        _LOG.exception("what=following of TLS libraries")
                    self._failures += 1
                self._stopping.wait(_EVERY_S)
        finally:
            self._uprobes.close()
            self._paths, self._shown = {}, {}

    def look(self, now_s: float) -> None:
        """Look at the processes that are due. Called by the thread."""
        alive = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        for pid in self._processes.keys() - alive:
            del self._processes[pid]
        found: dict[_File, tuple[int, Mapped]] = {}
        for pid in sorted(alive):
            process = self._processes.setdefault(pid, _Process(now_s))
            if process.due_s <= now_s and not self._stopping.is_set():
                process.due_s, process.pause_s = now_s + process.pause_s, min(2 * process.pause_s, _LAST_LOOK_S)
                self._look_at(pid, process, found)
        # all at once: the first attachment after a while waits for the kernel, the next ones do not
        for name, (pid, file) in found.items():
            if not self._stopping.is_set():
                self._know(name, self._attach(pid, file))
        self._let_go(now_s)
        self._looked += 1

    def _look_at(self, pid: int, process: _Process, found: dict[_File, tuple[int, Mapped]]) -> None:
        """Note which libraries a process maps; those that are new are `found`."""
        process.files.clear()
        for file in libraries.mapped(pid):
            name = (file.device, file.inode, file.path)
            if self._known.get(name, name) is not None:
                process.files.add(name)
            if name not in self._known:
                found.setdefault(name, (pid, file))

    def _know(self, name: _File, key: Identity | None) -> None:
        if len(self._known) >= _MOST_KNOWN:
            self._known = {one: which for one, which in self._known.items() if which is not None}
        self._known[name] = key

    def _attach(self, pid: int, file: Mapped) -> Identity | None:
        """Attach to a file that was not seen before, if it is a library; its identity then."""
        try:
            path = libraries.reachable(pid, file)
            key = libraries.identity(path)
            if key in self._paths:
                return key
            places = libraries.places(path)
            if not places:
                return None
            if len(self._uprobes) >= MOST_FILES:
                raise UnfitError(f"there are {MOST_FILES} already")
            self._uprobes.attach(key, path, places)
        except UnfitError as error:
            self._refuse(file.path, str(error))
            return None
        except (FileNotFoundError, ProcessLookupError):
            return None  # it has gone in between
        except (OSError, ValueError) as error:
            if not _is_special(file.path):
                self._refuse(file.path, os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error))
            return None
        self._shown[key] = file.path if path == file.path else f"{file.path} of process {pid}"
        self._paths[key] = path
        if dear := [name for one in places for name in one.dear]:
            self._note(file.path, f"read, but at a high cost: {', '.join(dear)} cannot be emulated")
        _LOG.info("attached=%s", file.path)
        return key

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
        used = {self._known.get(name) for process in self._processes.values() for name in process.files}
        over = set()
        for key, path in self._paths.items():
            if key in used:
                self._unused_s.pop(key, None)
            since_s = now_s if key in used else self._unused_s.setdefault(key, now_s)
            if self._holds(path) or (now_s - since_s > _FORGET_S and self._is_gone(key)):
                over.add(key)
        if not over:
            return
        for key in over:
            del self._paths[key], self._shown[key]
            self._unused_s.pop(key, None)
        self._known = {name: key for name, key in self._known.items() if key not in over}
        for process in self._processes.values():
            if not process.files <= self._known.keys():  # it uses it, too: by its path then
                process.due_s = now_s
        self._uprobes.detach(list(over))

    def _holds(self, path: str) -> bool:
        """Whether a path is in the mounts of a process that has gone."""
        parts = path.split("/", 3)
        return parts[1] == "proc" and int(parts[2]) not in self._processes

    def _is_gone(self, key: Identity) -> bool:
        """Whether a file of ours is not there any more; while it is, somebody may run it at any time."""
        with suppress(OSError):
            return libraries.identity(self._paths[key]) != key
        return True

    def account(self) -> dict[str, float]:
        """Figures for `rubin status`."""
        return {"tls_libraries": len(self._paths), "tls_libraries_refused": self._refusals + self._failures}

    @property
    def attached(self) -> list[str]:
        """Where libraries are attached to; of what we have not got ourselves, by which process."""
        return [f"{uprobes.OBJECT} at {shown}" for shown in list(self._shown.values())]

    @property
    def looked(self) -> int:
        """How often all processes were gone through."""
        return self._looked

    def stop(self) -> None:
        """See no more; what has to be detached takes its time, in the thread."""
        self._stopping.set()

    def close(self) -> None:
        """Everything is detached."""
        self.stop()
        self._thread.join()


def _is_special(path: str) -> bool:
    return path.startswith(("/memfd:", "/dev/", "/SYSV", "/anon_hugepage"))
