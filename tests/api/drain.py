"""A client that only reads: HTTP/2 frames are walked, DATA is counted and its window given back, nothing is decoded.

`python -m tests.api.drain ADDRESS [TIMES]` asks GetFlows for everything TIMES times and prints one line
of `bytes seconds` for each; ADDRESS is `host:port` or the path of a Unix socket. The windows are those
that grpc-go's estimator reaches (4 MB), its frames 16 KB.
"""

import fcntl
import socket
import struct
import sys
import termios
import time

from hpack import Encoder

_WINDOW = 4 << 20
_DATA, _HEADERS, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One HTTP/2 frame."""
    return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def connect(address: str) -> socket.socket:
    """A connection that has introduced itself."""
    if address.startswith("/"):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(address)
    else:
        host, _, port = address.rpartition(":")
        connection = socket.create_connection((host, int(port)))
    settings = struct.pack(">HI", 4, _WINDOW)
    grown = struct.pack(">I", _WINDOW - 65_535)
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(_SETTINGS, 0, 0, settings))
    connection.sendall(frame(_WINDOW_UPDATE, 0, 0, grown))
    return connection


class Drain:
    """Requests on one connection, one after another."""

    def __init__(self, address: str, method: str = "/observer.Observer/GetFlows") -> None:
        self._connection, self._stream = connect(address), -1
        self._encoder = Encoder()
        self._method, self._authority = method, address
        self._buffer = bytearray(1 << 20)
        self._held = 0
        self.kept: list[bytes] | None = None  # a list, to keep the payload

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def ask(self, request: bytes = b"") -> None:
        """Send a request."""
        self._stream += 2
        head = self._encoder.encode(
            [(":method", "POST"), (":scheme", "http"), (":path", self._method), (":authority", "x"),
             ("te", "trailers"), ("content-type", "application/grpc")]
        )  # fmt: skip
        body = struct.pack(">BI", 0, len(request)) + request
        data = frame(_DATA, _END_STREAM, self._stream, body)
        self._connection.sendall(frame(_HEADERS, _END_HEADERS, self._stream, head) + data)

    def waiting(self) -> int:
        """The bytes that have come and were not read."""
        counted = fcntl.ioctl(self._connection, termios.FIONREAD, bytes(4))
        return int.from_bytes(counted, sys.byteorder)

    def read(self, request: bytes = b"") -> int:
        """The payload's bytes of one whole answer."""
        self.ask(request)
        total = unacknowledged = 0
        ended = False
        while not ended:
            count = self._connection.recv_into(memoryview(self._buffer)[self._held :])
            if not count:
                raise ConnectionError("the server hung up")
            got, ended = self._walk(self._held + count)
            total, unacknowledged = total + got, unacknowledged + got
            if unacknowledged >= _WINDOW // 2:
                size = struct.pack(">I", unacknowledged)
                self._connection.sendall(
                    frame(_WINDOW_UPDATE, 0, 0, size) + frame(_WINDOW_UPDATE, 0, self._stream, size)
                )
                unacknowledged = 0
        if unacknowledged:
            self._connection.sendall(frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", unacknowledged)))
        return total

    def _walk(self, held: int) -> tuple[int, bool]:
        """Go over the whole frames among the first `held` bytes and keep the rest: (DATA bytes, ended)."""
        buffer, at, data, ended = self._buffer, 0, 0, False
        while at + 9 <= held:
            length = int.from_bytes(buffer[at : at + 3], "big")
            if at + 9 + length > held:
                break
            kind, flags = buffer[at + 3], buffer[at + 4]
            if kind == _DATA:
                data += length
                if self.kept is not None:
                    self.kept.append(bytes(buffer[at + 9 : at + 9 + length]))
            elif kind == _SETTINGS and not flags & _ACK:
                self._connection.sendall(frame(_SETTINGS, _ACK, 0, b""))
            elif kind == _PING and not flags & _ACK:
                self._connection.sendall(frame(_PING, _ACK, 0, bytes(buffer[at + 9 : at + 17])))
            elif kind == _GOAWAY:
                raise ConnectionError("the server said goodbye")
            ended = ended or (kind == _HEADERS and bool(flags & _END_STREAM))
            at += 9 + length
        buffer[: held - at] = buffer[at:held]
        self._held = held - at
        return data, ended


def main(address: str, times: int = 1) -> None:
    """Print `bytes seconds` for each answer."""
    drain = Drain(address)
    for _ in range(times):
        start = time.perf_counter()
        print(drain.read(), time.perf_counter() - start, flush=True)
    drain.close()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
