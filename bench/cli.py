"""The command line: how long a person waits."""

import compileall
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import rubin
from bench import world
from bench.figures import Figures
from bench.running import agent


def measure(figures: Figures, quick: bool = False) -> None:
    """`cli_help_s`, `cli_observe_s`, `first_flow_s`, and how the agent rests: `agent_*`, `kernel_map_mb`."""
    rounds = 3 if quick else 9
    _compile()
    with TemporaryDirectory(prefix="rubin-bench-") as folder, world.cable(), world.load_tool() as load:
        for _ in range(rounds if quick else 5):
            _first_flow(figures, Path(folder))
        with agent(Path(folder)) as running:
            time.sleep(5)  # what starting costs is over
            _rest(figures, running.pid, "agent_idle", 5 if quick else 20)
            figures.add("agent_idle_rss_mb", world.rss_mb(running.pid))
            figures.add("kernel_map_mb", running.status()["kernel"]["map_memory_bytes"] / 2**20)
            _thousand(figures, running.pid, load, 5 if quick else 20)
            for _ in range(rounds):
                figures.add("cli_help_s", _timed("--help"))
                figures.add("cli_observe_s", _timed("observe", "--last", "20", server=running.server))


def _compile() -> None:
    """Bytecode beside the source, as pip leaves it where it installs a wheel, whatever PYTHONDONTWRITEBYTECODE says:
    without it each start compiles three hundred files anew, which no installed agent does.
    """
    for folder in rubin.__path__:
        if not compileall.compile_dir(folder, quiet=1):
            raise AssertionError(f"{folder} cannot be compiled")


def _timed(*arguments: str, server: str = "") -> float:
    """Seconds from the start of the command to its last byte."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "rubin", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, env={**os.environ, "RUBIN_SERVER": server})
    took = time.perf_counter() - begun
    if not done.stdout:
        raise AssertionError(f"{command} printed nothing")
    return took


def _first_flow(figures: Figures, folder: Path) -> None:
    """From the start of the agent until `observe` prints a flow, on loopback traffic of our own."""
    begun = time.perf_counter()
    with agent(folder) as running:
        subprocess.run(["ping", "-c1", "127.0.0.1"], check=True, capture_output=True)
        while not running.observe("--last", "1").strip():
            pass
        figures.add("first_flow_s", time.perf_counter() - begun)


def _rest(figures: Figures, pid: int, name: str, seconds: float) -> None:
    before = world.cpu_seconds(pid)
    time.sleep(seconds)
    figures.add(f"{name}_cpu_percent", 100 * (world.cpu_seconds(pid) - before) / seconds)


def _thousand(figures: Figures, pid: int, load: str, seconds: float) -> None:
    """About a thousand flows a second: short connections make ten or so each, both ends seen."""
    with world.serving(load, "tcp-serve", world.TCP_PORT):
        world.wait_for_port(world.FAR, world.TCP_PORT)
        pace = world.inside(world.NEAR, load, "tcp-pace", world.FAR_ADDRESS, world.TCP_PORT, str(seconds + 2), "60")
        with subprocess.Popen(pace, stdout=subprocess.PIPE):
            time.sleep(1)
            _rest(figures, pid, "agent_1k", seconds)
