"""Many messages per DATA frame, and what else must reach inside grpclib and h2. No other file does.

Relies on grpclib 0.4.9 (pinned):
  server.Stream: `_stream` (protocol.Stream), `_send_message_done`, `_codec` and `_recv_type`, and that all requests are
  read by `recv_message`; server.Server: `_protocol_factory`, `_handlers`, `_mapping`, which is asked by `get`;
  server.Handler: `_tasks`;
  client.Channel: `_protocol_factory`, `_config`, `_h2_config`, `__connect__`, `_connected`; client.Stream: `_stream`;
  protocol.Stream: `id`, `connection`, `wrapper`, `window_updated`, `_transport`, `_h2_connection`, `closable`;
  protocol.Peer: `_transport`;
  protocol.Connection: `write_ready`, `_connection`, `_transport`, `flush`;
  protocol.H2Protocol: `connection_made`, `data_received`, `connection_lost`, `connection`.
and on h2 4.x: H2Connection.streams, `outbound_flow_control_window` of a connection and of a stream,
  `local_flow_control_window`, `max_outbound_frame_size`, `max_inbound_frame_size`, `update_settings`,
  `close_connection`.
"""

# ruff: noqa: SLF001

import asyncio
import logging
import socket
import struct
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from grpclib import client, protocol, server
from grpclib.config import Configuration
from grpclib.const import Cardinality, Handler, Status
from grpclib.events import RecvRequest
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.metadata import decode_grpc_message
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes

from rubin.errors import RubinError

_TURN_BYTES = 1 << 18  # what one stream sends before the connection's others may; some 400 full flows
_CLIENT_FRAME_BYTES = 1 << 18
_CLIENT_WINDOW_BYTES = 1 << 23
_MOST_WINDOW_BYTES = (1 << 31) - 1  # RFC 9113, 6.9.1
_FAREWELL_S = 0.2
_DATA = 0

SERVER_STOPS = "the server stops"  # why a request was cancelled, as opposed to a client that left

logging.getLogger("hpack").setLevel(logging.INFO)  # below that it tells all headers, tokens too

_turns: WeakKeyDictionary[protocol.Connection, asyncio.Lock] = WeakKeyDictionary()


async def send_framed(stream: server.Stream[Any, Any], messages: bytes) -> None:
    """Send messages that already have their five-byte gRPC heads, in frames as large as the peer takes.

    Returns when all is handed to the transport and that is ready for more, so a slow peer holds no
    more than `messages` here. Streams of a connection take turns. Raises what grpclib does when
    the stream or the connection ends.
    """
    sender, rest = stream._stream, memoryview(messages)
    turn = _turns.setdefault(sender.connection, asyncio.Lock())
    while rest:
        await _own_window(sender)
        async with turn:
            await _connection_window(sender)
            rest = rest[_write(sender, rest) :]
    stream._send_message_done = True


def has_left(stream: server.Stream[Any, Any]) -> bool:
    """Whether the client has given the request up, or its connection is lost: nobody is there to be told."""
    return bool(stream._stream.wrapper and stream._stream.wrapper.cancelled)


class Peer(NamedTuple):
    """Who is at the other end: `owner` of a process on this machine, by a Unix socket; the certificate is verified."""

    address: str
    certificate: Mapping[str, Any]
    owner: str


def peer_of(event: RecvRequest) -> Peer:
    """The other end of a request's connection."""
    transport = event.peer._transport
    own = transport.get_extra_info("socket")
    if own is not None and own.family == socket.AF_UNIX:
        # struct ucred, socket(7)
        pid, uid, _ = struct.unpack("3i", own.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return Peer(f"pid={pid}", {}, f"uid={uid}")
    host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
    return Peer(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", event.peer.cert() or {}, "")


def limit_requests(stream: server.Stream[Any, Any], most_bytes: int) -> None:
    """Refuse messages that are larger before they are read: grpclib reads whatever their length says."""

    async def received() -> Any:
        head = await stream._stream.recv_data(5)
        if not head:
            return None
        is_compressed, size = struct.unpack(">?I", head)
        if is_compressed:
            raise NotImplementedError
        if size > most_bytes:
            what = f"the request has {size:,} bytes, a request may have {most_bytes:,}"
            raise GRPCError(Status.RESOURCE_EXHAUSTED, str(RubinError(what, "a smaller one, e.g. with fewer filters")))
        message = await stream._stream.recv_data(size)
        assert len(message) == size
        return stream._codec.decode(message, stream._recv_type)

    stream.recv_message = received  # type: ignore[method-assign]


def true_answer(stream: client.Stream[Any, Any], error: GRPCError) -> GRPCError:
    """What the server's headers say where grpclib did not look: some that refuse name no type of content."""
    headers = dict(stream._stream.headers or ())
    code = headers.get("grpc-status", "")
    if "content-type" in headers or not code.isdigit() or int(code) not in _STATUSES:
        return error
    return GRPCError(Status(int(code)), decode_grpc_message(headers.get("grpc-message", "")))


_STATUSES = {status.value for status in Status} - {Status.OK.value}


async def _own_window(sender: protocol.Stream) -> None:
    """Wait for room in the stream's own window, outside the turn: the others' may be open."""
    while _h2_stream(sender).outbound_flow_control_window <= 0:
        sender.window_updated.clear()
        await sender.window_updated.wait()


async def _connection_window(sender: protocol.Stream) -> None:
    """Wait for what all streams share: the connection's window and the socket's buffer."""
    while True:
        if not sender.connection.write_ready.is_set():
            await sender.connection.write_ready.wait()
        elif sender._h2_connection.outbound_flow_control_window <= 0:
            sender.window_updated.clear()  # set for every stream when the connection's window grows
            await sender.window_updated.wait()
        else:
            return


def _write(sender: protocol.Stream, data: memoryview) -> int:
    """Write DATA frames as far as both windows and the turn go; returns the payload's bytes."""
    h2, h2_stream = sender._h2_connection, _h2_stream(sender)
    assert sender.id is not None
    size = max(0, min(len(data), _TURN_BYTES, h2.local_flow_control_window(sender.id)))
    frame = h2.max_outbound_frame_size
    pieces: list[bytes | memoryview] = []
    for start in range(0, size, frame):
        part = data[start : min(start + frame, size)]
        pieces += (struct.pack(">HBBBI", len(part) >> 8, len(part) & 0xFF, _DATA, 0, sender.id), part)
    # What h2 would have done for each frame, had it made them.
    h2.outbound_flow_control_window -= size
    h2_stream.outbound_flow_control_window -= size
    sender._transport.writelines(pieces)
    sender.connection.data_send_process()
    return size


def _h2_stream(sender: protocol.Stream) -> Any:
    if not sender.closable:
        raise StreamClosedError(sender.id or 0)
    return sender._h2_connection.streams[sender.id or 0]


class _Methods(dict[str, Handler]):
    """By name. Others are answered, too: grpclib itself would leave out the type of content, which clients want."""

    def get(self, name: str, default: Any = None) -> Any:
        """Never None."""
        return super().get(name, default) or Handler(_unknown, Cardinality.UNARY_STREAM, bytes, bytes)


async def _unknown(_stream: server.Stream[Any, Any]) -> None:
    raise GRPCError(Status.UNIMPLEMENTED, "there is no such method")


class Server(server.Server):
    """grpclib's server, which can also close its connections (it only cancels their requests).

    Python 3.12 and later would wait for them for ever.
    """

    _protocols: WeakSet[protocol.H2Protocol]

    def __init__(self, handlers: Collection[Any]) -> None:
        super().__init__(handlers)
        self._mapping = _Methods(self._mapping)

    def _protocol_factory(self) -> protocol.H2Protocol:
        made = super()._protocol_factory()
        self.__dict__.setdefault("_protocols", WeakSet()).add(made)
        return made

    async def dismiss(self) -> None:
        """End the requests that are under way with `SERVER_STOPS`; those who do not read are not waited for."""
        tasks = [task for handler in self._handlers for task in handler._tasks.values() if not task.done()]
        for task in tasks:
            task.cancel(SERVER_STOPS)
        if tasks:
            await asyncio.wait(tasks, timeout=_FAREWELL_S)

    def hang_up(self) -> None:
        """Say goodbye on every connection and close it, without waiting for those who do not read."""
        for made in list(self.__dict__.get("_protocols", ())):
            connection = getattr(made, "connection", None)
            if connection is None or connection.is_closing():
                continue
            connection._connection.close_connection()
            connection.flush()
            transport = connection._transport
            # `close` would wait until all is read, and with TLS for the other side's goodbye.
            unread = transport.get_write_buffer_size() or transport.get_extra_info("sslcontext")
            transport.abort() if unread else transport.close()


class _Greeted(protocol.H2Protocol):
    """A client's connection that knows whether the other side ever spoke HTTP/2, and what it said."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.greeting = b""
        self.cause: BaseException | None = None
        self.greeted = asyncio.get_running_loop().create_future()
        self.over = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.connection._connection.update_settings({SettingCodes.MAX_FRAME_SIZE: _CLIENT_FRAME_BYTES})
        # h2 takes the new limit for the bytes after those in which the acknowledgement came; they may hold a frame.
        self.connection._connection.max_inbound_frame_size = _CLIENT_FRAME_BYTES
        self.connection.flush()

    def data_received(self, data: bytes) -> None:
        if not self.greeted.done():
            self.greeting += data[:64]
            # A server opens with a SETTINGS frame (RFC 9113, 3.4): its type is the fourth byte.
            if len(self.greeting) >= 9:
                self.greeted.set_result(self.greeting[3] == 4 and self.greeting[5:9] == b"\0\0\0\0")
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.cause = exc
        if not self.greeted.done():
            self.greeted.set_result(False)
        self.over.set()
        super().connection_lost(exc)


class NotGRPC(Exception):
    """The other side does not speak HTTP/2: what it said instead, and what ended the connection."""

    def __init__(self, greeting: bytes, cause: BaseException | None) -> None:
        super().__init__(greeting)
        self.greeting, self.cause = greeting, cause


class Channel(client.Channel):
    """grpclib's channel with large frames, large windows, and a dial that waits for the server's greeting. It connects
    once: who was hung up on dials another, and knows that there was a break.
    """

    _is_dialled = False

    async def __connect__(self) -> protocol.H2Protocol:
        """What every request asks for. Raises StreamTerminatedError where the connection is lost or was closed."""
        if self._is_dialled and not self._connected:
            raise StreamTerminatedError("it is lost")
        self._is_dialled = True
        return await super().__connect__()

    def _protocol_factory(self) -> protocol.H2Protocol:
        return _Greeted(client.Handler(), self._config, self._h2_config)

    async def dial(self) -> None:
        """Connect. Raises OSError, ssl.SSLError, or NotGRPC; how long it may take is the caller's to say."""
        made = await self.__connect__()
        assert isinstance(made, _Greeted)
        if not await asyncio.shield(made.greeted):
            raise NotGRPC(made.greeting, made.cause)
        self._over = made.over

    async def ended(self) -> None:
        """Until the connection that was dialled is lost, or closed."""
        await self._over.wait()

    async def hang_up(self) -> None:
        """Close at once: an orderly end of TLS may take half a minute, and the loop may not live that long."""
        transport = getattr(getattr(self._protocol, "connection", None), "_transport", None)
        self.close()
        if transport is not None:
            transport.abort()
            await asyncio.sleep(0)


def channel_configuration(server_name: str | None, window_bytes: int = _CLIENT_WINDOW_BYTES) -> Configuration:
    """How much may be on its way to us for each request, so that one that is not read holds up no other; `server_name`
    is what the certificate must say, if not the host.
    """
    return Configuration(
        http2_connection_window_size=_MOST_WINDOW_BYTES,
        http2_stream_window_size=window_bytes,
        ssl_target_name_override=server_name,
    )


__all__ = [
    "SERVER_STOPS",
    "Channel",
    "NotGRPC",
    "ProtocolError",
    "Server",
    "StreamClosedError",
    "channel_configuration",
    "has_left",
    "limit_requests",
    "peer_of",
    "send_framed",
    "true_answer",
]
