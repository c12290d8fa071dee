"""HTTP over a Unix socket, synchronously: JSON in one answer, or as lines that come for ever."""

import json
import time
from http.client import HTTPConnection, HTTPException
from typing import Any

from rubin.identity.containers.sockets import TIMEOUT_S, dial, shut
from rubin.identity.containers.trouble import Trouble

ANSWER_BYTES = 64 << 20
"""The longest answer, and the longest line, that is read."""
_NO_HTTP = "is no container runtime: it does not speak HTTP"
_NO_JSON = "is no container runtime: it does not answer in JSON"


class Asking(HTTPConnection):
    """Questions to an HTTP server over a Unix socket, each on a connection of its own. `hang_up` may be called on
    any thread.
    """

    def __init__(self, path: str, timeout_s: float = TIMEOUT_S) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path, self._over = path, False

    def get(self, target: str) -> Any:
        """What is at a target, read as JSON. Raises OSError; Trouble with HTTP's code where it is not 200."""
        try:
            self.request("GET", target)
            answer = self.getresponse()
            body = answer.read(ANSWER_BYTES)
        except HTTPException as error:
            raise Trouble(_NO_HTTP) from error
        finally:
            self.close()
        if answer.status != 200:
            raise Trouble(f"answers HTTP {answer.status} to {target.partition('?')[0]}", answer.status)
        return parsed(body)

    def connect(self) -> None:
        """Connect, unless hung up."""
        self.sock = dial(self._path, self.timeout or TIMEOUT_S)
        if self._over:
            raise Trouble("is not asked any more")

    def hang_up(self) -> None:
        """End what is waited for, and ask nothing more."""
        self._over = True
        if (connection := self.sock) is not None:
            shut(connection)


def parsed(text: bytes) -> Any:
    """The JSON; raises Trouble where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Trouble(_NO_JSON) from error


class Lines:
    """An answer that is sent line by line, as things happen. `hang_up` may be called on any thread.

    Asked in HTTP/1.0, so that it comes without chunks and ends with the connection.
    """

    def __init__(self, path: str, target: str, timeout_s: float = TIMEOUT_S) -> None:
        self._socket = dial(path, timeout_s)
        self._buffer = bytearray()
        try:
            self._socket.sendall(f"GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            self._read_head(time.monotonic() + timeout_s)
        except BaseException:
            self._socket.close()
            raise

    def _read_head(self, deadline: float) -> None:
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > 1 << 16:
                raise Trouble(_NO_HTTP)
            if not self._receive(deadline - time.monotonic()):
                raise TimeoutError
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        version, _, status = head.split(b"\r\n", 1)[0].partition(b" ")
        if not version.startswith(b"HTTP/1.") or not status[:3].isdigit():
            raise Trouble(_NO_HTTP)
        if status[:3] != b"200":
            raise Trouble(f"answers HTTP {int(status[:3])} when asked for events", int(status[:3]))
        self._buffer[:] = rest

    def lines(self, timeout_s: float) -> list[bytes]:
        """Whole lines that came, waiting at most so long for something. Raises OSError; Trouble at the end."""
        if b"\n" not in self._buffer:
            self._receive(timeout_s)
        if len(self._buffer) > ANSWER_BYTES:
            raise Trouble(f"sent a line of {len(self._buffer)} bytes")
        *whole, rest = bytes(self._buffer).split(b"\n")
        self._buffer[:] = rest
        return [line for line in whole if line.strip()]

    def _receive(self, timeout_s: float) -> bool:
        """Whether something came."""
        self._socket.settimeout(max(timeout_s, 0.001))
        try:
            data = self._socket.recv(1 << 16)
        except TimeoutError:
            return False
        if not data:
            raise Trouble("closed the connection")
        self._buffer += data
        return True

    def hang_up(self) -> None:
        """End what is waited for, with Trouble there."""
        shut(self._socket)

    def close(self) -> None:
        """Give the socket back, on the thread that uses it."""
        self._socket.close()
