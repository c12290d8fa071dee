"""Where the server listens: a Unix socket, and TCP, which without TLS stays on this machine."""

import errno
import ipaddress
import os
import socket
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from rubin.errors import RubinError, UsageError

_BACKLOG = 128
_SOCKET_PATH_BYTES = 107  # sockaddr_un has 108, with the zero behind


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """Where to listen, and who may. TLS is on where a certificate is named."""

    socket_path: str = "/run/rubin/rubin.sock"
    """"" to have none. Open to the owner and the group."""
    listen_address: str = ""
    """host:port for TCP, e.g. `localhost:4244`; `:4244` is every address of the machine, which needs TLS."""
    tls_cert_file: str = ""
    tls_key_file: str = ""
    tls_client_ca_files: tuple[str, ...] = ()
    """Clients must show a certificate that one of these signed."""


def unix_socket(path: str) -> socket.socket:
    """A listening socket at `path`, mode 0660, in the place of one that a dead server left behind."""
    size = len(os.fsencode(path))
    if size > _SOCKET_PATH_BYTES:
        raise UsageError(
            f"the socket path {path} has {size} bytes, a socket can have {_SOCKET_PATH_BYTES}", "a shorter socket_path"
        )
    _refuse_living(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).unlink(missing_ok=True)
        listener.bind(path)
        os.chmod(path, 0o660)  # nobody can connect before it listens
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise RubinError(
            f"cannot listen on {path}: {error.strerror or error}", "another path, or the permissions of its directory"
        ) from error
    return listener


def _refuse_living(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise RubinError(f"{path} is there and is no socket", "remove it, or another path for the socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        return
    except OSError as error:
        raise RubinError(f"cannot look at {path}: {error.strerror or error}", "another path for the socket") from error
    raise RubinError(f"another server listens on {path}", "stop it first, or another path for the socket")


def tcp_socket(address: str, tls: bool) -> socket.socket:
    """A listening socket at `host:port`. Without TLS only loopback addresses are allowed."""
    host, port = host_and_port(address)
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise RubinError(
            f"cannot listen on {address}: {error.strerror or error}", "an address of this machine"
        ) from error
    # As Go does: a name means its IPv4 address if it has one; no name, IPv6 that takes IPv4 too if there is IPv6.
    preferred = socket.AF_INET if host else socket.AF_INET6
    found.sort(key=lambda one: one[0] != preferred)
    family, _, _, _, where = found[0]
    if not tls and not ipaddress.ip_address(where[0]).is_loopback:
        raise RubinError(
            f"listening on {address} without TLS would show every flow to the network",
            "set tls_cert_file and tls_key_file, or listen on localhost",
        )
    if not host and not _has_ipv6():
        family, where = socket.AF_INET, ("0.0.0.0", port)
    return _bound(address, family, where)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def _bound(address: str, family: int, where: tuple[object, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(where[0] != "::"))
    try:
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise RubinError(f"{address} is in use", "stop the other server, or listen on another port") from error
        raise RubinError(
            f"cannot listen on {address}: {error.strerror or error}", "an address of this machine"
        ) from error
    return listener


def host_and_port(address: str) -> tuple[str, int]:
    """`localhost:4245`, `[::1]:4245` or `:4244` as ("", 4244). Raises UsageError."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535 or (":" in host and not host.startswith("[")):
        raise UsageError(f"'{address}' is no host:port", "e.g. localhost:4245 or [::1]:4245")
    return host.removeprefix("[").removesuffix("]"), int(port)


class Certificates:
    """The server's TLS, 1.3 and up, with certificates that are read again when their files change."""

    def __init__(self, settings: ListenSettings) -> None:
        if not settings.tls_cert_file or not settings.tls_key_file:
            raise UsageError("certificate and private key are both required", "tls_cert_file and tls_key_file")
        self._settings = settings
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.set_alpn_protocols(["h2"])
        if settings.tls_client_ca_files:
            self.context.verify_mode = ssl.CERT_REQUIRED
        self._stamps: tuple[int, ...] = ()
        self.refresh()

    def refresh(self) -> None:
        """Read what changed; new connections get it. A client CA that is taken away stays until a restart."""
        files = (self._settings.tls_cert_file, self._settings.tls_key_file, *self._settings.tls_client_ca_files)
        try:
            stamps = tuple(os.stat(file).st_mtime_ns for file in files)
            if stamps == self._stamps:
                return
            self.context.load_cert_chain(files[0], files[1])
            for file in files[2:]:
                self.context.load_verify_locations(file)
            self._stamps = stamps
        except (OSError, ssl.SSLError) as error:
            named = ", ".join(files)
            raise RubinError(
                f"cannot use the certificates {named}: {error}", "PEM files that belong together"
            ) from error


def tls_of(settings: ListenSettings) -> Certificates | None:
    """None where TLS is not configured."""
    named = settings.tls_cert_file or settings.tls_key_file or settings.tls_client_ca_files
    return Certificates(settings) if named else None
