"""What real servers are asked, and how much of it is told right, by the account of those who ask."""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import servers, world
from bench.clients import dns, grpc, http, postgresql, redis
from bench.clients.pace import Exchange
from bench.figures import Figures
from bench.running import Running, agent
from rubin.api.client import Client
from rubin.api.target import ClientSettings
from rubin.model.batch import FlowBatch
from rubin.model.enums import Direction, EventType
from rubin.model.messages import Message
from rubin.wire.pb import observer_pb2 as pb

ALL_HEARD = ("--messages-cpu-percent", "100")
"""Flags of an agent that its governor leaves alone."""
_CLIENTS = 4
_LATE_S = 1.0
_NOT_ASKED = ("HANDSHAKE", "STARTUP")  # of TLS, and of PostgreSQL
Account = Counter[tuple[object, ...]]


@dataclass(frozen=True)
class _Load:
    """How many exchanges all clients make together, at how many a second."""

    key: str
    protocol: str
    truth: Callable[[int, int], Exchange]
    count: int
    rate: int


_LOADS = (
    _Load("http1", "http", http.truth, 100_000, 4_000),
    _Load("https", "https", http.truth, 100_000, 2_000),
    _Load("grpc", "grpc", grpc.truth, 50_000, 800),
    _Load("dns", "dns", dns.truth, 50_000, 3_000),
    _Load("postgresql", "postgresql", postgresql.truth, 50_000, 2_000),
    _Load("redis", "redis", redis.truth, 50_000, 3_000),
)


def measure(figures: Figures, folder: Path, share: float) -> None:
    """`l7_truth_percent.*`, `l7_uncounted_exchanges`, `l7_invented_exchanges`: of a share of the full counts."""
    uncounted = invented = 0
    with servers.all_of_them(folder), agent(folder, *ALL_HEARD) as running:
        wait_for_libraries(running)
        for load in _LOADS:
            truth, said, losses = _compared(running, load, round(load.count * share / _CLIENTS))
            figures.add(f"l7_truth_percent.{load.key}", 100 * (truth & said).total() / truth.total())
            uncounted += max((truth - said).total() - losses, 0)
            invented += (said - truth).total()
    figures.add("l7_uncounted_exchanges", uncounted)
    figures.add("l7_invented_exchanges", invented)
    rates = ", ".join(f"{load.protocol} {load.rate:,}" for load in _LOADS)
    figures.note(f"{_CLIENTS} clients at once, exchanges a second: {rates}")


def _compared(running: Running, load: _Load, count: int) -> tuple[Account, Account, int]:
    """What was asked, what is told of it, and how much of what was said the agent says it has lost meanwhile."""
    owner, secured = servers.OWNERS[load.protocol], load.protocol == "https"
    truth = Account((owner, secured, *load.truth(seed, number)) for seed in range(_CLIENTS) for number in range(count))
    before = lost(running)
    ask(load.protocol, count, load.rate)
    said = Account(
        (owner, one.secured, one.method, one.target, str(one.status), one.error)
        for owner, one in told(running, load.protocol, truth.total())
    )
    return truth, said, lost(running) - before


def wait_for_libraries(running: Running) -> None:
    """Until what is said over TLS is read."""
    world.wait_until(lambda: running.status()["messages"]["tls_libraries"])


def ask(protocol: str, count: int, rate: int) -> list[str]:
    """Several clients at once, each its own part of the truth, at a rate for all of them: what each has printed."""
    words = [sys.executable, "-m", "bench.clients", protocol, world.FAR_ADDRESS, str(servers.PORTS[protocol])]
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                subprocess.Popen(
                    world.inside(world.NEAR, *words, str(seed), str(count), str(rate // _CLIENTS)),
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for seed in range(_CLIENTS)
        ]
        printed = [client.communicate()[0] for client in clients]
    if any(client.returncode for client in clients):
        raise RuntimeError(f"a client of {protocol} has failed")
    return printed


def told(running: Running, protocol: str, expected: int) -> list[tuple[str, Message]]:
    """The server's command and the message, of what the agent tells of answers at the server's side.

    Where it tells of fewer than were made, what comes late is waited for.
    """
    said = _told_so_far(running, protocol)
    before = -1
    while before < len(said) < expected:
        time.sleep(_LATE_S)
        before, said = len(said), _told_so_far(running, protocol)
    return said


def _told_so_far(running: Running, protocol: str) -> list[tuple[str, Message]]:
    asked = pb.GetFlowsRequest(number=1 << 62)
    wanted = asked.whitelist.add(source_port=[str(servers.PORTS[protocol])], reply=[True])
    wanted.event_type.add(type=int(EventType.L7))
    wanted.traffic_direction.append(int(Direction.INGRESS))  # type: ignore[arg-type]

    async def all_of_it() -> list[FlowBatch]:
        async with Client(ClientSettings(server=running.server)) as client:
            return [batch async for batch in client.flows(asked)]

    said = list[tuple[str, Message]]()
    for batch in asyncio.run(all_of_it()):
        owners = [process.command for process in batch.rows("process")]
        said += zip(owners, batch.tables.messages.read(batch["message"]), strict=True)
    return [(owner, one) for owner, one in said if one.method not in _NOT_ASKED]


def lost(running: Running) -> int:
    """Packets of what is said that the agent has lost so far, and answers without a request."""
    status = running.status()
    places = (place["records"] for name, place in status["lost"].items() if "said" in name)
    return int(sum(places) + status["messages"]["unpaired"])
