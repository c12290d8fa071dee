"""gRPC over a Unix socket, synchronously: one call after the other, or one stream of answers.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset, TrailersReceived
from h2.exceptions import H2Error

from rubin.identity.containers.sockets import TIMEOUT_S, dial, shut
from rubin.identity.containers.trouble import Trouble

Reply = TypeVar("Reply", bound=Message)
Metadata = Sequence[tuple[str, str]]

NOT_FOUND, UNIMPLEMENTED = 5, 12
MESSAGE_BYTES = 64 << 20
"""The longest message that is read."""
_NO_GRPC = "is no container runtime: it does not speak gRPC"
_TYPE_AT, _SETTINGS = 3, 4  # of an HTTP/2 frame
_WINDOW_BYTES = 1 << 20
_PREFIX = struct.Struct("!?I")


class Connection:
    """A connection to a gRPC server. Whatever is asked raises OSError, or Trouble where the answer is none.

    `hang_up` may be called on any thread.
    """

    def __init__(self, path: str, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._first = b""
        self._socket = dial(path, timeout_s)
        try:
            self._http.initiate_connection()
            self._http.increment_flow_control_window(_WINDOW_BYTES)
            self._flush()
        except BaseException:
            self._socket.close()
            raise

    def call(self, method: str, request: Message, reply: type[Reply], metadata: Metadata = ()) -> Reply:
        """The answer to one request; `method` as `/package.Service/Method`."""
        deadline = time.monotonic() + self._timeout_s
        stream = self.stream(method, request, metadata)
        found: list[bytes] = []
        while not stream.ended:
            if (left_s := deadline - time.monotonic()) <= 0:
                raise TimeoutError(method)
            found += stream.messages(left_s)
        if len(found) != 1:
            raise Trouble(f"answered {method} with {len(found)} messages")
        return parsed(reply, found[0])

    def stream(self, method: str, request: Message, metadata: Metadata = ()) -> "Stream":
        """What is answered from now on. Nothing else can be asked on this connection until it has ended."""
        try:
            number = self._http.get_next_available_stream_id()
            self._http.send_headers(number, [*_HEAD, (":path", method), *_TAIL, *metadata])
            body = request.SerializeToString()
            self._http.send_data(number, _PREFIX.pack(False, len(body)) + body, end_stream=True)
        except H2Error as error:
            raise Trouble(f"cannot be asked: {error}") from error
        self._flush()
        return Stream(self, number)

    def receive(self, timeout_s: float) -> list[Event]:
        """What has come within a time, [] where nothing has. Raises Trouble where it is no HTTP/2, or the end."""
        self._socket.settimeout(max(timeout_s, 0.001))
        try:
            data = self._socket.recv(1 << 16)
        except TimeoutError:
            return []
        if not data:
            raise Trouble("closed the connection")
        self._check_first(data)
        try:
            events = self._http.receive_data(data)
            for event in events:
                if isinstance(event, DataReceived):
                    self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        except (H2Error, UnicodeDecodeError) as error:
            raise Trouble(_NO_GRPC) from error
        self._flush()
        return events

    def _check_first(self, data: bytes) -> None:
        """A server's settings come first (RFC 9113, 3.4); h2 would wait for as much as other bytes seem to promise."""
        if len(self._first) < _TYPE_AT + 1:
            self._first += data[: _TYPE_AT + 1]
            if self._first[_TYPE_AT:] and self._first[_TYPE_AT] != _SETTINGS:
                raise Trouble(_NO_GRPC)

    def hang_up(self) -> None:
        """End what is waited for, with Trouble there."""
        shut(self._socket)

    def close(self) -> None:
        """Give the socket back, on the thread that uses it."""
        self._socket.close()

    def _flush(self) -> None:
        if data := self._http.data_to_send():
            self._socket.settimeout(self._timeout_s)
            with suppress(BrokenPipeError, ConnectionResetError):  # reading tells what it said before it hung up
                self._socket.sendall(data)


class Stream:
    """The answers to one request, as they come."""

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection, self._number = connection, number
        self._buffer = bytearray()
        self._status = ""
        self._message = ""
        self.ended = False
        """Whether the server has said that all is well, and no more."""

    def messages(self, timeout_s: float) -> list[bytes]:
        """Whole messages that came, waiting at most so long for some. Raises OSError and Trouble."""
        end = time.monotonic() + timeout_s
        while True:
            for event in self._connection.receive(end - time.monotonic()):
                if getattr(event, "stream_id", None) == self._number:
                    self._take(event)
            found = list(self._whole())
            if found or self.ended or time.monotonic() >= end:
                return found

    def _take(self, event: Event) -> None:
        if isinstance(event, ResponseReceived | TrailersReceived):
            self._read_headers({str(name): str(value) for name, value in event.headers or ()})
        elif isinstance(event, DataReceived):
            self._buffer += event.data or b""
        elif isinstance(event, StreamReset):
            raise Trouble(f"broke an answer off (HTTP/2 error {event.error_code})")
        elif isinstance(event, StreamEnded):
            self._end()

    def _read_headers(self, headers: dict[str, str]) -> None:
        if headers.get(":status", "200") != "200":
            raise Trouble(f"is no container runtime: it answers HTTP {headers[':status']}")
        self._status = headers.get("grpc-status", self._status)
        self._message = headers.get("grpc-message", self._message)

    def _end(self) -> None:
        if not self._status.isdecimal():
            raise Trouble(_NO_GRPC)
        if self._status != "0":
            raise Trouble(f"answers: {self._message[:200]} (gRPC {self._status})", int(self._status))
        self.ended = True

    def _whole(self) -> Iterator[bytes]:
        while len(self._buffer) >= _PREFIX.size:
            packed, length = _PREFIX.unpack_from(self._buffer)
            if packed or length > MESSAGE_BYTES:
                raise Trouble(f"sent a message of {length} bytes")
            end = _PREFIX.size + length
            if len(self._buffer) < end:
                return
            message = bytes(self._buffer[_PREFIX.size : end])
            del self._buffer[:end]
            yield message


_HEAD = ((":method", "POST"), (":scheme", "http"), (":authority", "localhost"))
_TAIL = (("te", "trailers"), ("content-type", "application/grpc"), ("user-agent", "rubin"))


def parsed(kind: type[Reply], data: bytes) -> Reply:
    """The message; raises Trouble where the bytes are none."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise Trouble(f"is no container runtime: it sent what is no {kind.DESCRIPTOR.full_name}") from error
