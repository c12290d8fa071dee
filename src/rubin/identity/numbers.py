"""Numbers for label sets and endpoints: the same for the same words, also after a restart, without any state."""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2b

from rubin.model.tables import Endpoint

_CLUSTER = range(256, 65_536)
_LOCAL = range(16_777_217, 33_554_432)
_ENDPOINTS = range(1, 65_536)

Words = tuple[str, ...]


class Numbers:
    """Words to numbers of a range: the hash's place in it, or the next free one.

    So a number is the same on every machine and after every restart, unless two words meet at one
    place (with 300 words of a cluster's 65,280 numbers, one chance in two that it happens at all):
    then the first to come has it. Words that come together are taken in sorted order, which is why a
    file always gives the same numbers. When all numbers are taken, words share the hash's place.
    """

    def __init__(self, numbers: range) -> None:
        self._range = numbers
        self._of: dict[Words, int] = {}
        self._taken: set[int] = set()

    def number(self, words: Words) -> int:
        """The number of these words."""
        number = self._of.get(words)
        if number is None:
            number = self._of[words] = self._free(words)
            self._taken.add(number)
        return number

    def _free(self, words: Words) -> int:
        digest = blake2b("\n".join(words).encode(errors="replace"), digest_size=8).digest()
        place = int.from_bytes(digest) % len(self._range)
        if len(self._taken) >= len(self._range):
            return self._range[place]
        while self._range[place] in self._taken:
            place = (place + 1) % len(self._range)
        return self._range[place]

    def keep(self, words: Iterable[Words]) -> None:
        """Give back the numbers of all other words."""
        wanted = set(words)
        self._of = {word: number for word, number in self._of.items() if word in wanted}
        self._taken = set(self._of.values())


class Identities:
    """Fills numeric identities (Hubble's ranges) and endpoint IDs in."""

    def __init__(self) -> None:
        self._cluster, self._local, self._endpoints = Numbers(_CLUSTER), Numbers(_LOCAL), Numbers(_ENDPOINTS)

    def filled(self, endpoint: Endpoint, local: bool) -> Endpoint:
        """The endpoint with its numbers; Hubble gives an ID to those of the reporting node only."""
        identity, number = endpoint.identity, endpoint.id
        if not identity and endpoint.labels:
            numbers = self._local if any(label.startswith("cidr:") for label in endpoint.labels) else self._cluster
            identity = numbers.number(endpoint.labels)
        if local and not number and endpoint.pod_name:
            number = self._endpoints.number(_name(endpoint))
        if (identity, number) == (endpoint.identity, endpoint.id):
            return endpoint
        return replace(endpoint, id=number, identity=identity)

    def keep(self, endpoints: Iterable[Endpoint]) -> None:
        """Give back the numbers of all other endpoints."""
        kept = list(endpoints)
        for numbers in (self._cluster, self._local):
            numbers.keep(endpoint.labels for endpoint in kept)
        self._endpoints.keep(map(_name, kept))


def _name(endpoint: Endpoint) -> Words:
    return f"{endpoint.cluster_name}/{endpoint.namespace}/{endpoint.pod_name}", endpoint.unit
