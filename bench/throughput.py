"""What the observed pay: how much traffic goes through with the agent, and with others' tools, against without."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import world
from bench.figures import Figures
from bench.floor import Floor
from bench.loads import BY_NAME, Load, traffic
from bench.switched import Switched, agent

RATIOS = {"tcp_bulk": "tcp_bulk", "udp_1": "udp_pps", "tcp_short": "tcp_connections"}
_SETTLE_S, _SLICE_S = 0.15, 0.15
TURN_S = _SETTLE_S + _SLICE_S
_OTHERS = {
    "softflowd": ("softflowd", "-d", "-i", world.NEAR_LINK, "-p", "{folder}/pid", "-c", "{folder}/ctl"),
    "tshark": ("tshark", "-i", world.NEAR_LINK, "-q", "-z", "conv,ip", "-w", "/dev/null"),
}


def measure(figures: Figures, tool: str, folder: Path, quick: bool) -> None:
    """`throughput_ratio.*`, `throughput_ratio_nothing.*` (the noise), `agent_cpu_percent.*`, `other.*`.

    `throughput_ratio_floor.*`: of two programs that do nothing, instead of the agent.
    """
    for load in map(BY_NAME.__getitem__, RATIOS):
        rounds = 10 if quick else 100
        _pairs(figures, load, tool, folder, rounds)
        with traffic(tool, load) as rate:
            for ratio, _, _ in pairs(Floor(), rate, rounds):
                figures.add(f"throughput_ratio_floor.{RATIOS[load.name]}", ratio)
        _others(figures, load, tool, folder, 1 if quick else 10)


def _pairs(figures: Figures, load: Load, tool: str, folder: Path, rounds: int) -> None:
    """With the agent, each time between two moments without: the ratio, and what the noise alone gives."""
    key, cpu_s = RATIOS[load.name], 0.0
    with agent(folder) as running, traffic(tool, load) as rate:
        for ratio, nothing, spent_s in pairs(running, rate, rounds):
            figures.add(f"throughput_ratio.{key}", ratio)
            figures.add(f"throughput_ratio_nothing.{key}", nothing)
            cpu_s += spent_s
    figures.add(f"agent_cpu_percent.{key}", 100 * cpu_s / rounds / TURN_S)


def pairs(
    running: Switched | Floor, rate: Callable[[float], float], rounds: int
) -> Iterator[tuple[float, float, float]]:
    """(rate with the agent by that without, rate without by that without before, its CPU seconds), round by round."""
    running.off()
    before = _settled(rate)
    for _ in range(rounds):
        running.on()
        begun = world.cpu_seconds(running.pid)
        observed = _settled(rate)
        spent_s = world.cpu_seconds(running.pid) - begun
        running.off()
        after = _settled(rate)
        yield 2 * observed / (before + after), after / before, spent_s
        before = after


def _settled(rate: Callable[[float], float]) -> float:
    """The rate, once what the last switch left to do is done: the agent reads its ring every 120 ms."""
    rate(_SETTLE_S)
    return rate(_SLICE_S)


def _others(figures: Figures, load: Load, tool: str, folder: Path, rounds: int) -> None:
    """What a user could run instead, on the same traffic. They take a second to come and to go."""
    key = RATIOS[load.name]
    with traffic(tool, load) as rate:
        for name, command in _OTHERS.items():
            before = _settled(rate)
            for _ in range(rounds):
                with _other(folder, command) as process:
                    begun = world.cpu_seconds(process.pid)
                    beside = _settled(rate)
                    spent = world.cpu_seconds(process.pid) - begun
                after = _settled(rate)
                figures.add(f"other.{name}.cpu_percent.{key}", 100 * spent / TURN_S)
                figures.add(f"other.{name}.throughput_ratio.{key}", 2 * beside / (before + after))
                before = after


@contextmanager
def _other(folder: Path, command: tuple[str, ...]) -> Iterator["subprocess.Popen[bytes]"]:
    """Another tool at the near end of the cable, once it listens there."""
    words = [word.format(folder=folder) for word in command]
    said = folder / "other.log"
    with (
        said.open("w") as log,
        subprocess.Popen(world.inside(world.NEAR, *words), stdout=subprocess.DEVNULL, stderr=log) as process,
    ):
        try:
            try:
                world.wait_for_packet_socket(world.NEAR)
            except TimeoutError as error:
                raise RuntimeError(f"{words[0]} does not capture: {said.read_text()}") from error
            yield process
        finally:
            process.terminate()
