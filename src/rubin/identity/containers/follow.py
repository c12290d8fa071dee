"""Following runtimes: a thread a socket, which reads what is there, waits for news, and tries again for ever."""

import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from rubin.identity.containers.trouble import Trouble, in_words
from rubin.identity.facts import Changes, Fact
from rubin.identity.told import Told

_LOG = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_ABSENT_S = 10.0  # how often one looks whether a socket has come
_GLANCE_S = 1.0  # how often, after trouble, whether it is another one
_STEADY_S = 10.0  # what was followed for so long is no broken one
_BURST_S = 0.1
_SECOND_LOOK_S = 1.0
_RELIST_S = 300.0


class Events(Protocol):
    """News of a runtime."""

    def wait(self, timeout_s: float) -> bool:
        """Whether something came within a time. Raises OSError or Trouble where no more can come."""


class Held(Protocol):
    """A connection."""

    def hang_up(self) -> None:
        """End what is waited for; called on any thread."""

    def close(self) -> None:
        """Give it back; called on the thread that uses it."""


Connected = TypeVar("Connected", bound=Held)


def looks(events: Events) -> Generator[None, None, None]:
    """When to look at all there is: at once, shortly after the first of some events, and once more a second after the
    last, because what is told before it can be read is seen then; else every five minutes, in case one was lost.
    """
    timeout_s = _SECOND_LOOK_S  # the events may have been asked for, but not be on, when the first look is over
    while True:
        yield
        came = events.wait(timeout_s)
        end = time.monotonic() + _BURST_S
        while came and (left_s := end - time.monotonic()) > 0:
            events.wait(left_s)
        timeout_s = _SECOND_LOOK_S if came else _RELIST_S


class Follower:
    """One socket, and what is known through it. `follow` asks there until it raises."""

    def __init__(self, thread: str, path: str, follow: Callable[["Follower"], None]) -> None:
        self.path, self._follow = path, follow
        self._told, self._last = Told(), dict[str, Sequence[Fact]]()
        self._containers, self._state, self._since = 0, "", ""
        self._stop, self._lock, self._held = threading.Event(), threading.Lock(), set[Held]()
        self._pause_s = _FIRST_PAUSE_S
        self._thread = threading.Thread(target=self._run, name=thread, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def changes(self) -> Changes:
        """What has changed since the last call."""
        return self._told.take()

    def status(self) -> str:
        """One line, "" where no socket is there and none has been."""
        if not self._state:
            return ""
        known = f"{self._containers} container{'s' * (self._containers != 1)}"
        if self._since:
            return f"{self._state} at {self.path}: {known} since {self._since}"
        return f"{self.path} {self._state}" + (f"; {known} from before" if self._containers else "")

    def stop(self) -> None:
        """End soon."""
        self._stop.set()
        with self._lock:
            for one in self._held:
                one.hang_up()

    def join(self) -> None:
        """Wait for the end, which a runtime that takes no connection may delay."""
        self._thread.join(timeout=10.0)

    @contextmanager
    def holding(self, one: Connected) -> Iterator[Connected]:
        """A connection that is hung up at the end, and closed after."""
        with self._lock:
            self._held.add(one)
        try:
            if self._stop.is_set():
                raise Trouble("is not asked any more")
            yield one
        finally:
            with self._lock:
                self._held.discard(one)
            one.close()

    def sleep(self, timeout_s: float) -> bool:
        """False after the time: for a runtime that tells no events. Raises Trouble at the end."""
        if self._stop.wait(timeout_s):
            raise Trouble("is not asked any more")
        return False

    def tell(self, runtime: str, everything: Mapping[str, Sequence[Fact]], containers: int) -> None:
        """These are all facts there are now; `runtime` is its name and version."""
        for key in self._last.keys() - everything.keys():
            self._told.tell(key, ())
        for key, facts in everything.items():
            if self._last.get(key) != facts:
                self._told.tell(key, facts)
        self._last, self._containers = dict(everything), containers
        self._since = self._since or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._say(runtime)

    def _run(self) -> None:
        while not self._stop.is_set():
            before = _mark(self.path)
            if before is None:
                self._lost("is not there" if self._state else "")
            else:
                self._once()
            self._rest(before)

    def _once(self) -> None:
        begin = time.monotonic()
        try:
            self._follow(self)
        except (OSError, Trouble) as error:
            self._lost(in_words(error))
        except Exception as error:  # a fault of ours ends this attempt, and not all names for ever
            _LOG.exception("containers: socket=%s fault=ours", self.path)
            self._lost(f"cannot be followed: {error!r}")
        if time.monotonic() - begin > _STEADY_S:
            self._pause_s = _FIRST_PAUSE_S

    def _lost(self, words: str) -> None:
        self._since = ""
        if not self._stop.is_set():
            self._say(words)

    def _say(self, state: str) -> None:
        if state != self._state:
            self._state = state
            level = logging.INFO if self._since else logging.WARNING
            _LOG.log(level, "containers: socket=%s state=%s", self.path, state)

    def _rest(self, before: tuple[int, int] | None) -> None:
        """Until it is time to try again, or the socket is another one."""
        longest = _ABSENT_S if before is None else _LONGEST_PAUSE_S
        end = time.monotonic() + min(self._pause_s, longest)
        self._pause_s = min(2 * self._pause_s, longest)
        while (left_s := end - time.monotonic()) > 0 and not self._stop.wait(left_s if before is None else _GLANCE_S):
            if before is not None and _mark(self.path) != before:
                self._pause_s = _FIRST_PAUSE_S
                return


def _mark(path: str) -> tuple[int, int] | None:
    """What tells a socket from one made anew; None where there is none."""
    try:
        found = os.stat(path)
    except PermissionError:
        return (0, 0)  # a folder above it is shut; connecting says so
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns) if stat.S_ISSOCK(found.st_mode) else None


class Sockets:
    """What followers of some sockets know together: the body of a provider."""

    def __init__(self, thread: str, paths: Sequence[str], follow: Callable[[Follower], None]) -> None:
        self._followers = tuple(Follower(thread, path, follow) for path in paths)
        for follower in self._followers:
            follower.start()

    def changes(self) -> Changes:
        """What has changed since the last call."""
        changed: dict[str, Sequence[Fact]] = {}
        for follower in self._followers:
            changed.update(follower.changes())
        return changed

    def status(self) -> str:
        """Which runtimes, at which sockets, with how many containers since when, and what is wrong."""
        lines = [line for follower in self._followers if (line := follower.status())]
        return "; ".join(lines) or "no container runtime's socket is there"

    def close(self) -> None:
        """End the threads."""
        for follower in self._followers:
            follower.stop()
        for follower in self._followers:
            follower.join()
