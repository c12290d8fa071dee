"""Objects to facts without a server: decoded as from a watch, passed to the sinks."""

import json
from typing import Any

import msgspec

from rubin.identity.facts import Fact
from rubin.identity.kubernetes.objects import EndpointSlice, Namespace, Node, Pod, PodHere, Service
from rubin.identity.kubernetes.pods import Pods
from rubin.identity.told import Told
from tests.identity.kubernetes.objects import Made

KINDS: dict[str, Any] = {
    "pod": Pod,
    "pod here": PodHere,
    "service": Service,
    "node": Node,
    "namespace": Namespace,
    "slice": EndpointSlice,
}


def read(kind: str, made: Made) -> Any:
    """The object as it is read."""
    return msgspec.json.decode(json.dumps(made), type=KINDS[kind])


def facts_of(made: Made, here: bool = True, cluster: str = "default") -> list[Fact]:
    """What is told of one pod."""
    told = Told()
    pods = Pods(told, cluster)
    if here:
        pods.here.put(read("pod here", made))
    else:
        pods.elsewhere.put(read("pod", made))
    return [fact for facts in told.take().values() for fact in facts]
