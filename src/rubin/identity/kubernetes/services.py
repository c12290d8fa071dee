"""Services to facts: by which addresses and ports they are called."""

import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from rubin.identity.facts import WORLD, Address, Fact, ServicePort
from rubin.identity.kubernetes.objects import Item, Service
from rubin.identity.kubernetes.pods import address_text
from rubin.identity.told import Told
from rubin.model import tables

_PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}


class Services:
    """All services; `nodes` gives the addresses at which node ports are open."""

    def __init__(self, told: Told, nodes: Callable[[], tuple[str, ...]]) -> None:
        self._told, self._nodes = told, nodes
        self._lock = threading.Lock()
        self._held: dict[str, Service] = {}
        self._facts: dict[str, tuple[Fact, ...]] = {}

    def put(self, service: Service) -> None:
        """A service is, or has become, so."""
        with self._lock:
            self._held[service.metadata.uid] = service
            self._tell(service)

    def remove(self, service: Item) -> None:
        """A service has gone."""
        self._forget(service.metadata.uid)

    def keep(self, uids: Collection[str]) -> None:
        """Only these are still there."""
        for uid in [uid for uid in self._held if uid not in uids]:
            self._forget(uid)

    def nodes_changed(self) -> None:
        """Node ports are open at other addresses now."""
        with self._lock:
            for service in self._held.values():
                if any(port.node_port for port in service.spec.ports or ()):
                    self._tell(service)

    def _tell(self, service: Service) -> None:
        uid, facts = service.metadata.uid, tuple(dict.fromkeys(_facts(service, self._nodes())))
        if self._facts.get(uid, ()) != facts:
            self._facts[uid] = facts
            self._told.tell(f"service/{uid}", facts)

    def _forget(self, uid: str) -> None:
        with self._lock:
            self._held.pop(uid, None)
            if self._facts.pop(uid, ()):
                self._told.tell(f"service/{uid}", ())

    def __len__(self) -> int:
        return len(self._held)


def _facts(service: Service, nodes: tuple[str, ...]) -> Iterator[Fact]:
    # Hubble too knows a service's address as the world's, with the service beside it
    who = replace(WORLD, service=tables.Service(service.metadata.name, service.metadata.namespace))
    for address in _own(service):
        yield Fact(Address(address), who, local=False)
    for port in service.spec.ports or ():
        protocol = _PROTOCOLS.get(port.protocol or "TCP", 0)
        if protocol and port.port:
            for address in _outside(service):
                yield Fact(ServicePort(address, port.port, protocol), who, local=False)
        if protocol and port.node_port:
            for address in nodes:
                yield Fact(ServicePort(address, port.node_port, protocol), who, local=False)


def _own(service: Service) -> Iterator[str]:
    """The addresses that are the service's alone; a headless one has "None"."""
    return filter(None, map(address_text, service.spec.cluster_ips or (service.spec.cluster_ip,)))


def _outside(service: Service) -> Iterator[str]:
    """Addresses that may be others' too."""
    balancer = service.status.load_balancer
    given = (one.ip for one in (balancer and balancer.ingress) or ())
    return filter(None, map(address_text, (*(service.spec.external_ips or ()), *given)))
