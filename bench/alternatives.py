"""What one could install instead to see requests: Envoy or mitmproxy before nginx, or tshark beside it."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from bench import requests, servers, world
from bench.figures import Figures
from tools.dev import environment
from tools.dev.say import Stop

_ENVOY_PORT, _MITMPROXY_PORT = 7090, 7091


@dataclass(frozen=True)
class _Tool:
    """`port`: where requests go that it shall see."""

    name: str
    port: int
    command: list[str]


def measure(figures: Figures, folder: Path, rounds: int, seconds: int) -> None:
    """`other.*.l7_nginx_rps_ratio`, at saturation; `.l7_nginx_p99_ratio`, at half of what goes through with the tool;
    `.cpu_percent` of one processor at saturation: each time between two times without the tool.
    """
    with servers.nginx(folder), world.load_tool("http_rate") as rated:
        load = _Load(rated, seconds)
        for tool in _tools(figures, folder):
            for _ in range(rounds):
                _beside(figures, tool, load)


def _tools(figures: Figures, folder: Path) -> list[_Tool]:
    """Those that can be had."""
    tshark = _Tool("tshark", servers.HTTP, ["tshark", "-n", "-i", world.FAR_LINK, "-T", "ek", "-Y", "http"])
    try:
        venv = environment.apart("bench")
    except Stop as stop:
        figures.note(f"without Envoy and mitmproxy: {stop.sentence.splitlines()[0]}")
        return [tshark]
    envoy = _Tool("envoy", _ENVOY_PORT, _envoy(venv, folder))
    return [tshark, envoy, _Tool("mitmproxy", _MITMPROXY_PORT, _mitmproxy(venv, folder))]


@dataclass(frozen=True)
class _Load:
    """Requests for some seconds; `rated`: the command of bench/http_rate.c."""

    rated: str
    seconds: int

    def most(self, port: int) -> float:
        """Answers a second of as many as there can be."""
        return requests.most(port, self.seconds)

    def slowest_us(self, port: int, rate: float) -> float:
        """The slowest hundredth at a fixed rate."""
        with requests.paced(self.rated, rate, self.seconds, port, together=requests.TOGETHER) as following:
            return following().p99_us


def _beside(figures: Figures, tool: _Tool, load: _Load) -> None:
    before = load.most(servers.HTTP)
    with _running(tool) as pid:
        begun = _cpu_seconds(pid)
        through = load.most(tool.port)
        figures.add(f"other.{tool.name}.cpu_percent", 100 * (_cpu_seconds(pid) - begun) / load.seconds)
    after = load.most(servers.HTTP)
    figures.add(f"other.{tool.name}.l7_nginx_rps_ratio", 2 * through / (before + after))
    before = load.slowest_us(servers.HTTP, through / 2)
    with _running(tool):
        observed = load.slowest_us(tool.port, through / 2)
    after = load.slowest_us(servers.HTTP, through / 2)
    figures.add(f"other.{tool.name}.l7_nginx_p99_ratio", 2 * observed / (before + after))


@contextmanager
def _running(tool: _Tool) -> Iterator[int]:
    """The tool's process, once it sees requests."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(world.inside(world.FAR, *tool.command), **quiet) as process:  # type: ignore[call-overload]
        try:
            if tool.port == servers.HTTP:
                world.wait_for_packet_socket(world.FAR)
            else:
                world.wait_for_port(world.FAR, str(tool.port))
            yield process.pid
        finally:
            process.terminate()


def _cpu_seconds(pid: int) -> float:
    """Of a process and of its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(world.cpu_seconds(one) for one in (pid, *map(int, children)))


def _envoy(venv: Path, folder: Path) -> list[str]:
    (program,) = glob(f"{venv}/lib/python3*/site-packages/envoy/_bin/envoy")
    settings = folder / "envoy.json"
    settings.write_text(json.dumps(_envoy_settings()))
    return [program, "-c", str(settings), "--concurrency", "1", "--disable-hot-restart", "-l", "off"]


def _envoy_settings() -> dict[str, object]:
    """One listener before nginx, which writes down what it sees."""
    types = "type.googleapis.com/envoy.extensions"
    log = {
        "name": "log",
        "typed_config": {"@type": f"{types}.access_loggers.file.v3.FileAccessLog", "path": os.devnull},
    }
    router = {"name": "router", "typed_config": {"@type": f"{types}.filters.http.router.v3.Router"}}
    routes = {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [_ALL_TO_NGINX]}]}
    manager = {
        "@type": f"{types}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench", "route_config": routes, "http_filters": [router], "access_log": [log],
    }  # fmt: skip
    listener = {
        "address": _socket(_ENVOY_PORT),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    endpoint = {"endpoint": {"address": _socket(servers.HTTP)}}
    cluster = {
        "name": "nginx",
        "load_assignment": {"cluster_name": "nginx", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


_ALL_TO_NGINX = {"match": {"prefix": "/"}, "route": {"cluster": "nginx"}}


def _socket(port: int) -> dict[str, object]:
    return {"socket_address": {"address": world.FAR_ADDRESS, "port_value": port}}


def _mitmproxy(venv: Path, folder: Path) -> list[str]:
    to, at = f"http://{world.FAR_ADDRESS}:{servers.HTTP}", ("--listen-host", world.FAR_ADDRESS)
    words = ("--mode", f"reverse:{to}", *at, "--listen-port", str(_MITMPROXY_PORT), "--set", f"confdir={folder}")
    return [str(venv / "bin" / "mitmdump"), *words]
