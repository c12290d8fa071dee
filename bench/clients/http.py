"""HTTP/1.1, plain and over OpenSSL."""

import socket
import ssl
import time
from collections.abc import Callable, Iterable

from bench.clients.pace import Exchange

STATUSES = (200, 200, 200, 201, 404, 503)
_METHODS = ("GET", "GET", "POST", "PUT", "DELETE")
_A_CONNECTION = 1_000  # requests
_Secure = Callable[[socket.socket], socket.socket]


def truth(seed: int, number: int) -> Exchange:
    """What a client's request asks for, and how it is answered."""
    status = STATUSES[number % len(STATUSES)]
    return _METHODS[number % len(_METHODS)], f"/s{status}/{seed}-{number}", str(status), ""


def ask(address: str, port: int, seed: int, numbers: Iterable[int]) -> None:
    """Requests, each answered before the next; prints each one's path and the ns until its answer began."""
    _ask((address, port), seed, numbers, lambda plain: plain)


def ask_securely(address: str, port: int, seed: int, numbers: Iterable[int]) -> None:
    """The same over TLS, whoever the server is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _ask((address, port), seed, numbers, context.wrap_socket)


def _ask(server: tuple[str, int], seed: int, numbers: Iterable[int], secure: _Secure) -> None:
    told = list[str]()
    connection = _connected(server, secure)
    for number in numbers:
        if number and not number % _A_CONNECTION:
            connection.close()
            connection = _connected(server, secure)
        method, path, _, _ = truth(seed, number)
        body = b"a=1" if method in ("POST", "PUT") else b""
        head = f"{method} {path}?q=1 HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
        begun = time.perf_counter_ns()
        connection.sendall(head.encode() + body)
        first = connection.recv(65536)
        told.append(f"{path} {time.perf_counter_ns() - begun}")
        _finish(connection, first)
    connection.close()
    print("\n".join(told))


def _connected(server: tuple[str, int], secure: _Secure) -> socket.socket:
    plain = socket.create_connection(server)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return secure(plain)


def _finish(connection: socket.socket, data: bytes) -> None:
    """The rest of an answer that has begun."""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    missing = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]) - len(body)
    while missing > 0:
        missing -= len(connection.recv(65536))
