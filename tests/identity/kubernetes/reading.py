"""How an API server of the tests answers a GET: one object, a page of a list, a watch."""

import base64
import json
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tests.identity.kubernetes import statuses
from tests.identity.kubernetes.selectors import Unselectable, all_of, field_selector, in_namespace, label_selector
from tests.identity.kubernetes.world import KINDS, Happened, Kind, Selector, Stored, World

Answer = bytes | dict[str, Any]
INITIAL_EVENTS_END = {"annotations": {"k8s.io/initial-events-end": "true"}}


class Refused(Exception):
    """With a Status."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(body["message"])
        self.body = body


@dataclass(frozen=True)
class Place:
    """What a path leads to."""

    plural: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def kind(self) -> Kind:
        """The kind of objects there. Raises KeyError where there are none."""
        return KINDS[self.plural]


def place_of(path: str) -> Place:
    """`/api/v1/namespaces/demo/pods/p1` taken apart; an empty place where the API has nothing."""
    parts = path.strip("/").split("/")
    version = "/".join(parts[1:2]) if parts[0] == "api" else "/".join(parts[1:3])
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    plural, name = (*rest, "", "")[:2]
    if len(rest) > 2 or plural not in KINDS or KINDS[plural].version != version:
        return Place()
    return Place(plural, namespace, name)


class Reading:
    """Answers from a world."""

    def __init__(self, world: World, streams_lists: bool | None) -> None:
        self._world, self._streams_lists = world, streams_lists

    def answer(self, place: Place, query: Mapping[str, str]) -> "Answer | Watch":
        """A body, or a watch to be streamed. Raises Refused."""
        if not place.plural:
            raise Refused(statuses.NO_PATH)
        if place.name:
            stored = self._world.get(place.plural, place.namespace, place.name)
            if stored is None:
                raise Refused(statuses.not_found(place.kind, place.name))
            return _typed(place.kind, stored.encoded())
        chosen = _selector(place, query)
        if query.get("watch") in ("true", "1"):
            return self._watch(place, query, chosen)
        return self._list(place, query, chosen)

    def _list(self, place: Place, query: Mapping[str, str], chosen: Selector) -> bytes:
        if "sendInitialEvents" in query and self._streams_lists is not None:
            raise Refused(statuses.invalid("sendInitialEvents", "sendInitialEvents is forbidden for list"))
        limit, token = _number(query, "limit"), query.get("continue", "")
        with self._world.changed:
            version, start = _opened(token) if token else (self._world.version, "")
            start = place.namespace + start
            found = self._world.snapshot(place.plural, version, keep=bool(limit) and not token)
            if found is None and token:
                raise Refused(statuses.continue_expired(token))
            found = found if found is not None else self._world.listed(place.plural)
        at = bisect_left(found, start, key=lambda stored: stored.key)
        page = list(islice(filter(chosen, islice(found, at, None)), limit + 1 if limit else None))
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if limit and len(page) > limit:
            del page[limit:]
            metadata["continue"] = _token(version, page[-1].key[len(place.namespace) :] + "\0")
            if not query.get("fieldSelector") and not query.get("labelSelector"):
                metadata["remainingItemCount"] = sum(map(chosen, islice(found, at, None))) - limit
        head = {"kind": f"{place.kind.name}List", "apiVersion": place.kind.version, "metadata": metadata}
        items = b",".join(stored.encoded() for stored in page)
        return json.dumps(head, separators=(",", ":")).encode()[:-1] + b',"items":[' + items + b"]}\n"

    def _watch(self, place: Place, query: Mapping[str, str], chosen: Selector) -> "Watch":
        initial = query.get("sendInitialEvents") == "true"
        self._check(query)
        version = _number(query, "resourceVersion")
        timeout_s = _number(query, "timeoutSeconds") or 1800
        if version > self._world.version:
            raise Refused(statuses.too_large(version, self._world.version))
        bookmarks = query.get("allowWatchBookmarks") == "true"
        marks_end = initial and bookmarks and self._streams_lists is not None
        return Watch(self._world, place.kind, chosen, 0 if initial else version, timeout_s, bookmarks, marks_end)

    def _check(self, query: Mapping[str, str]) -> None:
        if self._streams_lists is None:
            return
        match = query.get("resourceVersionMatch")
        if "sendInitialEvents" not in query:
            if match:
                raise Refused(statuses.invalid("resourceVersionMatch", "resourceVersionMatch is forbidden for watch"))
        elif not self._streams_lists:
            said = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
            raise Refused(statuses.invalid("sendInitialEvents", said))
        elif match != "NotOlderThan":
            said = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            raise Refused(statuses.invalid("resourceVersionMatch", said))


@dataclass
class Watch:
    """A stream of changes; from version 0 on, what is there comes first."""

    world: World
    kind: Kind
    chosen: Selector
    version: int
    timeout_s: float
    bookmarks: bool
    marks_end: bool

    def lines(self, bookmark_s: float, stopping: threading.Event) -> Iterator[bytes]:
        """The lines until the time is over."""
        end = time.monotonic() + self.timeout_s
        bookmark_at = time.monotonic() + bookmark_s
        if self.version == 0:
            yield from self._initial()
        while not stopping.is_set() and (now := time.monotonic()) < end:
            with self.world.changed:
                refused = statuses.too_old(self.version, self.world.oldest)
                expired = self.version < self.world.oldest
                happened = self.world.since(self.version)
                if not happened and now < bookmark_at and not expired:
                    self.world.changed.wait(min(end, bookmark_at) - now)
                    continue
                self.version = self.world.version
            if expired:
                yield _line("ERROR", json.dumps(refused).encode())
                return
            yield from filter(None, map(self._told, happened))
            if self.bookmarks and now >= bookmark_at:
                yield self._bookmark()
                bookmark_at = now + bookmark_s

    def _initial(self) -> Iterator[bytes]:
        with self.world.changed:
            self.version, found = self.world.version, self.world.listed(self.kind.plural)
        for stored in filter(self.chosen, found):
            yield _line("ADDED", _typed(self.kind, stored.encoded()))
        if self.marks_end:
            yield self._bookmark(INITIAL_EVENTS_END)

    def _told(self, one: Happened) -> bytes | None:
        """What the change is to who sees only what is chosen."""
        if one.kind != self.kind.plural:
            return None
        before = one.before if one.before and self.chosen(one.before) else None
        after = one.after if one.after and self.chosen(one.after) else None
        if after is not None:
            return _line("MODIFIED" if before else "ADDED", self._as(after, one.version))
        return None if before is None else _line("DELETED", self._as(before, one.version))

    def _as(self, stored: Stored, version: int) -> bytes:
        return _typed(self.kind, stored.encoded(version))

    def _bookmark(self, more: Mapping[str, Any] | None = None) -> bytes:
        metadata = {"resourceVersion": str(self.version), **(more or {})}
        body = {"kind": self.kind.name, "apiVersion": self.kind.version, "metadata": metadata, **self.kind.empty}
        return _line("BOOKMARK", json.dumps(body, separators=(",", ":")).encode())


def _selector(place: Place, query: Mapping[str, str]) -> Selector:
    fields, labels = query.get("fieldSelector", ""), query.get("labelSelector", "")
    try:
        return all_of(in_namespace(place.namespace), field_selector(fields, place.kind), label_selector(labels))
    except Unselectable as error:
        where = f'Unable to find "/{place.kind.version}, Resource={place.plural}" that match label selector'
        raise Refused(statuses.bad_request(f'{where} "{labels}", field selector "{fields}": {error}')) from error


def _number(query: Mapping[str, str], key: str) -> int:
    text = query.get(key) or "0"
    if not text.isdigit():
        raise Refused(statuses.bad_request(f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": {key}'))
    return int(text)


def _token(version: int, start: str) -> str:
    made = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(made.encode()).decode().rstrip("=")


def _opened(token: str) -> tuple[int, str]:
    try:
        held = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return held["rv"], held["start"]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(statuses.bad_request(f"continue key is not valid: {error}")) from error


def _typed(kind: Kind, body: bytes) -> bytes:
    return b'{"kind":"%b","apiVersion":"%b",%b' % (kind.name.encode(), kind.version.encode(), body[1:])


def _line(kind: str, body: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), body)
