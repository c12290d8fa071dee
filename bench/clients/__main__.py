"""`python -m bench.clients PROTOCOL ADDRESS PORT SEED COUNT RATE`: one client; SERVER ADDRESS PORT: a server."""

import sys
from collections.abc import Callable

from bench.clients import dns, grpc, http, postgresql, redis
from bench.clients.pace import paced

CLIENTS = {"http": http.ask, "https": http.ask_securely, "dns": dns.ask, "grpc": grpc.ask,
           "postgresql": postgresql.ask, "redis": redis.ask}  # fmt: skip
SERVERS: dict[str, Callable[[str, int], None]] = {"dns-server": dns.serve, "grpc-server": grpc.serve}

if __name__ == "__main__":
    kind, host, port, *numbers = sys.argv[1:]
    if kind in SERVERS:
        SERVERS[kind](host, int(port))
    else:
        seed, count, rate = map(int, numbers)
        CLIENTS[kind](host, int(port), seed, paced(count, rate))
