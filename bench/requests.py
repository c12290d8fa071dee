"""HTTP requests that go on and on, at a fixed rate (bench/http_rate.c) or as many as there can be (wrk)."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from bench import servers, world
from bench.loads import count_snmp

CONNECTIONS = 32
TOGETHER = 8
"""Due at a time where tails are measured: a client that wakes up for each alone takes 80 % of a processor, and what is
measured then is the queue within itself. 8 at 65,000 a second are due every 123 us; wrk2's are every 1,000.
"""
_PATH = "/s200/index?q=1"


class Slice(NamedTuple):
    """Of the requests that ended in some seconds."""

    answers: float
    p50_us: float
    p99_us: float
    p999_us: float


@contextmanager
def paced(
    tool: str,
    rate: float,
    seconds: float,
    port: int = servers.HTTP,
    namespace: str = world.NEAR,
    together: int = 1,
) -> Iterator[Callable[[], Slice]]:
    """Gives a function that tells of the next so many seconds when they are over. `together`: how many are due at a
    time.
    """
    numbers = (CONNECTIONS, round(rate), seconds, together)
    words = (tool, world.FAR_ADDRESS, str(port), _PATH, *map(str, numbers))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(world.inside(namespace, *words), **pipes) as asking:  # type: ignore[call-overload]

        def following() -> Slice:
            asking.stdin.write("\n")
            asking.stdin.flush()
            line = asking.stdout.readline()
            if not line:
                raise RuntimeError(f"{' '.join(words)} ended by itself")
            return Slice(*map(float, line.split()))

        yield following


@contextmanager
def unlimited(server: int) -> Iterator["Load"]:
    """wrk with one thread; `server`: a process in the server's namespace, whose answers are counted."""
    url = f"http://{world.FAR_ADDRESS}:{servers.HTTP}{_PATH}"
    with _from(server, "wrk", "-t1", f"-c{CONNECTIONS}", "-d600s", url) as load:
        yield load


@contextmanager
def paced_securely(server: int, port: int, rate: int) -> Iterator["Load"]:
    """The same over TLS, at a rate, one request after the other."""
    words = (sys.executable, "-m", "bench.clients", "https", world.FAR_ADDRESS, str(port), "0", str(600 * rate))
    with _from(server, *words, str(rate)) as load:
        yield load


@contextmanager
def _from(server: int, *client: str) -> Iterator["Load"]:
    with subprocess.Popen(world.inside(world.NEAR, *client), stdout=subprocess.DEVNULL) as sender:
        try:
            yield Load(sender, server)
        finally:
            sender.terminate()


class Load(NamedTuple):
    """The load while it goes on."""

    sender: "subprocess.Popen[bytes]"
    server: int

    def rate(self, over_s: float) -> float:
        """Answers a second: each is one segment out of the server's namespace."""
        before, begun = count_snmp(self.server, "Tcp", "OutSegs"), time.perf_counter()
        time.sleep(over_s)
        if self.sender.poll() is not None:
            raise RuntimeError("the client ended by itself")
        return (count_snmp(self.server, "Tcp", "OutSegs") - before) / (time.perf_counter() - begun)


def most(port: int, seconds: int) -> float:
    """Answers a second of as many requests as there can be."""
    url = f"http://{world.FAR_ADDRESS}:{port}{_PATH}"
    told = world.run(*world.inside(world.NEAR, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url))
    return float(told.partition("Requests/sec:")[2].split()[0])
