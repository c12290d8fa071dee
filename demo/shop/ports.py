"""The ports of the shop's servers on the loopback."""

import json
import random
import socket
from dataclasses import asdict, dataclass, fields

from rubin.errors import RubinError

HOST = "127.0.0.1"
# Below where the kernel takes a client's port from: some seconds pass until the server has it.
_FROM, _TO, _TRIES = 20_000, 32_000, 1_000


@dataclass(frozen=True)
class Ports:
    """A port a server."""

    front: int
    checkout: int
    app: int
    prices: int
    postgres: int
    redis: int
    dns: int

    def word(self) -> str:
        """All of them as one argument of a command."""
        return json.dumps(asdict(self))


def parse(word: str) -> Ports:
    """What `word` gave."""
    return Ports(**json.loads(word))


def free() -> Ports:
    """Ports that nobody has, neither of TCP nor of UDP."""
    candidates = random.sample(range(_FROM, _TO), _TRIES)
    found = [port for port in candidates if _is_free(port)][: len(fields(Ports))]
    if len(found) < len(fields(Ports)):
        raise RubinError(f"of {_TRIES} ports between {_FROM} and {_TO} hardly one is free", "end what has them")
    return Ports(*found)


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
    return True
