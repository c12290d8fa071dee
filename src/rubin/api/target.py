"""Which server a client talks to, and how: Hubble's targets and flags."""

import base64
import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from rubin.api.listen import host_and_port
from rubin.errors import RubinError, UsageError
from rubin.trust.contexts import Reloading
from rubin.trust.files import TlsFiles


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Hubble's server flags under their names."""

    server: str = "localhost:4245"
    """`host:port`, `tls://host:port` or `unix:///path`."""
    timeout_s: float = 5.0
    """For the connection."""
    request_timeout_s: float = 12.0
    """For an answer that is no stream."""
    tls: bool = False
    tls_allow_insecure: bool = False
    tls_ca_cert_files: tuple[str, ...] = ()
    tls_client_cert_file: str = ""
    tls_client_key_file: str = ""
    tls_crl_file: str = ""
    """Lists of revoked certificates, one of each authority of servers."""
    tls_server_name: str = ""
    basic_auth_username: str = ""
    basic_auth_password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    token_file: str = ""
    """Where the token is that says who asks, unless it is given itself."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect: `path` is a Unix socket, else host and port."""

    text: str
    host: str = ""
    port: int = 0
    path: str = ""
    tls: bool = False


def target_of(settings: ClientSettings) -> Target:
    """The server's address, understood. Raises UsageError."""
    text = settings.server
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        path = path.removeprefix("//")
        if not path:
            raise UsageError(f"'{text}' names no socket", "e.g. unix:///run/rubin/rubin.sock")
        return Target(text, path=path, tls=settings.tls)
    address = text.removeprefix("tls://")
    if "://" in address:
        raise UsageError(f"'{text}' is no server address", "host:port, tls://host:port or unix:///path")
    host, port = host_and_port(address)
    return Target(text, host or "localhost", port, tls=settings.tls or text.startswith("tls://"))


def tls_context(settings: ClientSettings, target: Target) -> ssl.SSLContext | None:
    """How to encrypt; None where it is not wanted. Raises UsageError for settings that do not fit together."""
    if target.tls:
        return _context(settings)
    _need_pair(settings)
    if _has_token(settings) and not target.path and not _is_here(target.host):
        what = f"anybody on the way to {target.text} could read the token"
        raise UsageError(what, "--tls, or tls:// before the server")
    if (
        settings.tls_client_cert_file
        or settings.tls_ca_cert_files
        or settings.tls_crl_file
        or settings.basic_auth_username
    ):
        raise UsageError("transport layer security required", "--tls, or tls:// before the server")
    return None


def reloading_context(settings: ClientSettings) -> Reloading:
    """For who connects again and again: its `context` is as the files are at that moment. Raises RubinError."""
    return Reloading(lambda: _context(settings), _files(settings))


def _context(settings: ClientSettings) -> ssl.SSLContext:
    files = _files(settings)
    # The authorities that are named, and not the system's.
    named = settings.tls_ca_cert_files
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if named else ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    files.load(context)
    if settings.tls_allow_insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _files(settings: ClientSettings) -> TlsFiles:
    _need_pair(settings)
    pair = (settings.tls_client_cert_file, settings.tls_client_key_file)
    return TlsFiles(*pair, settings.tls_ca_cert_files, settings.tls_crl_file)


def _need_pair(settings: ClientSettings) -> None:
    if bool(settings.tls_client_cert_file) != bool(settings.tls_client_key_file):
        raise UsageError(
            "certificate and private key are both required for client authentication",
            "--tls-client-cert-file and --tls-client-key-file",
        )


def authorization(settings: ClientSettings) -> dict[str, str]:
    """The header of each request that says who asks. Raises UsageError where half of it is missing."""
    username, password = settings.basic_auth_username, settings.basic_auth_password
    if _has_token(settings):
        if username or password:
            raise UsageError(
                "a token is given, and a user name", "one of --bearer-token-file and --basic-auth-username"
            )
        return {"authorization": f"Bearer {settings.token or _token_in(settings.token_file)}"}
    if bool(username) != bool(password):
        raise UsageError("username and password are both required", "--basic-auth-username and --basic-auth-password")
    if not username:
        return {}
    token = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"authorization": f"Basic {token}"}


def _has_token(settings: ClientSettings) -> bool:
    return bool(settings.token or settings.token_file)


def _token_in(path: str) -> str:
    """Raises RubinError where there is none."""
    try:
        token = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise RubinError(f"cannot read the token in {path}: {reason}", "check --bearer-token-file") from error
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise RubinError(f"{path} holds no token", "the line that `rubin token` prints first")
    return token


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
