"""nginx with an agent of the usual settings beside it, once its governor has settled, against nginx alone."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench import requests, servers, switched, throughput, world
from bench.figures import Figures
from bench.requests import Load, Slice

_SLICE_S, _TURNS = 3.0, 12
_SETTLED_S, _LONGEST_S, _SAME = 3.0, 20.0, 0.2
_START_S = 8.0  # in which it may take more than its share once
_MORE_TAILS = 3  # times as many rounds: a stall of the machine is a tail, and there are more than the agent's
_LOOK_S, _SETTLE_S = 0.4, 0.3


def measure(figures: Figures, folder: Path, rounds: int) -> None:
    """`l7_nginx_rps_ratio` at saturation and `l7_nginx_p99_ratio` at half of it, with the agent between two times
    without; `…_one_by_one`: by a client that asks so and has little time left itself; `…_nothing`: what the noise alone
    gives. `l7_nginx_heard_percent.*`: how many connections it then listens to; `l7_nginx_settle_s.*`: how long that
    took; `l7_agent_cpu_percent`: of one processor, at saturation.

    While the agent is off its process is stopped, which its governor takes for idleness: it listens to more than it had
    settled for, at saturation to up to twice as much, and then settles again.
    """
    with servers.nginx(folder) as worker, switched.agent(folder) as running:
        with requests.unlimited(worker) as load:
            capacity = _throughput(figures, running, load, rounds)
        with world.load_tool("http_rate") as tool:
            for key, together, more in (
                ("l7_nginx_p99_ratio", requests.TOGETHER, _MORE_TAILS),
                ("l7_nginx_p99_ratio_one_by_one", 1, 1),
            ):
                with requests.paced(tool, capacity / 2, _SLICE_S, together=together) as following:
                    _tails(figures, key, running, following, more * rounds)


def _throughput(figures: Figures, running: switched.Switched, load: Load, rounds: int) -> float:
    """Requests a second, in short turns: what a shared machine can do changes within seconds by more than what is
    measured. Gives what nginx answers alone.
    """
    alone = []
    for _ in range(rounds):
        running.on()
        _settle(figures, running, "saturated")
        for ratio, nothing, spent_s in throughput.pairs(running, load.rate, _TURNS):
            figures.add("l7_nginx_rps_ratio", ratio)
            figures.add("l7_nginx_rps_ratio_nothing", nothing)
            figures.add("l7_agent_cpu_percent", 100 * spent_s / throughput.TURN_S)
        alone.append(load.rate(_SLICE_S))
    running.on()
    return median(alone)


def _tails(figures: Figures, key: str, running: switched.Switched, following: Callable[[], Slice], rounds: int) -> None:
    """The slowest hundredth."""
    running.off()
    time.sleep(_SETTLE_S)
    before = following().p99_us
    for _ in range(rounds):
        running.on()
        _settle(figures, running, "half")
        observed = following().p99_us
        running.off()
        time.sleep(_SETTLE_S)
        after = following().p99_us
        figures.add(key, 2 * observed / (before + after))
        figures.add(f"{key}_nothing", after / before)
        before = after
    running.on()


def _settle(figures: Figures, running: switched.Switched, load: str) -> None:
    """Until the share of connections that the agent listens to has hardly changed for three of its steps."""
    begun = time.monotonic()
    looks: list[tuple[float, float]] = []
    while not _is_settled(looks) and time.monotonic() - begun < _LONGEST_S:
        looks.append((time.monotonic(), running.status()["messages"]["heard_percent"]))
        time.sleep(_LOOK_S)
    figures.add(f"l7_nginx_settle_s.{load}", time.monotonic() - begun)
    figures.add(f"l7_nginx_heard_percent.{load}", looks[-1][1])


def _is_settled(looks: list[tuple[float, float]]) -> bool:
    if not looks or looks[-1][0] - looks[0][0] < (_START_S if looks[-1][1] == 100 else _SETTLED_S):
        return False
    since_s = looks[-1][0] - _SETTLED_S
    recent = [share for at, share in looks if at >= since_s]
    return max(recent) <= (1 + _SAME) * min(recent)
