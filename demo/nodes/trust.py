"""The demo's certificates, made as a user makes them: by `rubin certs`."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from demo import processes
from demo.nodes.network import RELAY, Host
from demo.place import FOLDER
from rubin.errors import RubinError

AUTHORITY = FOLDER / "certs"
# The list as the relay has it: a copy, as on a machine of its own.
REVOKED = FOLDER / "relay" / "crl.pem"
READERS = ("alice", "bob")


def init(rubin: str, hosts: Iterable[Host]) -> None:
    """An authority, and a certificate for each node, the relay and the readers. Raises RubinError."""
    _certs(rubin, "init")
    _certs(rubin, "issue", *(host.name for host in hosts))
    _certs(rubin, "issue", RELAY.name, "--kind", "relay", "--san", RELAY.address)
    _certs(rubin, "issue", *READERS, "--kind", "client")
    _hand_on()


def revoke(rubin: str, *names: str) -> str:
    """What `rubin certs` says; the relay is given the new list."""
    said = _certs(rubin, "revoke", *names)
    _hand_on()
    return said


def issue(rubin: str, name: str) -> str:
    """What `rubin certs` says of a new certificate of a node, which its agent reads by itself."""
    return _certs(rubin, "issue", name)


def files(name: str) -> tuple[Path, Path, Path]:
    """Somebody's certificate, key and authority."""
    place = AUTHORITY / name
    return place / "tls.crt", place / "tls.key", place / "ca.crt"


def _hand_on() -> None:
    REVOKED.parent.mkdir(exist_ok=True)
    new = REVOKED.with_suffix(".new")
    shutil.copy(AUTHORITY / "crl.pem", new)
    new.replace(REVOKED)


def _certs(rubin: str, verb: str, *words: str) -> str:
    command = [rubin, "certs", verb, *words, "--directory", str(AUTHORITY)]
    making = processes.start("certs", command, processes.PIPE)
    said, _ = making.communicate()
    if making.returncode:
        why = processes.log_of("certs").read_text().strip()
        raise RubinError(f"rubin certs {verb} fails: {why}", "rubin certs show")
    return said
