"""Two hosts joined by a cable, and traffic between them: network namespaces and a veth pair."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "rubin-bench-"
NEAR, FAR = f"{_PREFIX}{os.getpid()}-near", f"{_PREFIX}{os.getpid()}-far"
NEAR_ADDRESS, FAR_ADDRESS = "10.199.1.1", "10.199.1.2"
NEAR_LINK, FAR_LINK = "rbench-near", "rbench-far"
UDP_PORT, TCP_PORT = "7001", "7002"


def run(*command: str) -> str:
    """The command's output; raises CalledProcessError with what it complained of."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextmanager
def cable() -> Iterator[None]:
    """The two namespaces; gone at the end, whatever happens."""
    _clear()
    try:
        for name in (NEAR, FAR):
            run("ip", "netns", "add", name)
        run("ip", "link", "add", NEAR_LINK, "netns", NEAR, "type", "veth", "peer", "name", FAR_LINK, "netns", FAR)
        for name, link, address in ((NEAR, NEAR_LINK, NEAR_ADDRESS), (FAR, FAR_LINK, FAR_ADDRESS)):
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", link)
            run("ip", "-n", name, "link", "set", link, "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
            # Short connections would run out of ports: TIME_WAIT may be used again after a second.
            run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv4.tcp_tw_reuse=1")
            run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65000")
        yield
    finally:
        _clear()


def _clear() -> None:
    """Removes ours, and those of runs that were killed."""
    there = [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.startswith(_PREFIX)]
    for name in there:
        pid = name.removeprefix(_PREFIX).partition("-")[0]
        if name in (NEAR, FAR) or not Path(f"/proc/{pid}").exists():
            run("ip", "netns", "del", name)


@contextmanager
def load_tool(name: str = "load") -> Iterator[str]:
    """A traffic generator, compiled from bench/NAME.c for this run."""
    with tempfile.TemporaryDirectory(prefix="rubin-bench-") as folder:
        path = Path(folder) / name
        run("clang", "-O2", "-o", str(path), str(Path(__file__).with_name(f"{name}.c")))
        yield str(path)


@contextmanager
def serving(*command: str, namespace: str = FAR) -> Iterator["subprocess.Popen[str]"]:
    """A server in a namespace for as long as the block lasts."""
    process = subprocess.Popen(
        inside(namespace, *command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def inside(namespace: str, *command: str) -> list[str]:
    """The command line that runs `command` in the namespace."""
    return ["ip", "netns", "exec", namespace, *command]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Resident memory of a process, MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def wait_for_port(namespace: str, port: str) -> None:
    """Until somebody is bound to the port there (ss(8))."""
    wait_until(lambda: run(*inside(namespace, "ss", "-Hltun", f"sport = :{port}")))


def wait_for_packet_socket(namespace: str) -> None:
    """Until somebody captures packets there (/proc/net/packet has a line below its head)."""
    wait_until(lambda: "\n" in run(*inside(namespace, "cat", "/proc/net/packet")).strip())


def wait_until(condition: Callable[[], object]) -> None:
    """Raises TimeoutError where the condition does not come true."""
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("nobody came within 20 s")
        time.sleep(0.02)
