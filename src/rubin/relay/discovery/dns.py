"""Nodes that DNS knows: every address of a name, or what its SRV records name (RFC 2782)."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from rubin.errors import RubinError, UsageError
from rubin.relay.discovery.naming import Defaults, host_of, is_host, joined, with_options
from rubin.relay.discovery.source import Source, Tell
from rubin.relay.pool import Found
from rubin.trust.names import is_address

_WAYS = "dns:///name:port or srv:///_service._tcp.name, or dns://server:port/name:port"
_URL = re.compile(r"(dns|srv)://([^/]*)/([^/]+)")
_HOSTS = Path("/etc/hosts")
_PORT = 53


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a name is asked for, and for how long what was said holds when nothing is said any more."""

    least_s: float = 5.0
    most_s: float = 60.0
    answer_s: float = 5.0
    keep_s: float = 300.0


@dataclass(frozen=True, slots=True)
class _Answer:
    """`host:port` of all records of a type, sorted; for how long they hold."""

    addresses: tuple[str, ...]
    ttl_s: float


class Named(Source):
    """`dns:///name:port` or `srv:///_service._tcp.name`, of the system's servers after /etc/hosts, or of the one in
    `dns://server:port/name:port`. Raises UsageError.
    """

    def __init__(self, text: str, defaults: Defaults, pace: Pace | None = None, hosts: Path = _HOSTS) -> None:
        super().__init__(text)
        self._pace, self._hosts = pace or Pace(), hosts
        place, options = with_options(text)
        self._server, rest, self._kinds = _parts(place, text)
        self._name, self._port = host_of(rest, text, _WAYS) if self._kinds != ("SRV",) else (rest, 0)
        _check(self._name, text)
        self._tls = options.tls or defaults.tls
        self._server_name = options.server_name
        if self._tls and not options.server_name and self._port:  # a certificate seldom carries an address
            self._server_name = defaults.every_node()
        self._held: dict[str, tuple[tuple[str, ...], float]] = {}

    async def run(self, tell: Tell) -> None:
        """Asked again when the answer ends, and soon where there was none."""
        told: list[str] | None = None
        while True:
            wait_s = await self._ask()
            found = [address for addresses, _ in self._held.values() for address in addresses]
            if found != told:
                told = found
                tell([Found(address, "", self._server_name, self._tls) for address in found])
            await asyncio.sleep(wait_s)

    async def _ask(self) -> float:
        """Ask for all types of records; how long to wait until the next time."""
        pace, errors, answers = self._pace, dict[str, RubinError](), dict[str, _Answer]()
        for kind, said in zip(self._kinds, await asyncio.gather(*map(self._answer, self._kinds)), strict=True):
            if isinstance(said, RubinError):
                errors[kind] = said
            else:
                answers[kind] = said
        now_s = time.monotonic()
        some = [answer.ttl_s for answer in answers.values() if answer.addresses]
        if some:  # of a name that has addresses, it is true that it has none of the other family
            self._held |= {kind: (answer.addresses, now_s + pace.keep_s) for kind, answer in answers.items()}
        self._held = {kind: held for kind, held in self._held.items() if held[1] > now_s}
        self.say(self._wrong(errors, bool(some)))
        return min(max(min(some), pace.least_s), pace.most_s) if self.trouble is None else pace.least_s

    def _wrong(self, errors: Mapping[str, RubinError], is_known: bool) -> RubinError | None:
        """What to say; servers that do not know of IPv6 do no harm."""
        if is_known and not any(self._held.get(kind, ((), 0))[0] for kind in errors):
            return None
        none = RubinError(f"{self._name} has no {' or '.join(self._kinds)} records", f"dig {self._name}")
        error = next(iter(errors.values()), none)
        kept = sum(len(addresses) for addresses, _ in self._held.values())
        return RubinError(f"{error.sentence}; kept from before: {kept}", error.way_on) if kept else error

    async def _answer(self, kind: str) -> _Answer | RubinError:
        if self._port and not self._server and (listed := self._in_hosts()):
            return _Answer(tuple(one for one in listed if one.startswith("[") == (kind == "AAAA")), 0)
        try:
            # Made anew each time: where the machine is in another network now, its servers are others
            resolver = _resolver(self._server)
            wants_search = not self._server
            answer = await resolver.resolve(
                self._name, kind, search=wants_search, lifetime=self._pace.answer_s, raise_on_no_answer=False
            )
        except (dns.exception.DNSException, OSError, ValueError) as error:
            return _explained(error, self._name)
        return _Answer(tuple(sorted(set(self._addresses(answer)))), answer.chaining_result.minimum_ttl)

    def _addresses(self, answer: dns.resolver.Answer) -> list[str]:
        records = list(answer.rrset or ())
        if self._port:
            return [joined(record.address, self._port) for record in records]
        named = [(record.target.to_text(omit_final_dot=True), record.port) for record in records]
        return [joined(host, port) for host, port in named if is_host(host) and port]  # "." says that there is none

    def _in_hosts(self) -> list[str]:
        """`host:port` for each address of the name in /etc/hosts (hosts(5)), sorted."""
        try:
            lines = [line.partition("#")[0].split() for line in self._hosts.read_text("utf-8", "replace").splitlines()]
        except OSError:
            return []
        wanted = self._name.lower().removesuffix(".")
        found = {words[0] for words in lines if wanted in map(str.lower, words[1:]) and is_address(words[0])}
        return sorted(joined(address, self._port) for address in found)


def _parts(place: str, text: str) -> tuple[tuple[str, int] | None, str, tuple[str, ...]]:
    """The server to ask, None for the system's; what is asked for, and which records. Raises UsageError."""
    found = _URL.fullmatch(place)
    if found is None:
        raise UsageError(f"'{text}' names nothing to ask DNS for", _WAYS)
    scheme, server, rest = found.groups()
    kinds = ("SRV",) if scheme == "srv" else ("A", "AAAA")
    if scheme == "srv" and ":" in rest:
        raise UsageError(f"'{text}': SRV records themselves say the port", "srv:///_hubble._tcp.example.com")
    return _server(server, text) if server else None, rest, kinds


def _server(place: str, text: str) -> tuple[str, int]:
    if is_address(place.strip("[]")):
        return str(ip_address(place.strip("[]"))), _PORT
    host, port = host_of(place, text, _WAYS)
    if not is_address(host):
        raise UsageError(
            f"'{text}': a DNS server is named by its address, '{host}' is none", "dns://192.0.2.53/name:port"
        )
    return host, port


def _check(name: str, text: str) -> None:
    if is_address(name):
        raise UsageError(f"'{text}': {name} is an address, which DNS need not be asked for", "host:port")
    try:
        dns.name.from_text(name)
    except (dns.exception.DNSException, UnicodeError):
        raise UsageError(f"'{text}': '{name}' can be no name in DNS", _WAYS) from None
    if not is_host(name):
        raise UsageError(f"'{text}': '{name}' is no host's name", _WAYS)


def _resolver(server: tuple[str, int] | None) -> dns.asyncresolver.Resolver:
    resolver = dns.asyncresolver.Resolver(configure=server is None)
    if server is not None:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(*server)]
    return resolver


def _explained(error: Exception, name: str) -> RubinError:
    match error:
        case dns.resolver.NXDOMAIN():
            return RubinError(f"DNS knows no name {name}", f"check how it is written: dig {name}")
        case dns.resolver.LifetimeTimeout():
            return RubinError(f"no DNS server answers for {name}", "another server: dns://server:port/name:port")
        case dns.resolver.NoNameservers():
            said = "; ".join(sorted({str(one[3]) for one in error.kwargs["errors"]}))
            return RubinError(f"the DNS server has no answer for {name}: {said}", "the server's log says why")
        case dns.resolver.NoResolverConfiguration():
            return RubinError(f"{name} cannot be asked for: /etc/resolv.conf names no server", "dns://server/name:port")
    return RubinError(
        f"{name} cannot be asked for: {' '.join(str(error).split())}", "another server: dns://server:port/name:port"
    )
