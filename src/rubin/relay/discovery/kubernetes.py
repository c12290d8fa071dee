"""Nodes that are the ready endpoints of a Kubernetes service."""

import asyncio
import re
from collections.abc import Callable, Collection

import msgspec
from msgspec.json import Decoder

from rubin.errors import RubinError, UsageError
from rubin.identity.kubernetes.objects import Event, Item, Page
from rubin.identity.kubernetes.pace import Pace
from rubin.identity.kubernetes.pods import address_text
from rubin.identity.kubernetes.provider import cluster
from rubin.identity.kubernetes.resource import Resource
from rubin.identity.kubernetes.settings import KubernetesSettings
from rubin.identity.kubernetes.watching import Watching
from rubin.relay.discovery.naming import Defaults, joined, with_options
from rubin.relay.discovery.source import Source, Tell
from rubin.relay.pool import Found

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_SERVICE = re.compile(rf"(?P<namespace>{_LABEL})/(?P<name>{_LABEL})(:(?P<port>{_LABEL}))?")
_FAMILIES = ("IPv4", "IPv6")
_LOOK_S = 0.25
_END_S = 2.0


class _Lean(msgspec.Struct, rename="camel", gc=False):
    """Fields are named as in the API; a list that is not there may also be null."""


class Conditions(_Lean):
    """An endpoint's conditions; what is not said is true."""

    ready: bool | None = None


class Target(_Lean):
    """What stands behind an endpoint: a pod."""

    uid: str = ""


class Endpoint(_Lean):
    """An endpoint; its addresses are the same place, the first is enough."""

    addresses: list[str] | None = None
    conditions: Conditions | None = None
    node_name: str | None = None
    target_ref: Target | None = None


class Port(_Lean):
    """A port on which endpoints listen."""

    name: str | None = None
    port: int | None = None
    protocol: str | None = None


class Slice(Item, kw_only=True):
    """Endpoints of a service, of one family of addresses, which every slice has: so an error in a watch is none."""

    address_type: str
    endpoints: list[Endpoint] | None = None
    ports: list[Port] | None = None


class Endpoints(Source):
    """`NAMESPACE/NAME` or `NAMESPACE/NAME:PORT`, the port by its name, or the number on which the nodes listen.

    Raises UsageError for what is no service, RubinError where nothing leads to an API server.
    """

    def __init__(self, text: str, defaults: Defaults, settings: KubernetesSettings, pace: Pace | None = None) -> None:
        super().__init__(f"kubernetes service {text}")
        place, self._options = with_options(text)
        named = _SERVICE.fullmatch(place)
        if named is None:
            raise UsageError(f"'{text}' is no service in Kubernetes", "NAMESPACE/NAME or NAMESPACE/NAME:PORT")
        self._service, self._wanted = f"{named['namespace']}/{named['name']}", named["port"] or ""
        if self._wanted.isdigit() and not 0 < int(self._wanted) < 65_536:
            raise UsageError(f"'{text}': port {self._wanted} does not exist", "1 to 65535, or the port's name")
        self._defaults, self._pace, self._cluster = defaults, pace or Pace(), cluster(settings)
        self._resource = _slices(named["namespace"], named["name"])
        self._wrong: RubinError | None = None

    async def run(self, tell: Tell) -> None:
        """Listed and watched on a thread of its own."""
        loop = asyncio.get_running_loop()
        held = _Held(lambda slices: loop.call_soon_threadsafe(self._take, slices, tell))
        watching = Watching(self._resource, self._cluster, held, self._pace)
        watching.start()
        try:
            while True:
                await asyncio.sleep(_LOOK_S)
                self._look(watching.fault)
        finally:
            watching.stop()
            await asyncio.to_thread(watching.join, _END_S)

    def _look(self, fault: str) -> None:
        """The watch has no way to say by itself that something is wrong."""
        namespace = self._service.partition("/")[0]
        if not fault:
            self.say(self._wrong)
        elif fault.startswith("403"):
            self.say(RubinError(fault, f"a role that may list and watch endpointslices in {namespace}"))
        else:
            self.say(RubinError(fault, f"kubectl -n {namespace} get endpointslices"))

    def _take(self, slices: list[Slice], tell: Tell) -> None:
        self._wrong = None
        found = self._nodes(slices)
        if not found and self._wrong is None:
            namespace, _, name = self._service.partition("/")
            way_on = f"kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}"
            self._wrong = RubinError(f"service {self._service} has no endpoint that is ready", way_on)
        tell(found)

    def _nodes(self, slices: list[Slice]) -> list[Found]:
        """Of what has addresses of both families, IPv4's."""
        places: dict[str, tuple[int, str, str]] = {}
        for one in slices:
            port = self._port(one)
            for endpoint in one.endpoints or ():
                address = address_text(next(iter(endpoint.addresses or ()), ""))
                if port and address and one.address_type in _FAMILIES and _is_ready(endpoint):
                    key = (endpoint.target_ref and endpoint.target_ref.uid) or endpoint.node_name or address
                    place = (_FAMILIES.index(one.address_type), joined(address, port), endpoint.node_name or "")
                    places[key] = min(place, places.get(key, place))
        return [self._found(address, name) for _, address, name in sorted(places.values())]

    def _found(self, address: str, name: str) -> Found:
        tls = self._options.tls or self._defaults.tls
        expected = self._defaults.node(name) if name else self._defaults.every_node()
        return Found(address, name, self._options.server_name or (expected if tls else ""), tls)

    def _port(self, of: Slice) -> int:
        """Where the endpoints of a slice listen, 0 where that is not known."""
        if self._wanted.isdigit():
            return int(self._wanted)
        ports = {port.name or "": port.port for port in of.ports or () if port.port and port.protocol in (None, "TCP")}
        if self._wanted in ports or (len(ports) == 1 and not self._wanted):
            return ports[self._wanted] if self._wanted else next(iter(ports.values()))
        if of.endpoints:
            has = f"the ports {', '.join(sorted(ports))}" if ports else "no port for TCP"
            said = f"no port '{self._wanted}'; it has {has}" if self._wanted else has
            way_on = f"{self._service}:{min(ports, default='4244')}"
            self._wrong = RubinError(f"service {self._service} has {said}", way_on)
        return 0


class _Held:
    """The slices as the API server has them, told once all are known; on the watch's thread."""

    def __init__(self, changed: Callable[[list[Slice]], object]) -> None:
        self._changed, self._is_complete = changed, False
        self._slices: dict[str, Slice] = {}

    def put(self, one: Slice) -> None:
        """A slice is, or has become, so."""
        self._slices[one.metadata.uid] = one
        self._tell()

    def remove(self, one: Item) -> None:
        """A slice has gone."""
        self._slices.pop(one.metadata.uid, None)
        self._tell()

    def keep(self, uids: Collection[str]) -> None:
        """Only these are still there."""
        self._slices = {uid: one for uid, one in self._slices.items() if uid in uids}
        self._is_complete = True
        self._tell()

    def _tell(self) -> None:
        if self._is_complete:
            self._changed(list(self._slices.values()))

    def __len__(self) -> int:
        return len(self._slices)


def _is_ready(endpoint: Endpoint) -> bool:
    return endpoint.conditions is None or endpoint.conditions.ready is not False


def _slices(namespace: str, name: str) -> Resource[Slice]:
    decoders = Decoder(Page[Slice]), Decoder(Event[Slice]), Decoder(Slice)
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    selector = {"labelSelector": f"kubernetes.io/service-name={name}"}
    return Resource("endpointslices of nodes", path, *decoders, selector)
