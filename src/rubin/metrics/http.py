"""The page over HTTP, for Prometheus to scrape: `/metrics`, and `/healthz` for a probe."""

import gzip
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from rubin.errors import RubinError, UsageError
from rubin.metrics.exposition import OPEN_METRICS, TEXT, wants_open_metrics
from rubin.metrics.requests import Requests
from rubin.trust.contexts import Reloading
from rubin.trust.files import TlsFiles

_LOG = logging.getLogger(__name__)

_CLIENTS = 16  # connections at once; further ones are closed
_PATIENCE_S = 30.0  # with a client that says or reads nothing
_SMALL_BYTES = 4096  # not worth compressing


@dataclass(frozen=True)
class Settings:
    """Where the page is served. Without certificate and key it is plain HTTP, as Hubble's."""

    listen: str = ":9965"
    """address:port; no address means all of them."""
    tls_certificate: str = ""
    """PEM file, read again when it changes, as are the next two."""
    tls_key: str = ""
    tls_client_authorities: str = ""
    """PEM of the authorities one of which must have certified a client (mutual TLS)."""


class Server:
    """Serves a page on threads of its own, from `start` to `close`. Raises RubinError where it cannot listen."""

    def __init__(self, settings: Settings, page: Callable[[bool], bytes]) -> None:
        self.requests = Requests()
        self._server = _Listener(_address(settings.listen), page, _tls(settings), self.requests)
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on, also where 0 was asked for."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def close(self) -> None:
        """Serve no more; does not wait for slow clients."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


def _tls(settings: Settings) -> Reloading | None:
    """TLS 1.3 and later, if it is asked for. Raises UsageError and RubinError."""
    authorities = (settings.tls_client_authorities,) if settings.tls_client_authorities else ()
    files = TlsFiles(settings.tls_certificate, settings.tls_key, authorities)
    if not files.named():
        return None
    if not files.certificate or not files.key:
        raise UsageError(
            "TLS for metrics needs a certificate and its key", "set tls_certificate and tls_key, or neither"
        )

    def context() -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_3
        if files.authorities:
            made.verify_mode = ssl.CERT_REQUIRED
        files.load(made)
        return made

    return Reloading(context, files)


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65_535:
        raise UsageError(f"'{listen}' is not an address to listen on", "write :9965, 127.0.0.1:9965 or [::1]:9965")
    return host.strip("[]"), int(port)


class _Listener(ThreadingHTTPServer):
    """The listening socket and its threads."""

    daemon_threads = True
    block_on_close = False  # a slow client must not keep the agent from ending

    def __init__(
        self,
        address: tuple[str, int],
        page: Callable[[bool], bytes],
        tls: Reloading | None,
        requests: Requests,
    ) -> None:
        self.page, self.requests, self._tls = page, requests, tls
        self._places = threading.BoundedSemaphore(_CLIENTS)
        self.address_family = socket.AF_INET6 if ":" in address[0] or not address[0] else socket.AF_INET
        try:
            super().__init__(address, _Request)
        except OSError as error:
            where = f"{address[0]}:{address[1]}"
            raise RubinError(
                f"cannot serve metrics on {where}: {error.strerror}", "choose another address or port"
            ) from error

    def server_bind(self) -> None:
        """Bind; all addresses means IPv4's and IPv6's."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        TCPServer.server_bind(self)  # HTTPServer's would ask the DNS for the host's name
        self.server_name, self.server_port = "", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection on a thread of its own, or close it where there are too many."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        request.settimeout(_PATIENCE_S)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The connection's thread, TLS handshake included."""
        try:
            if self._tls is not None:
                request = self._tls.newest().wrap_socket(request, server_side=True)
            super().process_request_thread(request, client_address)
        except OSError as error:  # a client that speaks no TLS, has no certificate, or went away
            _LOG.debug("metrics: client=%s error=%s", client_address[0], error)
            self.shutdown_request(request)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is no error of ours."""
        _LOG.debug("metrics: client=%s went away: %s", client_address[0], request, exc_info=True)


class _Request(BaseHTTPRequestHandler):
    """One connection."""

    server: _Listener
    protocol_version = "HTTP/1.1"
    server_version = "rubin"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer."""
        self._send(with_body=True)

    def do_HEAD(self) -> None:
        """Answer with what the headers of GET would be."""
        self._send(with_body=False)

    def _send(self, with_body: bool) -> None:
        start = time.monotonic()
        status, headers, body = self._answer(self.path.partition("?")[0])
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)
        self.server.requests.note(status, time.monotonic() - start)

    def _answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if path == "/healthz":
            return 200, {"Content-Type": "text/plain"}, b"ok\n"
        if path != "/metrics":
            return 404, {"Content-Type": "text/plain"}, b"not found\n  try: /metrics\n"
        open_metrics = wants_open_metrics(self.headers.get("Accept", ""))
        body = self.server.page(open_metrics)
        headers = {"Content-Type": OPEN_METRICS if open_metrics else TEXT}
        if "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > _SMALL_BYTES:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, compresslevel=1)  # zlib lets go of the GIL: the line goes on
        return 200, headers, body

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Scrapes are counted, not logged."""
