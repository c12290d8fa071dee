"""Files that cannot be used for TLS: which, and why."""

import os
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rubin.errors import RubinError
from rubin.trust.files import TlsFiles
from tests.trust.made import authority, issue


def remove(path: Path) -> None:
    path.unlink()


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(1000))


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def of_another(path: Path) -> None:
    path.write_bytes((path.parent.parent / "other" / path.name).read_bytes())


def with_passphrase(path: Path) -> None:
    subprocess.run(f"openssl pkey -in {path} -aes256 -passout pass:x -out {path}.x".split(), check=True)
    Path(f"{path}.x").replace(path)


def certificate(path: Path) -> None:
    path.write_bytes((path.parent / "ca.crt").read_bytes())


FAULTS = [
    ("node/tls.crt", remove, "tls.crt: No such file or directory"),
    ("node/tls.key", directory, "tls.key is no file"),
    ("node/tls.crt", garbage, "tls.crt holds no whole certificate"),
    ("node/tls.crt", half, "tls.crt holds no whole certificate"),
    ("node/tls.key", garbage, "tls.key holds no whole private key"),
    ("node/tls.key", half, "tls.key holds no whole private key"),
    ("node/tls.key", empty, "tls.key holds no whole private key"),
    ("node/tls.key", of_another, "does not belong to the certificate"),
    ("node/tls.key", with_passphrase, "tls.key has a passphrase"),
    ("ca.crt", half, "ca.crt holds no whole certificate"),
    ("ca.crt", empty, "ca.crt holds no whole certificate"),
    ("crl.pem", remove, "crl.pem: No such file or directory"),
    ("crl.pem", half, "crl.pem holds no whole list of revoked certificates"),
    ("crl.pem", certificate, "crl.pem holds certificates, it should hold lists of revoked ones"),
]


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    """All there can be, and all fine."""
    place = issue(tmp_path, "node")
    issue(tmp_path, "other")
    pair = (str(place / "tls.crt"), str(place / "tls.key"))
    return TlsFiles(*pair, (str(tmp_path / "ca.crt"),), str(tmp_path / "crl.pem"))


def loaded(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    files.load(context)
    return context


@pytest.mark.parametrize(("name", "spoil", "says"), FAULTS)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, files: TlsFiles, name: str, spoil: Callable[[Path], None], says: str
):
    assert loaded(files).cert_store_stats() == {"x509": 1, "crl": 1, "x509_ca": 1}
    spoil(tmp_path / name)
    with pytest.raises(RubinError) as refused:
        loaded(files)
    assert refused.value.sentence.startswith("cannot use the TLS files: ")
    assert says in refused.value.sentence
    assert refused.value.way_on


def test_a_file_that_is_not_for_us_is_named(tmp_path: Path, files: TlsFiles):
    (tmp_path / "node" / "tls.key").chmod(0)
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    try:
        with pytest.raises(RubinError, match="tls.key: Permission denied"):
            loaded(files)
    finally:
        os.seteuid(user)


def test_several_authorities_and_their_lists_may_stand_in_one_file(tmp_path: Path, files: TlsFiles):
    authority(tmp_path / "second")
    for name in ("ca.crt", "crl.pem"):
        with open(tmp_path / name, "ab") as file:
            file.write((tmp_path / "second" / name).read_bytes())
    assert loaded(files).cert_store_stats() == {"x509": 2, "crl": 2, "x509_ca": 2}
    assert loaded(replace(files, authorities=(), revoked="")).cert_store_stats()["x509"] == 0
