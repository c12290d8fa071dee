"""Clients and a name server whose exchanges anybody can work out afterwards: `python -m bench.asking KIND …`."""

import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

STATUSES = (200, 200, 200, 201, 404, 503)
METHODS = ("GET", "GET", "POST", "PUT", "DELETE")
RCODES = (0, 0, 0, 3, 2)
_SLICES = 100  # a second


def http_truth(seed: int, count: int) -> Iterator[tuple[str, str, int]]:
    """(method, path, status) of each request of a client."""
    for number in range(count):
        status = STATUSES[number % len(STATUSES)]
        yield METHODS[number % len(METHODS)], f"/s{status}/{seed}-{number}", status


def dns_truth(seed: int, count: int) -> Iterator[tuple[str, int]]:
    """(name, rcode) of each question of a client."""
    for number in range(count):
        rcode = RCODES[number % len(RCODES)]
        yield f"n{number}.c{seed}.r{rcode}.example.", rcode


def _paced(count: int, rate: int) -> Iterator[int]:
    """Numbers at a rate, in slices of a hundredth of a second."""
    begun = time.monotonic()
    for number in range(count):
        if number % max(rate // _SLICES, 1) == 0:
            time.sleep(max(begun + number / rate - time.monotonic(), 0))
        yield number


def http(address: str, port: int, seed: int, count: int, rate: int) -> None:
    """Requests on one connection, each answered before the next."""
    with socket.create_connection((address, port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        truth = http_truth(seed, count)
        for _ in _paced(count, rate):
            method, path, _ = next(truth)
            body = b"a=1" if method in ("POST", "PUT") else b""
            head = f"{method} {path}?q=1 HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            _answer(connection)


def _answer(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)


def dns(address: str, port: int, seed: int, count: int, rate: int) -> None:
    """Questions, each answered before the next."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((address, port))
        client.settimeout(5)
        truth = dns_truth(seed, count)
        for number in _paced(count, rate):
            name, _ = next(truth)
            labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
            client.send(struct.pack("!6H", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1")
            client.recv(512)


def dns_server(address: str, port: int) -> None:
    """Answers with the code that the name says, and one address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        while True:
            question, client = server.recvfrom(512)
            at = question.rindex(b"\x02r") + 2
            rcode = int(question[at : at + 1])
            record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\7" if not rcode else b""
            head = question[:2] + struct.pack("!5H", 0x8180 | rcode, 1, bool(record), 0, 0)
            server.sendto(head + question[12:] + record, client)


if __name__ == "__main__":
    kind, host, *numbers = sys.argv[1:]
    kinds: dict[str, Callable[..., None]] = {"http": http, "dns": dns, "dns-server": dns_server}
    kinds[kind](host, *map(int, numbers))
