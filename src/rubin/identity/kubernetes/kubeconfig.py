"""A kubeconfig's text to a cluster (kubernetes.io/docs/reference/config-api/kubeconfig.v1)."""

import base64
import binascii
import os
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rubin.errors import UsageError
from rubin.identity.kubernetes.cluster import Cluster, Token, checked, context, readable

# What would have to be run or asked first, or says who else one wants to be: not done, so not passed over in silence.
_REFUSED = {
    "exec": "runs a program for its token",
    "auth-provider": "asks a provider for its token",
    "username": "has a password, which no API server takes any more",
    "as": "acts as somebody else",
}
_TOKEN = "a user with a token, a tokenFile or a client certificate: kubectl create token"


@dataclass(frozen=True)
class _Entry:
    """A named part of a file; paths in it are relative to the file's folder."""

    data: dict[str, Any]
    origin: str
    folder: Path

    def text(self, key: str) -> str:
        """A value, "" where there is none. Raises UsageError where it is no text."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, str):
            raise UsageError(f"{self.origin}: '{key}' must be a text", f'{key}: "…"')
        return value or ""

    def bytes(self, key: str) -> bytes:
        """What `KEY-data` holds in base64, else the file that KEY names; b"" where there is neither."""
        inline, path = self.text(f"{key}-data"), self.text(key)
        if not inline:
            return readable(self.folder / path).encode() if path else b""
        try:
            return base64.b64decode("".join(inline.split()), validate=True)
        except binascii.Error as error:
            raise UsageError(
                f"{self.origin}: '{key}-data' is not base64", f"base64 -w0 FILE, or '{key}: FILE'"
            ) from error


@dataclass
class _Merged:
    """All files: of two entries with one name the first counts, as for kubectl."""

    origin: str
    current: str = ""
    named: dict[tuple[str, str], _Entry] = field(default_factory=dict)

    def add(self, path: Path) -> None:
        """Another file. Raises UsageError."""
        data = _loaded(path)
        self.current = self.current or str(data.get("current-context") or "")
        for lists, kind in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
            for one in _tables(data.get(lists), f"{path}: {lists}"):
                inner, name = one.get(kind) or {}, str(one.get("name", ""))
                _tables([inner], f"{path}: {kind} {name!r}")
                self.named.setdefault((kind, name), _Entry(inner, f"{path}: {kind} {name!r}", path.parent))

    def entry(self, kind: str, name: str) -> _Entry:
        """The entry of a name. Raises UsageError where there is none."""
        known = [at for of, at in self.named if of == kind]
        if name not in known:
            raise UsageError(f"{self.origin}: {kind} {name!r} does not exist", ", ".join(known) or f"add the {kind}")
        return self.named[kind, name]


def read(paths: Sequence[Path]) -> Cluster:
    """The cluster of the current context. Raises RubinError where a file cannot be read, UsageError where used."""
    if not paths:
        raise UsageError("nothing leads to a Kubernetes", "name a kubeconfig")
    merged = _Merged(", ".join(map(str, paths)))
    # KUBECONFIG may list files that are not there, but not only such
    for path in [path for path in paths if path.exists()] or paths[:1]:
        merged.add(path)
    if not merged.current:
        raise UsageError(f"{merged.origin} has no current-context", "kubectl config use-context NAME")
    of = merged.entry("context", merged.current)
    return _cluster(merged.entry("cluster", of.text("cluster")), merged.entry("user", of.text("user")))


def _cluster(cluster: _Entry, user: _Entry) -> Cluster:
    for key, what in _REFUSED.items():
        if user.data.get(key):
            raise UsageError(f"{user.origin} {what}: '{key}' is not supported", _TOKEN)
    if cluster.data.get("proxy-url"):
        raise UsageError(f"{cluster.origin}: 'proxy-url' is not supported", "a server that is reached directly")
    server = checked(cluster.text("server"), cluster.origin)
    path = user.text("tokenFile")
    token = Token(path=user.folder / path) if path else Token(user.text("token"))
    token.text()
    tls = _tls(cluster, user) if server.startswith("https:") else None
    return Cluster(server, token, tls, cluster.text("tls-server-name"))


def _tls(cluster: _Entry, user: _Entry) -> ssl.SSLContext:
    authority = cluster.bytes("certificate-authority").decode("utf-8", "replace")
    made = context(authority or None, cluster.origin)
    if cluster.data.get("insecure-skip-tls-verify") is True:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    certificate, key = user.bytes("client-certificate"), user.bytes("client-key")
    if bool(certificate) != bool(key):
        raise UsageError(f"{user.origin} has only one of client-certificate and client-key", "give both, or a token")
    if certificate:
        try:
            with _in_memory(certificate) as first, _in_memory(key) as second:
                made.load_cert_chain(first, second, password=b"")  # "": never ask at the terminal
        except (ssl.SSLError, ValueError) as error:
            way_on = "both in PEM, the key without a password"
            raise UsageError(f"{user.origin}: client-certificate and client-key are no pair", way_on) from error
    return made


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """A path to the data: ssl takes a key from files only, and this one shall not lie on a disk."""
    with os.fdopen(os.memfd_create("rubin-kubeconfig"), "wb") as file:
        file.write(data)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


def _loaded(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(readable(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise UsageError(f"{path} is not valid YAML: {said}", "mend the line that is named") from error
    return _tables([data], str(path))[0]


def _tables(data: Any, origin: str) -> list[dict[str, Any]]:
    if data is None:
        return []
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        raise UsageError(f"{origin} is no kubeconfig", "kubectl config view --minify --raw")
    return data
