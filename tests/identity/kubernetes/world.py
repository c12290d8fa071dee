"""What an API server of the tests keeps: objects by kind, one version for all, and what happened since when."""

import json
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

VERSION = "@version@"
"""Stands in a `Stored` body where the resource version goes."""

_POD_FIELDS = ("spec.nodeName", "status.phase", "spec.hostNetwork", "status.podIP", "spec.serviceAccountName")


@dataclass(frozen=True)
class Kind:
    """A kind of objects; `empty` is what a bookmark has beside its metadata."""

    name: str
    plural: str
    version: str = "v1"
    namespaced: bool = True
    fields: tuple[str, ...] = ()
    empty: Mapping[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The API group, "" of the core."""
        return self.version.partition("/")[0] if "/" in self.version else ""


KINDS = {
    kind.plural: kind
    for kind in (
        Kind("Pod", "pods", fields=_POD_FIELDS, empty={"spec": {"containers": None}, "status": {}}),
        Kind("Service", "services", empty={"spec": {}, "status": {"loadBalancer": {}}}),
        Kind("Node", "nodes", namespaced=False, empty={"spec": {}, "status": {}}),
        Kind("Namespace", "namespaces", namespaced=False, empty={"spec": {}, "status": {}}),
        Kind(
            "EndpointSlice",
            "endpointslices",
            "discovery.k8s.io/v1",
            empty={"addressType": "", "endpoints": None, "ports": None},
        ),
    )
}


@dataclass(frozen=True)
class Stored:
    """An object in JSON without its kind; what selectors ask for beside it."""

    namespace: str
    name: str
    version: int
    labels: Mapping[str, str]
    fields: Mapping[str, str]
    body: bytes

    @property
    def key(self) -> str:
        """Where it stands in a list."""
        return f"{self.namespace}/{self.name}"

    def encoded(self, version: int = 0) -> bytes:
        """The body with a resource version, its own where none is given."""
        return self.body.replace(VERSION.encode(), str(version or self.version).encode(), 1)


@dataclass(frozen=True)
class Happened:
    """A change: what was before, what is after."""

    version: int
    kind: str
    before: Stored | None
    after: Stored | None


Selector = Callable[[Stored], bool]


class World:
    """Objects, changed under `changed`, which is notified."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.version = 500
        self._objects: dict[str, dict[str, Stored]] = {plural: {} for plural in KINDS}
        self._history: list[Happened] = []
        self._oldest = self.version
        self._snapshots: dict[tuple[str, int], list[Stored]] = {}

    def put(self, plural: str, made: Mapping[str, Any]) -> int:
        """Create or replace an object; returns the version."""
        return self.put_stored(plural, _stored(plural, made))

    def put_stored(self, plural: str, stored: Stored) -> int:
        """The same with an object that is encoded already."""
        with self.changed:
            self.version += 1
            after = Stored(stored.namespace, stored.name, self.version, stored.labels, stored.fields, stored.body)
            before = self._objects[plural].get(after.key)
            self._objects[plural][after.key] = after
            self._happened(Happened(self.version, plural, before, after))
            return self.version

    def load(self, plural: str, many: Iterable[Stored]) -> None:
        """Objects that have been there since before the history."""
        with self.changed:
            self._objects[plural].update({one.key: one for one in many})

    def delete(self, plural: str, name: str, namespace: str = "") -> None:
        """Remove an object. Raises KeyError."""
        with self.changed:
            self.version += 1
            before = self._objects[plural].pop(f"{namespace}/{name}")
            self._happened(Happened(self.version, plural, before, None))

    def forget(self) -> None:
        """Compact: of what happened up to now nobody can be told, and no list can be continued."""
        with self.changed:
            self._oldest, self._history = self.version, []
            self._snapshots.clear()

    @property
    def oldest(self) -> int:
        """The oldest version from which a watch can go on."""
        return self._oldest

    def get(self, plural: str, namespace: str, name: str) -> Stored | None:
        """An object."""
        return self._objects[plural].get(f"{namespace}/{name}")

    def listed(self, plural: str) -> list[Stored]:
        """All of a kind, in the order of their keys."""
        with self.changed:
            return [stored for _, stored in sorted(self._objects[plural].items())]

    def snapshot(self, plural: str, version: int, keep: bool = False) -> list[Stored] | None:
        """All of a kind as they were at a version that a list began at; None where that has been forgotten."""
        with self.changed:
            if keep and version == self.version:
                self._snapshots[plural, version] = self.listed(plural)
            return self._snapshots.get((plural, version))

    def since(self, version: int) -> list[Happened]:
        """What happened after a version, in order."""
        return self._history[bisect_right(self._history, version, key=lambda one: one.version) :]

    def _happened(self, one: Happened) -> None:
        self._history.append(one)
        self.changed.notify_all()


def _stored(plural: str, made: Mapping[str, Any]) -> Stored:
    metadata = made["metadata"]
    body = {**made, "metadata": {**metadata, "resourceVersion": VERSION}}
    fields = {"metadata.name": metadata["name"], "metadata.namespace": metadata.get("namespace", "")}
    for path in KINDS[plural].fields:
        part, _, key = path.partition(".")
        value = made.get(part, {}).get(key, "")
        fields[path] = str(value).lower() if isinstance(value, bool) else str(value)
    encoded = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Stored(fields["metadata.namespace"], metadata["name"], 0, metadata.get("labels", {}), fields, encoded)
