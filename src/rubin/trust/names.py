"""Whose certificates there are, and what stands in them: the names that Hubble's parts ask of each other."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from rubin.errors import UsageError

EVERY_NODE = "*"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Kind:
    """`names` are what its certificate carries, of its own name and the cluster's."""

    names: Callable[[str, str], tuple[str, ...]]
    is_server: bool
    is_client: bool


def _of_node(name: str, cluster: str) -> tuple[str, ...]:
    here = f"{_label(cluster)}.hubble-grpc.cilium.io"
    if name == EVERY_NODE:
        return (f"*.{here}",)
    return (server_name_of_node(name, cluster), f"hubble-peer.{here}", name)


KINDS = {
    "node": Kind(_of_node, is_server=True, is_client=False),
    "relay": Kind(lambda name, _: ("*.hubble-relay.cilium.io", name), is_server=True, is_client=True),
    "client": Kind(lambda name, _: (f"{_label(name)}.hubble-relay.cilium.io",), is_server=False, is_client=True),
    "ui": Kind(lambda _name, _cluster: ("ui.hubble-relay.cilium.io",), is_server=False, is_client=True),
    "metrics": Kind(
        lambda name, cluster: (f"{_label(cluster)}.hubble-metrics.cilium.io", name), is_server=True, is_client=False
    ),
}


def server_name_of_node(name: str, cluster: str) -> str:
    """What a relay expects in the certificate of a node."""
    return f"{_label(name)}.{_label(cluster)}.hubble-grpc.cilium.io"


def names_of(kind: str, name: str, cluster: str, further: tuple[str, ...]) -> tuple[str, ...]:
    """What a certificate carries: hosts and addresses. Raises UsageError for what can be no name."""
    if name == EVERY_NODE and kind != "node":
        raise UsageError(f"'*' is no name of a {kind}", "'*' means every node, with --kind node")
    if name != EVERY_NODE and not _NAME.fullmatch(name):
        raise UsageError(f"'{name}' cannot be a name here", "up to 63 letters, digits, dots and dashes, e.g. web-1")
    if not _NAME.fullmatch(cluster):
        raise UsageError(f"'{cluster}' cannot be the name of a cluster", "letters, digits, dots and dashes")
    for one in further:
        if not is_address(one) and not _HOST.fullmatch(one):
            raise UsageError(
                f"--san cannot be '{one}'", "a host's name or an address, e.g. web-1.example.com or 192.0.2.1"
            )
    return tuple(dict.fromkeys((*KINDS[kind].names(name, cluster), *further)))


def is_address(text: str) -> bool:
    """Whether it is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _label(name: str) -> str:
    return name.replace(".", "-")
