"""The page over HTTP, for Prometheus to scrape: `/metrics`, and `/healthz` for a probe."""

import gzip
import logging
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rubin.errors import RubinError, UsageError
from rubin.metrics.exposition import OPEN_METRICS, TEXT, wants_open_metrics
from rubin.metrics.series import BOUNDS_S, Family

_LOG = logging.getLogger(__name__)

_CLIENTS = 16  # scrapes at once; further connections are closed at once
_PATIENCE_S = 10.0  # for a client that says or reads nothing
_SMALL_BYTES = 4096  # not worth compressing


@dataclass(frozen=True)
class Settings:
    """Where the page is served. Without certificate and key it is plain HTTP."""

    listen: str = ":9965"
    """address:port; an empty address is all of them, an empty text serves nothing."""
    tls_certificate: str = ""
    """PEM files; read again when they change."""
    tls_key: str = ""
    tls_client_authorities: str = ""
    """PEM of the authorities by one of which clients must be certified (mutual TLS)."""


class Server:
    """Serves a page on threads of its own, from `start` to `close`."""

    def __init__(self, settings: Settings, page: Callable[[bool], bytes]) -> None:
        self._page = page
        self._tls = _Certificates(settings) if settings.tls_certificate or settings.tls_key else None
        self.requests = Requests()
        self._server = _listening(settings.listen, self)
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on, also where 0 was asked for."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def close(self) -> None:
        """Serve no more; waits for the thread, not for slow clients."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def secured(self, connection: socket.socket) -> socket.socket:
        """The connection, in TLS where that is configured; the handshake comes with the first read."""
        if self._tls is None:
            return connection
        return self._tls.context().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def answer(self, path: str, accept: str, zipped: bool) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        path = path.partition("?")[0]
        if path == "/healthz":
            return 200, {"Content-Type": "text/plain"}, b"ok\n"
        if path != "/metrics":
            return 404, {"Content-Type": "text/plain"}, b"try /metrics\n"
        open_metrics = wants_open_metrics(accept)
        body = self._page(open_metrics)
        headers = {"Content-Type": OPEN_METRICS if open_metrics else TEXT}
        if zipped and len(body) > _SMALL_BYTES:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, compresslevel=1)  # without the GIL: the line goes on
        return 200, headers, body


class Requests:
    """Hubble's own figures of its metrics endpoint."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[int] = Counter()
        self._durations: dict[int, list[float]] = {}

    def note(self, code: int, duration_s: float) -> None:
        """Count one answer."""
        with self._lock:
            self._counts[code] += 1
            self._durations.setdefault(code, []).append(duration_s)
            if len(self._durations[code]) > 1:
                self._durations[code] = [sum(self._durations[code])]

    def families(self) -> list[Family]:
        """How many there were, by code."""
        with self._lock:
            lines = [f'hubble_metrics_http_handler_requests_total{{code="{code}"}} {n}' for code, n in sorted(self._counts.items())]
        return [Family("hubble_metrics_http_handler_requests_total", "counter", "Scrapes answered", lines)]
