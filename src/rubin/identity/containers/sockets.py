"""Unix sockets that another thread may hang up."""

import socket
from contextlib import suppress

TIMEOUT_S = 5.0
"""How long one waits for an answer."""


def dial(path: str, timeout_s: float) -> socket.socket:
    """A connection; raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.settimeout(timeout_s)
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection


def shut(connection: socket.socket) -> None:
    """End what is waited for there, on whatever thread."""
    with suppress(OSError):  # the other side was quicker
        connection.shutdown(socket.SHUT_RDWR)
