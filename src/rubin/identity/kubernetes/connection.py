"""One connection to an API server: HTTP/1.1, kept open, an answer as bytes or line by line."""

import http.client
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from rubin import __version__
from rubin.errors import RubinError
from rubin.identity.kubernetes.cluster import Cluster
from rubin.identity.kubernetes.trouble import refusal, shown

LONGEST_BODY = 256 << 20
"""Bytes of an answer: 500 objects of half a megabyte."""
LONGEST_LINE = 16 << 20
"""Bytes of an event: etcd takes 1.5 MB an object."""
_AT_ONCE = 1 << 18
# A peer that has gone without a word is noticed within a minute, whatever the server sends (tcp(7))
_ALIVE = (
    ((socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 30),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPINTVL), 10),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPCNT), 3),
)


class Connection:
    """Asked by one thread, closed by any. Raises OSError, http.client.HTTPException or RubinError (see `trouble`)."""

    def __init__(self, cluster: Cluster, answer_s: float = 30.0) -> None:
        """`answer_s`: how long to wait for each part of an answer."""
        self._cluster, self._answer_s = cluster, answer_s
        self._lock = threading.Lock()
        self._closed = False
        self._socket: socket.socket | None = None
        self._http: http.client.HTTPConnection | None = None

    def read(self, path: str, query: Mapping[str, str]) -> bytes:
        """The body of an answer in JSON. Raises Refusal for any other than 200."""
        return b"".join(self._parts(self._get(path, query)))

    def lines(self, path: str, query: Mapping[str, str], wait_s: float) -> Iterator[bytes]:
        """The lines of an answer as they come, until the server ends it; `wait_s`: how long to wait for each.

        Returns when the answer has begun. Raises Refusal for any other than 200.
        """
        answer = self._get(path, query)
        self.wait(wait_s)
        return self._split(answer)

    def _split(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        tail = b""
        for part in self._chunks(answer):
            *whole, tail = (tail + part).split(b"\n")
            yield from whole
            if len(tail) > LONGEST_LINE:
                raise RubinError(f"{self._cluster.place} sends a line of more than {LONGEST_LINE >> 20} MB")
        if tail:
            raise http.client.IncompleteRead(tail[:100])

    def wait(self, seconds: float) -> None:
        """From now on wait so long for each part of the answer."""
        with self._lock:
            if self._socket is not None:
                self._socket.settimeout(seconds)

    def drop(self) -> None:
        """Close the connection; the next question opens another."""
        with self._lock:
            opened, held, self._http, self._socket = self._http, self._socket, None, None
        for one in (opened, held):
            if one is not None:
                one.close()

    def close(self) -> None:
        """Wake who waits for an answer with an OSError; nothing can be asked any more."""
        with self._lock:
            self._closed = True
            if self._socket is not None:
                _shut(self._socket)

    def _get(self, path: str, query: Mapping[str, str]) -> http.client.HTTPResponse:
        kept = self._http is not None
        try:
            return self._answer(path, query)
        except (ConnectionError, http.client.BadStatusLine):
            # A server may close a connection that it kept open just as the next question comes (RFC 9112, 9.5)
            self.drop()
            if not kept:
                raise
            return self._answer(path, query)

    def _answer(self, path: str, query: Mapping[str, str]) -> http.client.HTTPResponse:
        opened = self._opened()
        self.wait(self._answer_s)
        opened.request("GET", f"{self._cluster.path}{path}?{urlencode(query)}", headers=self._headers())
        response = opened.getresponse()
        if response.status == http.client.OK:
            self._check_kind(response)
            return response
        if response.status == http.client.UNAUTHORIZED:
            self._cluster.token.refused()
        body = b"".join(self._parts(response))
        raise refusal(response.status, response.reason, body, response.getheader("Retry-After", ""))

    def _check_kind(self, response: http.client.HTTPResponse) -> None:
        kind = response.getheader("Content-Type", "")
        if kind.partition(";")[0].strip() != "application/json":
            said = f"sends {shown(kind)[:60]}" if kind else "does not say what it sends"
            raise RubinError(f"{self._cluster.place} is no Kubernetes API server: it {said}")

    def _headers(self) -> dict[str, str]:
        token = self._cluster.token.text()
        said = {"Accept": "application/json", "User-Agent": f"rubin/{__version__}"}
        return {**said, "Authorization": f"Bearer {token}"} if token else said

    def _parts(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        size = 0
        for part in self._chunks(response):
            size += len(part)
            if size > LONGEST_BODY:
                raise RubinError(f"{self._cluster.place} sends an answer of more than {LONGEST_BODY >> 20} MB")
            yield part

    def _chunks(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        while part := response.read1(_AT_ONCE):
            yield part
        if response.length:  # what Content-Length promised and did not come
            raise http.client.IncompleteRead(b"", response.length)
        response.close()  # read1 leaves it open where the length was given, and an open one bars the next question
        if response.will_close:
            self.drop()

    def _opened(self) -> http.client.HTTPConnection:
        if self._http is None:
            self._connect()
            self._http = http.client.HTTPConnection(self._cluster.host, self._cluster.port)
            self._http.sock = self._socket
        return self._http

    def _connect(self) -> None:
        """A connected socket, in TLS where the cluster has it, at the first of the host's addresses that answers."""
        found = socket.getaddrinfo(self._cluster.host, self._cluster.port, type=socket.SOCK_STREAM)
        for at, (family, kind, protocol, _, address) in enumerate(found, 1):
            try:
                self._reach(socket.socket(family, kind, protocol), address)
                return
            except OSError:
                self.drop()
                if at == len(found):
                    raise

    def _reach(self, made: socket.socket, address: Any) -> None:
        for option, value in _ALIVE:
            made.setsockopt(*option, value)
        self._hold(made).connect(address)
        if self._cluster.tls is not None:
            name = self._cluster.tls_name or self._cluster.host
            secured = self._cluster.tls.wrap_socket(made, server_hostname=name, do_handshake_on_connect=False)
            self._hold(secured)
            secured.do_handshake()
        self._hold(self._socket or made)

    def _hold(self, made: socket.socket) -> socket.socket:
        """Let `close` reach a socket, also while it connects."""
        with self._lock:
            if self._closed:
                made.close()
                raise ConnectionAbortedError("closed")
            self._socket = made
            made.settimeout(self._answer_s)
        return made


def _shut(opened: socket.socket) -> None:
    # Not SSLSocket's own: that takes the TLS object away from the thread that reads through it
    with suppress(OSError):  # not connected yet, or no more
        socket.socket.shutdown(opened, socket.SHUT_RDWR)
