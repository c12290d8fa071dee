"""An API server and what one shows it: address, certificates, token."""

import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rubin.errors import RubinError, UsageError
from rubin.identity.kubernetes.settings import Places

_RENEW_S = 60.0  # a pod's token is renewed in its file long before it ends, by default every 48 minutes


class Token:
    """A bearer token; one in a file is read again when it was read a minute ago, or was refused."""

    def __init__(self, text: str = "", path: Path | None = None, renew_s: float = _RENEW_S) -> None:
        self._text, self._path, self._renew_s = text, path, renew_s
        self._read_at = -renew_s

    def text(self) -> str:
        """The token, "" where there is none. Raises RubinError where its file cannot be read."""
        now = time.monotonic()
        if self._path is not None and now - self._read_at >= self._renew_s:
            self._read(self._path, now)
        return self._text

    def _read(self, path: Path, now: float) -> None:
        if text := readable(path).strip():
            self._text, self._read_at = text, now
        elif not self._text:  # else it is just being written
            raise RubinError(f"{path} holds no token", "kubectl create token ACCOUNT")

    def refused(self) -> None:
        """Read the file again at the next call."""
        self._read_at = -self._renew_s


@dataclass(frozen=True)
class Cluster:
    """Where the API server is and how to speak with it."""

    server: str
    """`https://HOST:PORT`, with a path where it stands behind something."""
    token: Token
    tls: ssl.SSLContext | None = None
    """None: plain HTTP."""
    tls_name: str = ""
    """The name that the server's certificate has to be for; "": the host's."""

    @property
    def host(self) -> str:
        """The host, without brackets."""
        return urlsplit(self.server).hostname or ""

    @property
    def port(self) -> int:
        """The port."""
        return urlsplit(self.server).port or (443 if self.tls else 80)

    @property
    def path(self) -> str:
        """What comes before the API's own paths."""
        return urlsplit(self.server).path.rstrip("/")

    @property
    def place(self) -> str:
        """`HOST:PORT`, as one says it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def in_cluster(environ: Mapping[str, str] = os.environ, places: Places | None = None) -> Cluster:
    """The cluster whose pod this process is. Raises RubinError where its certificate cannot be used."""
    account = (places or Places()).account
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    tls = context(readable(account / "ca.crt"), str(account / "ca.crt"))
    return Cluster(f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}", _token(account), tls)


def _token(account: Path) -> Token:
    token = Token(path=account / "token")
    token.text()
    return token


def context(authority: str | None, origin: str) -> ssl.SSLContext:
    """TLS that trusts this authority (PEM), None: those of the machine. Raises UsageError."""
    try:
        # "" would be as if there were none
        return ssl.create_default_context(cadata=None if authority is None else authority or "nothing")
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(f"{origin} holds no certificate of an authority", "a file in PEM, as kubectl takes") from error


def checked(server: str, origin: str) -> str:
    """The server's address. Raises UsageError where it is none."""
    try:
        parts = urlsplit(server)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"{origin}: server {server!r} is no address", "server: https://192.0.2.1:6443")
    return server


def readable(path: Path) -> str:
    """The file's text. Raises RubinError."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise RubinError(f"cannot read {path}: {error.strerror}", "check the path and its rights") from error
    except UnicodeDecodeError as error:
        raise RubinError(f"cannot read {path}: it is not UTF-8", "check which file it is") from error
