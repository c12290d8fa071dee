"""One agent a machine: a second one would see, and cost, everything twice."""

import os
import socket
import struct

from rubin.errors import RubinError


class Lock:
    """Held as an abstract Unix socket, which the kernel frees however the holder ends (unix(7)).

    Abstract names belong to a network namespace: agents in two of them do not see each other.
    """

    def __init__(self, name: str = "rubin/agent") -> None:
        """Raises RubinError where another process holds it, naming that process."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.bind(f"\0{name}")
        except OSError as error:
            self._socket.close()
            raise RubinError(
                f"another agent already watches this machine ({_holder(name)})",
                "rubin observe reads from it; stop it to start a new one",
            ) from error
        self._socket.listen(8)

    def close(self) -> None:
        """Let others in."""
        self._socket.close()


def _holder(name: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(1)
        try:
            asking.connect(f"\0{name}")
            number = struct.unpack("=iii", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        except OSError:
            return "its process is just ending"
    return f"process {number}" if number != os.getpid() else "this very process"
