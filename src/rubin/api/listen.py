"""Where the server listens: a Unix socket, and TCP, which without TLS stays on this machine."""

import errno
import ipaddress
import logging
import os
import socket
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from rubin.errors import RubinError, UsageError
from rubin.trust.contexts import Reloading, of_server, server_context
from rubin.trust.files import TlsFiles
from rubin.trust.refusals import Refusals

_LOG = logging.getLogger(__name__)
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
    tls_crl_file: str = ""
    """Lists of revoked certificates, one of each client authority."""
    disable_server_tls: bool = False
    """TCP without TLS on every address, also beyond this machine: whoever reaches it sees every flow."""
    access_file: str = ""
    """Who may see what, TOML; clients without a certificate may show a token. "": everybody sees everything."""
    audit_file: str = ""
    """Who asked what, a JSON line a request; "stdout" for standard output."""
    is_public: bool = False
    """What is served is anybody's to know, as health is: no TLS is asked for."""


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


def tcp_socket(address: str, tls: bool, disable_server_tls: bool = False) -> socket.socket:
    """A listening socket at `host:port`. Without TLS only loopback addresses are allowed, unless it is disabled."""
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
        _need_disabled(address, disable_server_tls)
    if not host and not _has_ipv6():
        family, where = socket.AF_INET, ("0.0.0.0", port)
    return _bound(address, family, where)


def _need_disabled(address: str, disable_server_tls: bool) -> None:
    """Raises RubinError where TLS beyond this machine is not disabled by name."""
    if not disable_server_tls:
        raise RubinError(
            f"listening on {address} without TLS would show every flow to the network",
            "tls_cert_file and tls_key_file (`rubin certs` makes them), localhost, or disable_server_tls",
        )
    _LOG.warning(
        "tls=disabled address=%s: whoever reaches it reads all that it serves; who is on the way, too", address
    )


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


class Certificates(Reloading):
    """The server's TLS, 1.3 and up."""

    def __init__(self, settings: ListenSettings) -> None:
        pair = (settings.tls_cert_file, settings.tls_key_file)
        files = of_server(TlsFiles(*pair, settings.tls_client_ca_files, settings.tls_crl_file))
        refusals = Refusals()
        self._refused = refusals.counts

        def made() -> ssl.SSLContext:
            context = server_context(files, refusals)
            if settings.access_file and files.authorities:
                context.verify_mode = ssl.CERT_OPTIONAL  # a token will do, and the door asks for one of the two
            return context

        super().__init__(made, files)

    def status(self) -> dict[str, object]:
        """Whether the files are in use as they are, and how many clients were refused, by reason."""
        return {"files": self.trouble or "in use", "refused": dict(self._refused)}


def tls_of(settings: ListenSettings) -> Certificates | None:
    """None where TLS is not configured, or disabled. Raises RubinError."""
    named = settings.tls_cert_file or settings.tls_key_file or settings.tls_client_ca_files or settings.tls_crl_file
    if named and settings.disable_server_tls:
        _LOG.warning("tls=disabled: certificates are named, and not used")
    return Certificates(settings) if named and not settings.disable_server_tls else None
