"""Who owns the local socket of a flow: by its cgroup, its network namespace, or the process itself."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rubin.identity import cgroup_paths
from rubin.identity.claims import Claim, Claims
from rubin.identity.endpoints import Endpoints
from rubin.identity.facts import HOST, Cgroup, ContainerCgroup, NetworkNamespace, PodCgroup, Where, reserved
from rubin.model.enums import Identity
from rubin.model.lookup import Lookup
from rubin.model.tables import Container, Endpoint, Process, Tables, Workload

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_UNMANAGED = reserved(Identity.UNMANAGED)


@dataclass(frozen=True, slots=True)
class Scope:
    """What processes have in common that decides who they are. `command` only where nothing better names them."""

    cgroup: str = ""
    netns: int = 0
    command: str = ""


class Namespaces:
    """Inodes of network namespaces: this process's own, and those with a name under /run/netns."""

    def __init__(self, named: Path = Path("/run/netns"), own: Path = Path("/proc/self/ns/net")) -> None:
        self._named, self.own = named, _inode(own)

    def of_name(self, name: str | int) -> int:
        """The inode of a name, 0 where there is none now; an inode is its own."""
        return name if isinstance(name, int) else _inode(self._named / name)


def _inode(path: Path) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


class Scopes:
    """Endpoint numbers of processes. What changes is asked for again, the rest is kept."""

    def __init__(self, claims: Claims, endpoints: Endpoints, namespaces: Namespaces) -> None:
        self._claims, self._endpoints, self._namespaces = claims, endpoints, namespaces
        self._inodes: dict[NetworkNamespace, int] = {}
        self.clear()

    def clear(self) -> None:
        """Forget all scopes: processes are looked at again."""
        self._scopes: list[Scope] = [Scope()]
        self._numbers: dict[Scope, int] = {Scope(): 0}
        self._at: dict[Where, set[int]] = {}
        self._ends: I64 = np.zeros(256, np.int64)
        self._told_of: Mask = np.zeros(256, np.bool_)
        self._stale: set[int] = set()
        self._of_process: Lookup[Process] = Lookup("processes", self._scope)

    def ends(self, tables: Tables, processes: npt.NDArray[np.uint32]) -> tuple[I64, Mask]:
        """(n,) int64: the endpoint number of each process of the batch's table, 0 where nothing is known; (n,) bool:
        whether a provider tells of it. What a path or a command says by itself gives way to whoever has the address.
        """
        scopes = self._of_process(tables)[processes]
        if self._stale:
            for number in self._stale:
                self._ends[number], self._told_of[number] = self._decided(self._scopes[number])
            self._stale.clear()
        return self._ends[scopes], self._told_of[scopes]

    def note(self, places: Iterable[Where]) -> None:
        """The claims at these places have changed."""
        for place in places:
            if isinstance(place, NetworkNamespace):
                if self._claims.now(place) is None:
                    self._inodes.pop(place, None)
                else:
                    self._inodes[place] = self._namespaces.of_name(place.name)
                self._stale.update(number for number, scope in enumerate(self._scopes) if scope.netns)
            self._stale.update(self._at.get(place, ()))

    def follow(self) -> None:
        """Look whether named network namespaces have come, gone, or been made anew."""
        moved = [place for place, inode in self._inodes.items() if self._namespaces.of_name(place.name) != inode]
        if moved:
            self.note(moved)

    def _scope(self, process: Process) -> int:
        """The scope's number; 0 where the process is not known at all."""
        unit = cgroup_paths.unit(process.cgroup)
        owned = cgroup_paths.owners(process.cgroup) or (unit and not cgroup_paths.is_session(unit))
        scope = Scope(process.cgroup, process.netns, "" if owned else process.command)
        number = self._numbers.get(scope)
        if number is None:
            number = self._numbers[scope] = len(self._scopes)
            self._scopes.append(scope)
            if number >= len(self._ends):
                self._ends = np.concatenate([self._ends, np.zeros(len(self._ends), np.int64)])
                self._told_of = np.concatenate([self._told_of, np.zeros(len(self._told_of), np.bool_)])
            for place in _places(scope):
                self._at.setdefault(place, set()).add(number)
            self._stale.add(number)
        return number

    def _decided(self, scope: Scope) -> tuple[int, bool]:
        claim = self._claim(scope)
        if claim is not None:
            return claim.number, True
        endpoint, told = self._by_itself(scope)
        return self._endpoints.number(endpoint, True, provisional=not told) if endpoint else 0, False

    def _claim(self, scope: Scope) -> Claim | None:
        """Of the highest rank; among equals the nearest cgroup, then the outermost container, then the namespace."""
        named = [place for place, inode in self._inodes.items() if inode and inode == scope.netns]
        claims = [self._told(place) for place in (*_places(scope), *named)]
        return max((claim for claim in claims if claim is not None), key=lambda claim: claim.rank, default=None)

    def _told(self, place: Where) -> Claim | None:
        """A container's cgroup is only ever its own, so that what comes late has its name, too."""
        once = isinstance(place, ContainerCgroup | PodCgroup)
        return self._claims.last(place) if once else self._claims.now(place)

    def _by_itself(self, scope: Scope) -> tuple[Endpoint | None, bool]:
        """What the scope says without anybody's help, and whether that is all there is to say."""
        for place in cgroup_paths.owners(scope.cgroup):
            if isinstance(place, ContainerCgroup):
                short = place.id[:12]
                labels = tuple(sorted((f"container:id={short}", *_UNMANAGED.labels)))
                container = Container(id=place.id)
                return Endpoint(identity=_UNMANAGED.identity, labels=labels, container=container), False
        unit = cgroup_paths.unit(scope.cgroup)
        name, here = scope.command or unit, scope.netns in (0, self._namespaces.own)
        if not name or not (here or unit):
            return None, True  # in a network namespace of its own it is whoever has its address
        home = HOST if here else _UNMANAGED
        words = [f"unit:{unit}"] if unit else []
        words += [f"process:{scope.command}"] if scope.command else []
        return (
            Endpoint(
                identity=home.identity,
                namespace="host",
                labels=tuple(sorted((*words, *home.labels))),
                pod_name=name,
                workloads=(Workload(name, "Process" if scope.command else "Unit"),),
                unit=unit,
            ),
            True,
        )


def _places(scope: Scope) -> list[Where]:
    """Where a claim would name the scope, the nearest first."""
    path, found = scope.cgroup, list[Where]()
    while path:
        found.append(Cgroup(path))
        path = path.rpartition("/")[0]
    return [*found, *cgroup_paths.owners(scope.cgroup)]
