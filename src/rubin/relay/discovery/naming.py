"""A node as a user writes it: its address, its name, and what its certificate must say."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qsl

from rubin.api.listen import host_and_port
from rubin.errors import UsageError
from rubin.relay.pool import Found
from rubin.trust.names import is_address, server_name_of_node

WAYS = "host:port, tls://host:port, unix:///path or name=host:port"
_NAMED = re.compile(r"([^=:?@\s]+)=(.+)")
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.?")
_NUMBERS = re.compile(r"[\d.]+")
_TRUE = ("", "1", "true", "yes", "on")


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for a node of which nothing else is said."""

    tls: bool = False
    server_name: str = ""
    """What every certificate must say; "": each the name of its node."""
    cluster: str = "default"

    def every_node(self) -> str:
        """A name that the certificate of every node carries."""
        return self.server_name or server_name_of_node("hubble-peer", self.cluster)

    def node(self, name: str) -> str:
        """The name that the certificate of this node carries."""
        return self.server_name or server_name_of_node(name, self.cluster)


@dataclass(frozen=True, slots=True)
class Options:
    """What may stand behind an address: `?tls`, and `?server-name=NAME`, which wants TLS too."""

    tls: bool = False
    server_name: str = ""


def with_options(text: str) -> tuple[str, Options]:
    """The address without what stands behind its `?`, and that. Raises UsageError."""
    address, mark, query = text.partition("?")
    said = dict(parse_qsl(query, keep_blank_values=True))
    unknown = [key for key in said if key not in ("tls", "server-name")]
    if unknown or (mark and not said):
        raise UsageError(
            f"'{text}': option '{', '.join(unknown) or query}' does not exist", "?tls or ?server-name=NAME"
        )
    name = said.get("server-name", "")
    if "server-name" in said and not is_host(name):
        raise UsageError(f"'{text}': '{name}' is no name of a server", "?server-name=node-1.example.com")
    if said.get("tls", "") not in _TRUE:
        raise UsageError(f"'{text}': tls cannot be '{said['tls']}'", "?tls, or nothing")
    return address, Options("tls" in said or bool(name), name)


def node(text: str, defaults: Defaults) -> Found:
    """`host:port`, `tls://host:port` or `unix:///path`, maybe behind `name=` and before options. A node whose name is
    said must show the certificate of that node, any other one of its host. Raises UsageError.
    """
    named = _NAMED.fullmatch(text)
    name, place = (named[1], named[2]) if named else ("", text)
    place, options = with_options(place)
    if place.startswith("unix:"):
        path = place.removeprefix("unix:").removeprefix("//")
        if not path.startswith("/"):
            raise UsageError(f"'{text}' names no socket", "e.g. unix:///run/rubin/rubin.sock")
        return Found(f"unix://{path}", name, options.server_name, options.tls)
    tls = options.tls or defaults.tls or place.startswith("tls://")
    address = joined(*host_of(place.removeprefix("tls://"), text))
    return Found(address, name, options.server_name or (defaults.node(name) if name and tls else ""), tls)


def host_of(place: str, text: str, ways: str = WAYS) -> tuple[str, int]:
    """The host and the port of `host:port`. Raises UsageError, which says `text` and `ways`."""
    if "://" in place or "/" in place:
        raise UsageError(f"'{text}' is no address of a node", ways)
    try:
        host, port = host_and_port(place)
    except UsageError:
        raise UsageError(f"'{text}' is no host:port", ways) from None
    if not is_host(host):
        raise UsageError(f"'{text}': '{host}' is no host" if host else f"'{text}' names no host", ways)
    if not port:
        raise UsageError(f"'{text}': nothing can listen on port 0", "the port of a node is 4244")
    return host, port


def is_host(text: str) -> bool:
    """Whether it may be the name of a host, or is an address."""
    if is_address(text):
        return True
    return bool(_HOST.fullmatch(text)) and not _NUMBERS.fullmatch(text) and len(text) < 255


def joined(host: str, port: int) -> str:
    """`host:port`, each host written in one way only."""
    host = str(ip_address(host)) if is_address(host) else host.lower()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
