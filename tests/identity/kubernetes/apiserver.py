"""A small API server for tests: real HTTP on 127.0.0.1, strict where a client could be wrong.

What it knows is GET: lists in pages, watches, streaming lists, selectors, bookmarks, Status bodies. `test_apiserver.py`
holds it to answers of a real one. Troubles are put in with `trouble`, and what was asked stands in `asked`.
"""

import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

from tests.identity.kubernetes import statuses
from tests.identity.kubernetes.reading import Answer, Place, Reading, Refused, Watch, place_of
from tests.identity.kubernetes.world import World


@dataclass(frozen=True)
class Asked:
    """A request."""

    at: float
    place: Place
    query: Mapping[str, str]
    token: str

    @property
    def verb(self) -> str:
        """What RBAC calls it."""
        return "watch" if self.query.get("watch") in ("true", "1") else "get" if self.place.name else "list"


Trouble = Callable[["Handler"], None]


class ApiServer:
    """A server on a port of its own, with a world that tests change. A context."""

    def __init__(self, tls: ssl.SSLContext | None = None, world: World | None = None) -> None:
        self.world, self._tls = world or World(), tls
        self.streams_lists: bool | None = True
        """Whether streaming lists are offered; None: not even known, as before Kubernetes 1.27."""
        self.bookmark_s = 60.0
        self.tokens: set[str] = set()
        """Those that are good; without any nobody is asked for one."""
        self.forbidden: set[str] = set()
        """Resources that nobody may read."""
        self.asked: list[Asked] = []
        self.before: Callable[[Asked], None] = lambda _: None
        """Is called with each request, before it is answered."""
        self._troubles: dict[str, Trouble] = {}
        self.stopping = threading.Event()
        self.connections: set[Any] = set()
        self._listening: _Listening | None = None
        self.port = 0

    def start(self) -> Self:
        """Listen, on the port of before where there was one."""
        self.stopping.clear()
        self._listening = _Listening(self, self.port, self._tls)
        self.port = self._listening.server_address[1]
        threading.Thread(target=self._listening.serve_forever, args=(0.01,), name="api server").start()
        return self

    def stop(self) -> None:
        """Close all connections and the port."""
        if self._listening is not None:
            self._listening.shutdown()
            self.stopping.set()
            self.cut()
            self._listening.server_close()
            self._listening = None

    def cut(self) -> None:
        """Close all connections."""
        for one in list(self.connections):
            with suppress(OSError):  # closed by its own thread in between
                socket.shutdown(one, SHUT_RDWR)
        with self.world.changed:
            self.world.changed.notify_all()

    def trouble(self, trouble: Trouble | None, resource: str = "") -> None:
        """Answer so instead, where only one resource is asked for or whatever is asked for; None: no more."""
        self._troubles.pop(resource, None)
        if trouble is not None:
            self._troubles[resource] = trouble

    def trouble_of(self, resource: str) -> Trouble | None:
        """How a resource is answered for instead."""
        return self._troubles.get(resource) or self._troubles.get("")

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Listening(ThreadingHTTPServer):
    daemon_threads, block_on_close, request_queue_size = False, True, 64

    def __init__(self, api: ApiServer, port: int, tls: ssl.SSLContext | None) -> None:
        self.api, self.tls = api, tls
        super().__init__(("127.0.0.1", port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self.tls is not None:
            request = self.tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        self.api.connections.add(request)
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """On the connection's own thread."""
        try:
            if self.tls is not None:
                request.do_handshake()
            Handler(request, client_address, self)
        except (OSError, ValueError):
            return  # the other side, or `cut`, has closed it
        finally:
            self.api.connections.discard(request)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: _Listening

    def do_GET(self) -> None:
        """An answer, in trouble where some was put in."""
        api, parts = self.server.api, urlsplit(self.path)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        asked = Asked(time.monotonic(), place_of(parts.path), dict(parse_qsl(parts.query, True)), token)
        api.asked.append(asked)
        api.before(asked)
        if trouble := api.trouble_of(asked.place.plural):
            return trouble(self)
        try:
            self._check_rights(asked)
            answer = Reading(api.world, api.streams_lists).answer(asked.place, asked.query)
        except Refused as refused:
            return self.say(refused.body["code"], refused.body)
        if isinstance(answer, Watch):
            return self._stream(answer)
        return self.say(200, answer)

    def _check_rights(self, asked: Asked) -> None:
        api = self.server.api
        if api.tokens and asked.token and asked.token not in api.tokens:
            raise Refused(statuses.unauthorized())
        anonymous = bool(api.tokens) and not asked.token
        if asked.place.plural and (anonymous or asked.place.plural in api.forbidden):
            place = asked.place
            raise Refused(statuses.forbidden(place.kind, asked.verb, place.namespace, anonymous))

    def say(self, code: int, answer: Answer, headers: Mapping[str, str] | None = None) -> None:
        """One whole answer; what is long goes in chunks, as from Go's server."""
        if answer == statuses.NO_PATH:
            kind, body = "text/plain; charset=utf-8", b"404 page not found\n"
        else:
            kind, body = (
                "application/json",
                answer if isinstance(answer, bytes) else json.dumps(answer).encode() + b"\n",
            )
        self._head(code, kind, headers)
        if len(body) < 2048:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self._begin_chunks()
            self._chunk(body)
            self.wfile.write(b"0\r\n\r\n")

    def _stream(self, watch: Watch) -> None:
        self._head(200, "application/json", None)
        self._begin_chunks()
        self.wfile.flush()
        for line in watch.lines(self.server.api.bookmark_s, self.server.api.stopping):
            self._chunk(line)
        if not self.server.api.stopping.is_set():
            self.wfile.write(b"0\r\n\r\n")

    def _head(self, code: int, kind: str, headers: Mapping[str, str] | None) -> None:
        self.send_response_only(code)
        told = {"Audit-Id": str(uuid4()), "Cache-Control": "no-cache, private", "Content-Type": kind}
        if code != 401:  # flow control comes after authentication
            told["X-Kubernetes-Pf-Flowschema-Uid"] = told["X-Kubernetes-Pf-Prioritylevel-Uid"] = str(uuid4())
        if code == 403:
            told["X-Content-Type-Options"] = "nosniff"
        for name, value in {**told, "Date": self.date_time_string(), **(headers or {})}.items():
            self.send_header(name, value)

    def _begin_chunks(self) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def log_message(self, *_: object) -> None:
        """Nothing: `asked` has it all."""


def refusing(code: int, **headers: str) -> Trouble:
    """Always this error, in the API's words."""
    body = statuses.unauthorized() if code == 401 else statuses.failing(code)
    return lambda handler: handler.say(code, body, {name.replace("_", "-"): text for name, text in headers.items()})


def saying(data: bytes) -> Trouble:
    """These bytes instead of HTTP, then the end."""

    def say(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(data)

    return say


def hanging(handler: Handler) -> None:
    """No answer."""
    handler.close_connection = True
    handler.server.api.stopping.wait()
