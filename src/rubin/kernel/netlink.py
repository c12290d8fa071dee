"""Netlink messages by socket and struct: requests, dumps, attributes (RFC 3549, linux/netlink.h)."""

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

ROUTE, SOCK_DIAG = 0, 4
REQUEST, ACK, DUMP, CREATE, EXCL = 0x1, 0x4, 0x300, 0x400, 0x200
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")
_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER


@dataclass(frozen=True, slots=True)
class Message:
    """One message without its header."""

    type: int
    body: bytes


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute with its padding."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(body: bytes) -> dict[int, bytes]:
    """The attributes of a message's tail by type, the last of each; what is cut short is left out."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < 4 or at + length > len(body):
            break
        found[kind & _TYPE_MASK] = body[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def messages(data: bytes) -> Iterator[Message]:
    """The messages in what one recv gave; what is cut short is left out."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size or at + length > len(data):
            return
        yield Message(kind, data[at + _HEADER.size : at + length])
        at += (length + 3) & ~3


class Netlink:
    """One netlink socket. Requests raise OSError with the kernel's answer."""

    def __init__(self, protocol: int = ROUTE, groups: int = 0) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind((0, groups))
        self._sequence = 0

    def fileno(self) -> int:
        """The descriptor, to wait for notifications."""
        return self._socket.fileno()

    def request(self, kind: int, body: bytes, flags: int = 0) -> None:
        """Ask for something to be done and wait until it is."""
        self._send(kind, body, REQUEST | ACK | flags)
        for _ in self._answers():
            pass

    def dump(self, kind: int, body: bytes) -> Iterator[Message]:
        """All objects that the kernel lists."""
        self._send(kind, body, REQUEST | DUMP)
        yield from self._answers()

    def notifications(self) -> Iterator[Message]:
        """What has come in, without waiting. Raises OSError ENOBUFS where the kernel had to leave some out."""
        while True:
            try:
                yield from messages(self._socket.recv(1 << 16, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return

    def _send(self, kind: int, body: bytes, flags: int) -> None:
        self._sequence += 1
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, self._sequence, 0) + body)

    def _answers(self) -> Iterator[Message]:
        while True:
            for message in messages(self._socket.recv(1 << 16)):
                if message.type == _DONE:
                    return
                if message.type == _ERROR:
                    number = -struct.unpack_from("=i", message.body)[0]
                    if number:
                        raise OSError(number, os.strerror(number))
                    return
                yield message

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
