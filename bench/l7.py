"""What is said: how much of it is told right, what it costs the observed, and how fast the line reads it."""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import asking, messages, switched, world
from bench.figures import Figures
from bench.kernel import counts, statistics
from bench.loads import count_snmp
from bench.running import Running, agent
from bench.throughput import pairs
from rubin.api.client import Client
from rubin.api.target import ClientSettings
from rubin.model.batch import FlowBatch
from rubin.model.enums import Direction, EventType
from rubin.model.messages import Message
from rubin.wire.pb import observer_pb2 as pb

_HTTP_PORT, _DNS_PORT = 7080, 7053
_CLIENTS = 4
Truth = Counter[tuple[str, ...]]


def measure(figures: Figures, quick: bool = False) -> None:
    """`l7_truth_percent.*`, `l7_nginx_rps_ratio`, `l7_kernel_us_per_request`, `l7_*_per_cpu_second`."""
    messages.measure(figures, quick)
    with TemporaryDirectory(prefix="rubin-bench-") as name, world.cable():
        folder = Path(name)
        with (
            _nginx(folder),
            world.serving(sys.executable, "-m", "bench.asking", "dns-server", world.FAR_ADDRESS, str(_DNS_PORT)),
        ):
            world.wait_for_port(world.FAR, str(_HTTP_PORT))
            world.wait_for_port(world.FAR, str(_DNS_PORT))
            _truth(figures, folder, 0.1 if quick else 1.0)
        _cost(figures, folder, quick)


@contextmanager
def _nginx(folder: Path) -> Iterator[int]:
    """One worker; its master's pid."""
    statuses = "\n".join(f'location /s{status}/ {{ return {status} "hello\\n"; }}' for status in set(asking.STATUSES))
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; keepalive_requests 1000000000;\n"
        f"server {{ listen {world.FAR_ADDRESS}:{_HTTP_PORT}; {statuses} }} }}\n"
    )
    with world.serving("nginx", "-c", str(configuration), "-p", str(folder)) as server:
        yield server.pid


def _truth(figures: Figures, folder: Path, share: float) -> None:
    """All that clients asked, and what is told of it."""
    with agent(folder, "--messages-cpu-percent", "100") as running:
        count = round(25_000 * share)
        truth: Truth = Counter()
        for seed in range(_CLIENTS):
            truth.update(
                ("nginx", method, path, str(status)) for method, path, status in asking.http_truth(seed, count)
            )
        _ask("http", _HTTP_PORT, count, 2_500)
        told = _told(running, "http", lambda owner, one: (owner, one.method, one.target, str(one.status)))
        figures.add("l7_truth_percent.http1", 100 * (truth & told).total() / truth.total())
        count = round(12_500 * share)
        truth = Counter()
        for seed in range(_CLIENTS):
            truth.update(
                (Path(sys.executable).name[:15], name, str(code)) for name, code in asking.dns_truth(seed, count)
            )
        _ask("dns", _DNS_PORT, count, 1_500)
        told = _told(running, "dns", lambda owner, one: (owner, one.target, str(one.status)))
        figures.add("l7_truth_percent.dns", 100 * (truth & told).total() / truth.total())


def _ask(kind: str, port: int, count: int, rate: int) -> None:
    """Several clients at once, each its own part of the truth."""
    command = [sys.executable, "-m", "bench.asking", kind, world.FAR_ADDRESS, str(port)]
    with ExitStack() as stack:
        for seed in range(_CLIENTS):
            words = world.inside(world.NEAR, *command, str(seed), str(count), str(rate))
            stack.callback(subprocess.Popen(words).wait)
    time.sleep(1)  # what came last is read by then


def _told(running: Running, protocol: str, say: Callable[[str, Message], tuple[str, ...]]) -> Truth:
    """What the agent tells of answers at the server's side."""
    asked = pb.GetFlowsRequest(number=1 << 62)
    wanted = asked.whitelist.add(protocol=[protocol])
    wanted.event_type.add(type=int(EventType.L7))
    wanted.traffic_direction.append(int(Direction.INGRESS))  # type: ignore[arg-type]
    wanted.reply.append(True)

    async def all_of_it() -> list[FlowBatch]:
        async with Client(ClientSettings(server=running.server)) as client:
            return [batch async for batch in client.flows(asked)]

    told: Truth = Counter()
    for batch in asyncio.run(all_of_it()):
        owners = [process.command for process in batch.rows("process")]
        told.update(say(owner, one) for owner, one in zip(owners, batch.rows("message"), strict=True))
    return told


def _cost(figures: Figures, folder: Path, quick: bool) -> None:
    """nginx under wrk, as many requests as it can take, with the agent by turns; what a request costs in the kernel."""
    url = f"http://{world.FAR_ADDRESS}:{_HTTP_PORT}/s200/index?q=1"
    wrk = world.inside(world.NEAR, "wrk", "-t1", "-c32", "-d600s", url)
    with _nginx(folder) as nginx:
        world.wait_for_port(world.FAR, str(_HTTP_PORT))
        rate = _answers(nginx)
        with subprocess.Popen(wrk, stdout=subprocess.DEVNULL) as sender:
            try:
                with switched.agent(folder) as running:
                    capacity = _capacity(running, rate)
                    for ratio, nothing, _ in pairs(running, rate, 10 if quick else 100):
                        figures.add("l7_nginx_rps_ratio", ratio)
                        figures.add("l7_nginx_rps_ratio_nothing", nothing)
                for _ in range(1 if quick else 3):
                    with agent(folder, "--messages=false"):
                        deaf = _kernel_us(rate, 1.0 if quick else 3.0)
                    with agent(folder, "--messages-cpu-percent", "100"):
                        figures.add("l7_kernel_us_per_request", _kernel_us(rate, 1.0 if quick else 3.0) - deaf)
            finally:
                sender.terminate()
        with switched.agent(folder) as running:
            _tails(figures, running, capacity / 2, 3 if quick else 15)


def _capacity(running: switched.Switched, rate: Callable[[float], float]) -> float:
    """Answers a second without the agent."""
    running.off()
    try:
        return rate(2.0)
    finally:
        running.on()


def _tails(figures: Figures, running: switched.Switched, rate: float, rounds: int) -> None:
    """The slowest hundredth at half of what the server can, with the agent between two rounds without."""
    with world.load_tool("http_rate") as tool:
        words = [tool, world.FAR_ADDRESS, str(_HTTP_PORT), "/s200/index?q=1", "32", f"{rate:.0f}", "2"]

        def slowest_us() -> float:
            return float(world.run(*world.inside(world.NEAR, *words)).split()[2])

        running.off()
        before = slowest_us()
        for _ in range(rounds):
            running.on()
            observed = slowest_us()
            running.off()
            after = slowest_us()
            figures.add("l7_nginx_p99_ratio", 2 * observed / (before + after))
            figures.add("l7_nginx_p99_ratio_nothing", after / before)
            before = after
        running.on()


def _answers(pid: int) -> Callable[[float], float]:
    """Measures answers a second: each is one segment out of the server's namespace."""

    def rate(over_s: float) -> float:
        before, begun = count_snmp(pid, "Tcp", "OutSegs"), time.perf_counter()
        time.sleep(over_s)
        return (count_snmp(pid, "Tcp", "OutSegs") - before) / (time.perf_counter() - begun)

    return rate


def _kernel_us(rate: Callable[[float], float], seconds: float) -> float:
    """What all our programs take in the kernel for one request, at both of its ends together."""
    with statistics():
        before = counts()
        requests = rate(seconds) * seconds
        after = counts()
    ours = [number for number, (name, _, _) in after.items() if name.startswith("rubin_") and number in before]
    return sum(after[number][2] - before[number][2] for number in ours) / requests / 1000
