"""A kind of objects that is listed and watched, and how its answers are read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic

import msgspec
from msgspec.json import Decoder

from rubin.errors import RubinError
from rubin.identity.kubernetes.objects import (
    EndpointSlice,
    Event,
    ListMetadata,
    Namespace,
    Node,
    Object,
    Page,
    Pod,
    PodHere,
    Service,
)
from rubin.identity.kubernetes.trouble import shown, status_refusal

_RAW_PAGE = Decoder(Page[msgspec.Raw])
_RAW_EVENT = Decoder(Event[msgspec.Raw])


@dataclass(frozen=True)
class Resource(Generic[Object]):
    """What is asked for under a name, and the decoders of its answers."""

    name: str
    path: str
    page: Decoder[Page[Object]]
    event: Decoder[Event[Object]]
    one: Decoder[Object]
    selector: Mapping[str, str] = field(default_factory=dict)

    def items(self, body: bytes) -> tuple[ListMetadata, list[Object]]:
        """A page of a list; an object that is not as the API has it is left out. Raises ValueError or RubinError."""
        try:
            page = self.page.decode(body)
            metadata, kind, items = page.metadata, page.kind, page.items or []
        except msgspec.ValidationError:
            raw = _RAW_PAGE.decode(body)
            metadata, kind, items = raw.metadata, raw.kind, list(self._sound(raw.items or []))
        if not kind.endswith("List") or not metadata.resource_version:
            raise RubinError(f"a list was asked for, what came is {shown(kind) or 'something else'}")
        return metadata, items

    def _sound(self, items: list[msgspec.Raw]) -> Iterator[Object]:
        for raw in items:
            try:
                yield self.one.decode(raw)
            except msgspec.ValidationError:
                continue  # no name for it; that no name is known shows on its flows

    def change(self, line: bytes) -> Event[Object] | None:
        """A line of a watch; None where its object is not as the API has it. Raises Refusal for an error."""
        try:
            event = self.event.decode(line)
            if event.type != "ERROR":  # a Status looks like an object of which nothing is known
                return event
        except msgspec.ValidationError:
            pass
        raw = _RAW_EVENT.decode(line)
        if raw.type == "ERROR" and (refused := status_refusal(bytes(raw.object))):
            raise refused
        return None


def pods_here(node: str) -> Resource[PodHere]:
    """The pods of a node."""
    selector = {"fieldSelector": f"spec.nodeName={node}"}
    decoders = Decoder(Page[PodHere]), Decoder(Event[PodHere]), Decoder(PodHere)
    return Resource("pods", "/api/v1/pods", *decoders, selector)


def pods_elsewhere(node: str) -> Resource[Pod]:
    """The pods of other nodes that have not ended; one that is not on a node yet has no address to tell of."""
    selector = {"fieldSelector": f"spec.nodeName!={node},spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"}
    return Resource("other pods", "/api/v1/pods", Decoder(Page[Pod]), Decoder(Event[Pod]), Decoder(Pod), selector)


def services() -> Resource[Service]:
    """All services."""
    decoders = Decoder(Page[Service]), Decoder(Event[Service]), Decoder(Service)
    return Resource("services", "/api/v1/services", *decoders)


def api_servers() -> Resource[EndpointSlice]:
    """The endpoint slices of the API server's own service: of no other are they needed, and they change often."""
    decoders = Decoder(Page[EndpointSlice]), Decoder(Event[EndpointSlice]), Decoder(EndpointSlice)
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    return Resource("endpointslices", path, *decoders, {"labelSelector": "kubernetes.io/service-name=kubernetes"})


def nodes() -> Resource[Node]:
    """All nodes."""
    return Resource("nodes", "/api/v1/nodes", Decoder(Page[Node]), Decoder(Event[Node]), Decoder(Node))


def namespaces() -> Resource[Namespace]:
    """All namespaces."""
    decoders = Decoder(Page[Namespace]), Decoder(Event[Namespace]), Decoder(Namespace)
    return Resource("namespaces", "/api/v1/namespaces", *decoders)
