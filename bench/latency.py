"""How long requests take by the agent, by the packets' own timestamps, and by the clients' own clocks."""

import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from bench import exchanges, servers, world
from bench.figures import Figures
from bench.running import agent

_COUNT, _RATE = 2_500, 1_000  # of each client, a second of all
_NEAR_US = 50.0
_QUIET_S = 1.0
_FIELDS = ("-e", "http.response_for.uri", "-e", "http.time")


def measure(figures: Figures, folder: Path, share: float) -> None:
    """`l7_latency_within_50us_percent`: of requests of HTTP/1.1, told against what tcpdump has captured at the server
    and tshark has made of it. `…_nothing`: how much of that agrees as well with what was captured at the client's end
    of the same cable. `l7_latency_from_packets_us`, `l7_latency_from_client_us`: medians of the differences.
    """
    capture, other = folder / "http.pcap", folder / "other.pcap"
    with servers.nginx(folder), agent(folder, *exchanges.ALL_HEARD) as running:
        with _captured(capture, world.FAR, world.FAR_LINK), _captured(other, world.NEAR, world.NEAR_LINK):
            printed = exchanges.ask("http", round(_COUNT * share), _RATE)
        said = exchanges.told(running, "http", sum(len(lines.splitlines()) for lines in printed))
    told_us = {one.target: one.latency_ns / 1e3 for _, one in said}
    packets_us = dict(_between_packets(capture))
    client_us = {path: int(ns) / 1e3 for lines in printed for path, ns in map(str.split, lines.splitlines())}
    if packets_us.keys() != client_us.keys():
        raise AssertionError(f"{len(packets_us)} requests were captured, of {len(client_us)}")
    from_packets = [us - told_us.get(path, float("inf")) for path, us in packets_us.items()]
    figures.add("l7_latency_within_50us_percent", _near_percent(from_packets))
    other_us = dict(_between_packets(other))
    from_other = [us - other_us.get(path, float("inf")) for path, us in packets_us.items()]
    figures.add("l7_latency_within_50us_percent_nothing", _near_percent(from_other))
    figures.add("l7_latency_from_packets_us", statistics.median(from_packets))
    figures.add("l7_latency_from_client_us", statistics.median(client_us[path] - us for path, us in told_us.items()))


def _near_percent(differences_us: list[float]) -> float:
    return 100 * sum(abs(us) <= _NEAR_US for us in differences_us) / len(differences_us)


@contextmanager
def _captured(path: Path, namespace: str, link: str) -> Iterator[None]:
    """The packets of an end of the cable, with the kernel's nanoseconds."""
    words = (
        "-i",
        link,
        "--time-stamp-precision=nano",
        "--immediate-mode",
        "-U",
        "-B",
        "16384",
        "-Z",
        "root",
        "-w",
        str(path),
    )
    with world.serving("tcpdump", *words, "tcp", "port", str(servers.HTTP), namespace=namespace):
        world.wait_for_packet_socket(namespace)
        yield
        _wait_until_written(path)


def _wait_until_written(path: Path) -> None:
    """Until tcpdump has caught up: what it has not read when it ends is lost."""
    size, since_s = -1, 0.0

    def is_written() -> bool:
        nonlocal size, since_s
        if path.stat().st_size != size:
            size, since_s = path.stat().st_size, time.monotonic()
        return time.monotonic() - since_s > _QUIET_S

    world.wait_until(is_written)


def _between_packets(capture: Path) -> Iterator[tuple[str, float]]:
    """(path, microseconds from the request's packet to the answer's), whatever the agent says."""
    words = ["tshark", "-r", str(capture), "-Y", "http.response", "-T", "fields", *_FIELDS]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        url, seconds = line.split("\t")
        yield urlsplit(url).path, float(seconds) * 1e6
