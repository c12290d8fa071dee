"""A real Prometheus with storage of its own, and questions to it."""

import json
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

from demo import processes
from demo.place import FOLDER
from rubin.errors import RubinError

SETTINGS = Path(__file__).resolve().parents[1] / "deploy" / "prometheus" / "prometheus.yml"
SCRAPE_INTERVAL = "1s"
READY_S = 20.0
# Straight to the address, whatever proxy the environment names.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Prometheus:
    """A running Prometheus that scrapes `target` every second."""

    def __init__(self, target: str) -> None:
        self._url = f"http://127.0.0.1:{free_port()}"
        settings = FOLDER / "prometheus.yml"
        settings.write_text(_settings(target))
        self._process = processes.start(
            "prometheus",
            [
                "prometheus",
                f"--config.file={settings}",
                f"--storage.tsdb.path={FOLDER / 'prometheus'}",
                f"--web.listen-address={self._url.removeprefix('http://')}",
                "--log.level=warn",
            ],
        )

    def rates(self, query: str) -> dict[str, float]:
        """Each series that answers a query, and its value; {} where Prometheus is not ready yet."""
        try:
            answer = json.loads(self._get(f"/api/v1/query?{urllib.parse.urlencode({'query': query})}"))
        except (urllib.error.URLError, ConnectionError) as error:
            self._complain(error)
            return {}
        results = answer["data"]["result"]
        return {_labels(result["metric"]): float(result["value"][1]) for result in results}

    def wait(self) -> None:
        """Returns when it answers; raises RubinError where it does not."""
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            try:
                self._get("/-/ready")
                return
            except (urllib.error.URLError, ConnectionError) as error:
                self._complain(error)
            time.sleep(0.05)
        raise RubinError("Prometheus does not get ready", f"look at {processes.log_of('prometheus')}")

    def _get(self, path: str) -> bytes:
        with _DIRECT.open(self._url + path, timeout=5) as response:
            body: bytes = response.read()
        return body

    def _complain(self, error: Exception) -> None:
        """An error is only an error when the process has ended, or the question itself is refused."""
        if self._process.poll() is not None:
            words = processes.log_of("prometheus").read_text()[-500:]
            raise RubinError("Prometheus ended", words) from error
        if isinstance(error, urllib.error.HTTPError) and error.code == 400:
            raise RubinError(f"Prometheus refuses the question: {error.read().decode()}") from error


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _settings(target: str) -> str:
    settings = yaml.safe_load(SETTINGS.read_text())
    settings["global"]["scrape_interval"] = SCRAPE_INTERVAL
    settings["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    return yaml.safe_dump(settings)


def _labels(metric: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(metric.items())) or "(no labels)"
