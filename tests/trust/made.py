"""Certificates for tests, made as users make them; some in the past, some in time to come."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rubin.trust.authority import Authority

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
HERE = ("localhost", "127.0.0.1")


def authority(directory: Path, at: datetime = NOW) -> Authority:
    """The authority there as it is at that time; it began a hundred days ago."""
    if not (directory / "ca.crt").exists():
        Authority.create(directory, "Rubin CA", 3650 * DAY, NOW - 100 * DAY)
    return Authority(directory, at)


def issue(directory: Path, name: str, kind: str = "node", at: datetime = NOW, days: int = 10) -> Path:
    """The directory of a new certificate, which carries the names of this machine."""
    return authority(directory, at).issue([name], kind, "default", HERE, days * DAY)[0]


def of_server(place: Path, **more: Any) -> dict[str, Any]:
    """The settings of a server that has this certificate, and asks clients for one of the same authority."""
    pair = {"tls_cert_file": str(place / "tls.crt"), "tls_key_file": str(place / "tls.key")}
    return {**pair, "tls_client_ca_files": (str(place / "ca.crt"),), **more}


def of_client(place: Path, **more: Any) -> dict[str, Any]:
    """The settings of a client that has this certificate, and trusts servers of the same authority."""
    pair = {"tls_client_cert_file": str(place / "tls.crt"), "tls_client_key_file": str(place / "tls.key")}
    return {**pair, "tls_ca_cert_files": (str(place / "ca.crt"),), **more}


def aged(*paths: Path) -> None:
    """As if they had been written a minute ago."""
    for path in paths:
        os.utime(path, (time.time() - 60, time.time() - 60))


def replaced(path: Path, content: bytes) -> None:
    """Other content, whole at any moment, that has been there for a minute."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    aged(beside)
    beside.replace(path)
