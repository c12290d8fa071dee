"""Nodes and the API server's addresses to facts."""

import threading
from collections.abc import Callable, Collection

from rubin.identity.facts import Address, Fact, reserved
from rubin.identity.kubernetes.objects import EndpointSlice, Item, Node
from rubin.identity.kubernetes.pods import address_text
from rubin.identity.told import Told
from rubin.model.enums import Identity
from rubin.model.tables import Endpoint

_BELOW_LOCAL = -1  # this machine is a node too, and its own addresses are the host
_ADDRESSES = ("InternalIP", "ExternalIP")
_NODE = reserved(Identity.REMOTE_NODE)
_API_ON_NODE = reserved(Identity.KUBE_APISERVER, Identity.REMOTE_NODE)
_API_OUTSIDE = reserved(Identity.KUBE_APISERVER, Identity.WORLD)


class Nodes:
    """All nodes, and which addresses are the API server's."""

    def __init__(self, told: Told, own_name: str) -> None:
        self._told, self._own_name = told, own_name
        self._lock = threading.Lock()
        self._uids: dict[str, str] = {}
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._api: frozenset[str] = frozenset()
        self._facts: dict[str, tuple[Fact, ...]] = {}
        self._complete = False
        self.addresses: tuple[str, ...] = ()
        """Of all nodes, sorted."""
        self.own_labels: tuple[str, ...] = ()
        """This node's, as `key=value`, sorted."""
        self.changed: Callable[[], None] = lambda: None
        """Is called when `addresses` has changed."""

    def put(self, node: Node) -> None:
        """A node is, or has become, so."""
        name, addresses = node.metadata.name, _addresses(node)
        if name == self._own_name:
            labels = node.metadata.labels or {}
            self.own_labels = tuple(sorted(f"{key}={value}" for key, value in labels.items()))
        with self._lock:
            self._uids[name] = node.metadata.uid
            if self._addresses.get(name) == addresses:  # the kubelet's word that it lives
                return
            self._addresses[name] = addresses
            self._tell(f"node/{name}", self._of_node(addresses))
        if self._complete:
            self._settle()

    def remove(self, node: Item) -> None:
        """A node has gone."""
        self._forget([name for name, uid in self._uids.items() if uid == node.metadata.uid])

    def keep(self, uids: Collection[str]) -> None:
        """Only these are still there."""
        self._complete = True
        self._forget([name for name, uid in self._uids.items() if uid not in uids])

    def api_at(self, addresses: frozenset[str]) -> None:
        """The API server answers at these addresses now."""
        with self._lock:
            self._api = addresses
            for name, held in self._addresses.items():
                self._tell(f"node/{name}", self._of_node(held))
        self._settle()

    def has(self, name: str) -> bool:
        """Whether a node has this name."""
        return name in self._uids

    def _forget(self, names: list[str]) -> None:
        with self._lock:
            for name in names:
                del self._uids[name], self._addresses[name]
                self._tell(f"node/{name}", ())
        self._settle()

    def _settle(self) -> None:
        """What depends on the addresses of all nodes."""
        with self._lock:
            addresses = tuple(sorted({one for held in self._addresses.values() for one in held}))
            moved, self.addresses = addresses != self.addresses, addresses
            outside = sorted(self._api.difference(addresses))
            self._tell("kube-apiserver", tuple(_fact(one, _API_OUTSIDE) for one in outside))
        if moved:
            self.changed()

    def _of_node(self, addresses: tuple[str, ...]) -> tuple[Fact, ...]:
        return tuple(_fact(one, _API_ON_NODE if one in self._api else _NODE) for one in addresses)

    def _tell(self, key: str, facts: tuple[Fact, ...]) -> None:
        if self._facts.get(key, ()) != facts:
            self._told.tell(key, facts)
        self._facts[key] = facts
        if not facts:
            del self._facts[key]

    def __len__(self) -> int:
        return len(self._uids)


class ApiServers:
    """The endpoint slices of the service default/kubernetes."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._held: dict[str, frozenset[str]] = {}

    def put(self, found: EndpointSlice) -> None:
        """A slice is, or has become, so."""
        texts = (address_text(one) for backend in found.endpoints or () for one in backend.addresses or ())
        self._held[found.metadata.uid] = frozenset(filter(None, texts))
        self._tell()

    def remove(self, found: Item) -> None:
        """A slice has gone."""
        self._held.pop(found.metadata.uid, None)
        self._tell()

    def keep(self, uids: Collection[str]) -> None:
        """Only these are still there."""
        self._held = {uid: held for uid, held in self._held.items() if uid in uids}
        self._tell()

    def _tell(self) -> None:
        self._nodes.api_at(frozenset().union(*self._held.values()))

    def __len__(self) -> int:
        return len(self._held)


def _fact(address: str, who: Endpoint) -> Fact:
    return Fact(Address(address), who, _BELOW_LOCAL, local=False)


def _addresses(node: Node) -> tuple[str, ...]:
    texts = (address_text(one.address) for one in node.status.addresses or () if one.type in _ADDRESSES)
    return tuple(dict.fromkeys(filter(None, texts)))
