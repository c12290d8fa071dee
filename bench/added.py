"""What listening adds to the kernel's time: for a request of HTTP, for one over TLS, and for a call that is neither."""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import exchanges, requests, servers, switched, world
from bench.figures import Figures
from bench.kernel import counts, statistics
from bench.running import Running, agent

_RATE, _SECURE_RATE = 8_000, 2_000  # that the agent listens to without losing
_SETTLE_S = 0.5
_DEAF = ("--messages=false",)
_ADDED = "l7_kernel_us_per_"
_PLACES = {"l7_kernel_us_per_request": world.FAR, "l7_kernel_us_per_request_both_ends": world.NEAR}
Samples = dict[str, float]


def measure(figures: Figures, folder: Path, quick: bool) -> None:
    """Microseconds that an agent which listens to all takes more than one with `--messages=false`, in turns.

    `l7_kernel_us_per_request`: of our programs, at one end. The client is in the server's namespace: over loopback the
    same is counted at both ends, but what is said is taken at the server's only. `…_both_ends`: over the cable, where
    it is taken at both.

    `l7_kernel_us_per_https`: CPU time of nginx, traps into the kernel included, which is what most of it is. Packets
    that it sends arrive in its own time; those that it receives, in the client's. `…_client`: the same of the client.
    `l7_kernel_us_per_https_go`: the same of a server by Go's crypto/tls. `…_nothing`: between two agents that do not
    listen. `l7_programs_us_per_https`: of our programs alone, at both ends.
    """
    seconds = 1.0 if quick else 3.0
    with servers.nginx(folder) as worker, servers.go_https(folder) as go, world.load_tool("http_rate") as tool:
        if go is None:
            figures.note("there is no Go here: what HTTPS by its crypto/tls costs is not measured")
        before: Samples = {}
        for _ in range(1 if quick else 9):
            with agent(folder, *_DEAF):
                deaf = _samples(tool, worker, go, seconds)
            with agent(folder, *exchanges.ALL_HEARD) as running:
                _wait_until_read(running, [one for one in (worker, go) if one is not None])
                heard = _samples(tool, worker, go, seconds)
                _note_losses(figures, running)
            for key, us in heard.items():
                figures.add(key, us - deaf[key])
            for key in before:
                if key.startswith(f"{_ADDED}https"):
                    figures.add(f"{key}_nothing", deaf[key] - before[key])
            before = deaf


def _wait_until_read(running: Running, processes: Sequence[int]) -> None:
    """Until what these say over TLS is read: by their library, or by their own code."""
    mapped = {pid: Path(f"/proc/{pid}/maps").read_text() for pid in processes}

    def all_of_them() -> bool:
        attached = [one.removeprefix("clear at ") for one in running.status()["kernel"]["attached"]]
        return all(any(path.startswith("/") and path in maps for path in attached) for maps in mapped.values())

    world.wait_until(all_of_them)


def _samples(tool: str, worker: int, go: int | None, seconds: float) -> Samples:
    """Microseconds a request of everything, as the machine is now."""
    samples = {}
    for key, place in _PLACES.items():
        with requests.paced(tool, _RATE, seconds, namespace=place) as following:
            time.sleep(_SETTLE_S)
            samples[key] = _programs_us(lambda: following().answers)
    samples |= _https_samples("https", worker, servers.HTTPS, seconds)
    if go is not None:
        samples |= _https_samples("https_go", go, servers.GO_HTTPS, seconds)
    return samples


def _https_samples(key: str, server: int, port: int, seconds: float) -> Samples:
    """The same of one server of HTTPS."""
    with requests.paced_securely(server, port, _SECURE_RATE) as load:
        world.wait_until(lambda: load.rate(_SETTLE_S) > _SECURE_RATE / 2)
        begun = _cpu_us(server), _cpu_us(load.sender.pid)
        answers = load.rate(seconds) * seconds
        return {
            f"{_ADDED}{key}": (_cpu_us(server) - begun[0]) / answers,
            f"{_ADDED}{key}_client": (_cpu_us(load.sender.pid) - begun[1]) / answers,
            f"l7_programs_us_per_{key}": _programs_us(lambda: load.rate(seconds) * seconds),
        }


def _programs_us(answers: Callable[[], float]) -> float:
    """What all our programs take for one of the answers that come meanwhile."""
    with statistics():
        before = counts()
        many = answers()
        after = counts()
    ours = [number for number, (name, _, _) in after.items() if name.startswith("rubin_") and number in before]
    return sum(after[number][2] - before[number][2] for number in ours) / many / 1000


def _cpu_us(pid: int) -> float:
    """CPU time of a process and its threads so far, as the scheduler counts it (clock_getcpuclockid(3))."""
    return time.clock_gettime_ns(~pid << 3 | 2) / 1000


def _note_losses(figures: Figures, running: Running) -> None:
    if lost := exchanges.lost(running):
        figures.note(f"{lost:,} packets of what was said were lost while kernel time was measured: they cost less")


def measure_others(figures: Figures, folder: Path, rounds: int) -> None:
    """`l7_other_syscall_ns`: what a call that no socket is in takes more with the agent; `…_nothing` without it."""
    with world.load_tool("syscalls") as tool, switched.agent(folder) as running:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen([tool], **pipes) as calling:  # type: ignore[call-overload]

            def least_ns() -> float:
                calling.stdin.write("\n")
                calling.stdin.flush()
                return float(calling.stdout.readline())

            running.off()
            before = least_ns()
            for _ in range(rounds):
                running.on()
                observed = least_ns()
                running.off()
                after = least_ns()
                figures.add("l7_other_syscall_ns", observed - (before + after) / 2)
                figures.add("l7_other_syscall_ns_nothing", after - before)
                before = after
            running.on()
