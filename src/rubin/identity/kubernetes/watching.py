"""One kind of objects kept as the API server has it: listed, then watched, for ever.

kubernetes.io/docs/reference/using-api/api-concepts says how: resource versions, bookmarks, 410, streaming lists.
"""

import http.client
import logging
import threading
import time
from collections.abc import Collection
from typing import Any, Generic, Protocol, TypeVar

from rubin.errors import RubinError
from rubin.identity.kubernetes.cluster import Cluster
from rubin.identity.kubernetes.connection import Connection
from rubin.identity.kubernetes.objects import Event, Item
from rubin.identity.kubernetes.pace import Backoff, Pace
from rubin.identity.kubernetes.resource import Resource
from rubin.identity.kubernetes.trouble import Refusal, words

_LOG = logging.getLogger(__name__)
_PATIENCE_S = 2.0
_LONGEST_RETRY_AFTER_S = 600.0

Kept = TypeVar("Kept", bound=Item)
Taken_contra = TypeVar("Taken_contra", bound=Item, contravariant=True)

# Of the refusals, those after which a watch may go on where it was; after any other everything is read anew.
_PASSING = frozenset({401, 403, 429, 500, 502, 503})
# What a server says to the parameters of a streaming list that does not know them
_UNKNOWN = frozenset({400, 422})
# What can go wrong outside of this program: ValueError and RecursionError are of decoding
_TROUBLE = (RubinError, OSError, http.client.HTTPException, ValueError, RecursionError)


class Sink(Protocol[Taken_contra]):
    """Who is told of the objects, on the watch's thread."""

    def put(self, item: Taken_contra, /) -> None:
        """An object is, or has become, so."""

    def remove(self, item: Item, /) -> None:
        """An object has gone."""

    def keep(self, uids: Collection[str], /) -> None:
        """Of all objects told so far, only these are still there."""

    def __len__(self) -> int: ...


class Watching(Generic[Kept]):
    """A thread that reads a resource into a sink until it is closed."""

    def __init__(
        self,
        resource: Resource[Kept],
        cluster: Cluster,
        sink: Sink[Kept],
        pace: Pace,
        after: "Watching[Any] | None" = None,
    ) -> None:
        """`after`: another whose first answer is worth to be waited for a moment."""
        self._resource, self._cluster, self._sink, self._pace, self._after = resource, cluster, sink, pace, after
        self._connection = Connection(cluster, pace.answer_s)
        self._backoff = Backoff(pace)
        self._stopped, self.tried = threading.Event(), threading.Event()
        self._version, self._begun_at = "", time.monotonic()
        self._streams_lists, self._sends_bookmarks, self._answered = True, False, False
        self._logged = ""
        self.name = resource.name
        self.fault = ""
        """What is wrong now, "" where nothing is."""
        self.complete_at = 0.0
        """When all objects were known, s since the epoch; 0 before."""
        name = f"rubin-kubernetes-{resource.name.replace(' ', '-')}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __len__(self) -> int:
        return len(self._sink)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin to end: whatever it waits for it waits for no more."""
        self._stopped.set()
        self.tried.set()
        self._connection.close()

    def join(self, seconds: float) -> None:
        """Wait for the end."""
        self._thread.join(seconds)

    def _run(self) -> None:
        if self._after is not None:
            self._after.tried.wait(_PATIENCE_S)
        while not self._stopped.is_set():
            try:
                self._round()
            except Exception as error:
                self._connection.drop()
                if not self._stopped.is_set():
                    self._failed(error)
                self._stopped.wait(self._wait_after(error))
        self._connection.drop()

    def _round(self) -> None:
        """Read all objects where they are not known, then follow their changes until the server ends that."""
        self._begun_at = time.monotonic()
        if self._version:
            self._watch(None)
        elif self._streams_lists:
            self._stream()
        else:
            self._list()

    def _stream(self) -> None:
        try:
            self._watch(set())
        except Refusal as refused:
            if refused.code not in _UNKNOWN:
                raise
            self._streams_lists = False
        except TimeoutError:  # older servers pass over what they do not know and never say that all has been told
            self._streams_lists = bool(self._version) or not self._answered
            raise

    def _list(self) -> None:
        seen: set[str] = set()
        query = {**self._resource.selector, "limit": str(self._pace.page)}
        while True:
            metadata, items = self._resource.items(self._connection.read(self._resource.path, query))
            for item in items:
                self._sink.put(item)
                seen.add(item.metadata.uid)
            if not metadata.continue_:
                return self._completed(seen, metadata.resource_version)
            query["continue"] = metadata.continue_

    def _watch(self, seen: set[str] | None) -> None:
        """Follow from the version on, or where `seen` is given, from nothing: then what is there comes first."""
        wait_s = self._pace.answer_s if seen is not None else self._quiet_s
        self._answered = False
        lines = self._connection.lines(self._resource.path, self._query(seen is not None), wait_s)
        self._answered = True
        if seen is None:
            self.fault = ""
        heard = False
        for line in lines:
            event = self._resource.change(line)
            heard = True
            if event is not None and self._take(event, seen):
                seen = None
        if seen is not None:
            self._streams_lists = False
            raise RubinError(f"{self._cluster.place} ends a watch before it has told what there is")
        self._ended(heard)

    def _take(self, event: Event[Kept], seen: set[str] | None) -> bool:
        """Pass an event on; True when with it everything has been told."""
        item = event.object
        if event.type == "BOOKMARK":
            if seen is not None and item.metadata.annotations and item.metadata.annotations.initial_events_end:
                self._completed(seen, item.metadata.resource_version)
                return True
            self._sends_bookmarks = True
            self._connection.wait(self._quiet_s)
        elif event.type == "DELETED":
            self._sink.remove(item)
        elif event.type in ("ADDED", "MODIFIED"):
            self._sink.put(item)
            if seen is not None:
                seen.add(item.metadata.uid)
        if seen is None:
            self._version = item.metadata.resource_version or self._version
            self._log("")
        return False

    def _query(self, from_nothing: bool) -> dict[str, str]:
        asked = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(self._pace.watch_for_s())}
        if from_nothing:
            asked |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        return {**self._resource.selector, **asked, "resourceVersion": self._version}

    @property
    def _quiet_s(self) -> float:
        """How long a watch may be silent: no longer than it runs, where nothing says that there will be bookmarks."""
        return self._pace.quiet_s if self._sends_bookmarks else self._pace.watch_s * 4 / 3 + self._pace.answer_s

    def _completed(self, seen: set[str], version: str) -> None:
        self._sink.keep(seen)
        self._version, self.fault = version, ""
        self.complete_at = self.complete_at or time.time()
        self._connection.wait(self._quiet_s)
        self._log("")
        self.tried.set()

    def _ended(self, heard: bool) -> None:
        """A watch may end at any time, but is not asked for more often than once in a while."""
        stood_s = time.monotonic() - self._begun_at
        if stood_s < self._pace.backoff_s and not heard:
            raise RubinError(f"{self._cluster.place} ends every watch at once")
        self._stopped.wait(self._pace.backoff_s - stood_s)

    def _failed(self, error: Exception) -> None:
        self.fault = words(error, self._cluster.place)
        if not isinstance(error, _TROUBLE):
            _LOG.error("kubernetes: resource=%s", self.name, exc_info=error)
        if isinstance(error, Refusal) and error.code not in _PASSING:
            self._version = ""
        self._log(self.fault)
        self.tried.set()

    def _wait_after(self, error: Exception) -> float:
        refused = error if isinstance(error, Refusal) else None
        at_least_s = min(refused.retry_after_s, _LONGEST_RETRY_AFTER_S) if refused else 0.0
        expired = refused is not None and refused.code == http.client.GONE
        return self._backoff.after_s(time.monotonic() - self._begun_at, at_least_s, free=expired)

    def _log(self, fault: str) -> None:
        if fault != self._logged:
            level = logging.WARNING if fault else logging.INFO
            _LOG.log(level, "kubernetes: resource=%s fault=%s", self.name, fault or "none")
            self._logged = fault
