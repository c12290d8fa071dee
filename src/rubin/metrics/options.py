"""Context options: which words of a flow's two sides become labels (Hubble's `sourceContext`, `labelsContext`, …)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from rubin.errors import UsageError

Chain = tuple[str, ...]
"""Identifiers, of which the first that says something is taken."""

IDENTIFIERS = (
    "identity",
    "namespace",
    "pod",
    "pod-name",
    "dns",
    "ip",
    "reserved-identity",
    "workload",
    "workload-name",
    "app",
    "container",
    "image",
    "unit",
    "service",
)
"""Hubble's, and ours from `container` on."""
_SIDE_LABELS = (
    *("ip", "pod", "namespace", "workload", "workload_kind", "app"),
    *("container", "image", "unit", "service"),
)
DIRECTION = "traffic_direction"
LABELS = (*(f"source_{name}" for name in _SIDE_LABELS), *(f"destination_{name}" for name in _SIDE_LABELS), DIRECTION)
"""All labels of `labelsContext`, in the order in which they come out."""

_CHAINS = {
    f"{side}{when}context": (side, when) for side in ("source", "destination") for when in ("", "egress", "ingress")
}
NAMES = (
    "sourceContext",
    "sourceEgressContext",
    "sourceIngressContext",
    "destinationContext",
    "destinationEgressContext",
    "destinationIngressContext",
    "labelsContext",
)


@dataclass(frozen=True)
class SideOptions:
    """What is asked of one side: labels (`app`, …) and up to three chains; () asks for nothing."""

    labels: tuple[str, ...] = ()
    always: Chain = ()
    egress: Chain = ()
    ingress: Chain = ()

    @property
    def has_context(self) -> bool:
        """Whether there is a label `source` or `destination`."""
        return bool(self.always or self.egress or self.ingress)

    @property
    def chains(self) -> tuple[Chain, ...]:
        """One chain a value: the labels, then the context in either direction: unknown, ingress, egress."""
        labels = tuple((name.replace("_", "-"),) for name in self._renamed())
        if not self.has_context:
            return labels
        return (*labels, self.always, self.ingress or self.always, self.egress or self.always)

    def _renamed(self) -> tuple[str, ...]:
        # `workload` is the bare name as a label and `namespace/name` as a context, and so with `pod`
        return tuple({"pod": "pod-name", "workload": "workload-name"}.get(name, name) for name in self.labels)


@dataclass(frozen=True)
class Options:
    """The labels that a metric gets from its context options."""

    source: SideOptions = field(default_factory=SideOptions)
    destination: SideOptions = field(default_factory=SideOptions)
    direction: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Label names in the order of their values: `labelsContext`'s, then source, then destination."""
        return (
            *(f"source_{name}" for name in self.source.labels),
            *(f"destination_{name}" for name in self.destination.labels),
            *((DIRECTION,) if self.direction else ()),
            *(("source",) if self.source.has_context else ()),
            *(("destination",) if self.destination.has_context else ()),
        )


def is_context(name: str) -> bool:
    """Whether an option of this name (in any case) is a context option."""
    return name.lower() in _CHAINS or name.lower() == "labelscontext"


def options(given: Mapping[str, Sequence[str]]) -> Options:
    """The context options among a metric's options. Raises UsageError for an unknown identifier or label."""
    sides: dict[str, dict[str, Chain]] = {"source": {}, "destination": {}}
    labels: set[str] = set()
    for name, values in given.items():
        if name.lower() in _CHAINS:
            side, when = _CHAINS[name.lower()]
            sides[side][when or "always"] = tuple(_known(value.lower(), IDENTIFIERS, name) for value in values)
        elif name.lower() == "labelscontext":
            labels |= {_known(value, LABELS, name) for value in values}
    return Options(
        SideOptions(_side_labels(labels, "source"), **sides["source"]),
        SideOptions(_side_labels(labels, "destination"), **sides["destination"]),
        DIRECTION in labels,
    )


def _side_labels(labels: set[str], side: str) -> tuple[str, ...]:
    return tuple(name for name in _SIDE_LABELS if f"{side}_{name}" in labels)


def _known(value: str, known: Sequence[str], option: str) -> str:
    if value in known:
        return value
    near = get_close_matches(value, known, 3)
    raise UsageError(f"{option} value '{value}' does not exist", "one of " + ", ".join(near or known))
