"""What providers tell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rubin.model.enums import Identity
from rubin.model.tables import Endpoint


@dataclass(frozen=True, slots=True)
class Address:
    """Who has an address, written as text."""

    address: str


@dataclass(frozen=True, slots=True)
class Network:
    """Who is behind the addresses of a CIDR that nobody has told of one by one."""

    cidr: str


@dataclass(frozen=True, slots=True)
class Interface:
    """Who is behind a host-side interface, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Cgroup:
    """Whose sockets are in a cgroup, by its path, and in all below it."""

    path: str


@dataclass(frozen=True, slots=True)
class NetworkNamespace:
    """Whose sockets are in a network namespace: its name under /run/netns, or its inode."""

    name: str | int


Where = Address | Network | Interface | Cgroup | NetworkNamespace


@dataclass(frozen=True, slots=True)
class Fact:
    """Who is there. The table fills `id`, and `identity` where it is 0."""

    where: Where
    who: Endpoint
    rank: int | None = None
    """None: the provider's."""


class Provider(Protocol):
    """A source of facts. Of two that speak of the same place, the higher rank is believed."""

    name: str
    rank: int

    def refresh(self) -> bool:
        """Look whether facts have changed; True where they have. Called about once a second."""

    def facts(self) -> Iterable[Fact]:
        """All that is known now."""

    def status(self) -> str:
        """One line for `rubin status`: what is known, or what is wrong."""


def reserved(identity: Identity, *more: Identity) -> Endpoint:
    """The endpoint of a reserved identity, with the labels of further ones where given."""
    return Endpoint(identity=int(identity), labels=tuple(sorted(f"reserved:{one.text}" for one in (identity, *more))))


HOST = reserved(Identity.HOST)
WORLD = reserved(Identity.WORLD)
"""Always `reserved:world`: Hubble says `world-ipv4` and `world-ipv6` in dual-stack clusters only, and a
question about the world should not depend on what addresses a machine happens to have."""


def label_texts(labels: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Kubernetes labels as Hubble writes them, sorted: `k8s:app=shop`."""
    return tuple(sorted(f"k8s:{key}={value}" for key, value in labels))
