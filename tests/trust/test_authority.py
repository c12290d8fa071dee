"""A small authority in a directory: what it makes, what it refuses, and what OpenSSL says of it."""

import os
import subprocess
from datetime import timedelta
from pathlib import Path
from stat import S_IMODE

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rubin.errors import RubinError, UsageError
from rubin.trust.authority import Authority
from rubin.trust.names import names_of
from tests.trust.made import DAY, NOW, authority, issue

NAMES = [
    ("node", "web-1.example.com", "east.1", "web-1-example-com.east-1.hubble-grpc.cilium.io"),
    ("node", "web-1", "default", "hubble-peer.default.hubble-grpc.cilium.io"),
    ("node", "*", "default", "*.default.hubble-grpc.cilium.io"),
    ("relay", "relay", "default", "*.hubble-relay.cilium.io"),
    ("client", "alice", "default", "alice.hubble-relay.cilium.io"),
    ("ui", "page", "default", "ui.hubble-relay.cilium.io"),
    ("metrics", "web-1", "east.1", "east-1.hubble-metrics.cilium.io"),
]


@pytest.mark.parametrize(("kind", "name", "cluster", "wanted"), NAMES)
def test_certificates_carry_the_names_that_hubbles_parts_ask_for(kind: str, name: str, cluster: str, wanted: str):
    assert wanted in names_of(kind, name, cluster, ())


BAD_NAMES = [
    ("node", "a b", "default", "", "'a b' cannot be a name here"),
    ("node", "../web", "default", "", "cannot be a name here"),
    ("node", "", "default", "", "cannot be a name here"),
    ("node", "x" * 64, "default", "", "cannot be a name here"),
    ("relay", "*", "default", "", "'*' is no name of a relay"),
    ("node", "web", "a/b", "", "'a/b' cannot be the name of a cluster"),
    ("node", "web", "default", "a" * 300 + "!", "--san cannot be"),
    ("node", "web", "default", "http://web", "--san cannot be 'http://web'"),
    ("node", "issued", "default", "", "'issued' is a name that the authority uses itself"),
]


@pytest.mark.parametrize(("kind", "name", "cluster", "san", "says"), BAD_NAMES)
def test_what_can_be_no_name_is_refused_and_nothing_is_written(
    tmp_path: Path, kind: str, name: str, cluster: str, san: str, says: str
):
    one = authority(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError) as refused:
        one.issue(["fine", name], kind, cluster, (san,) if san else (), DAY)
    assert says in refused.value.sentence
    assert refused.value.way_on
    assert sorted(tmp_path.rglob("*")) == before


def test_openssl_takes_what_is_made_for_what_it_is(tmp_path: Path):
    places = {kind: issue(tmp_path, f"a-{kind}", kind) for kind in ("node", "relay", "client")}
    for kind, fits in (("node", "sslserver"), ("relay", "sslserver"), ("relay", "sslclient"), ("client", "sslclient")):
        assert verified(places[kind], fits) == "OK"
    assert "purpose" in verified(places["node"], "sslclient")
    assert "purpose" in verified(places["client"], "sslserver")
    made = x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes())
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert made.not_valid_after_utc - NOW == 3550 * DAY
    for path, mode in (("ca.key", 0o600), ("ca.crt", 0o644), ("a-node/tls.key", 0o600), ("a-node/tls.crt", 0o644)):
        assert S_IMODE((tmp_path / path).stat().st_mode) == mode

    authority(tmp_path).revoke(["a-relay"])
    assert verified(places["node"], "sslserver", "-crl_check", "-CRLfile", str(tmp_path / "crl.pem")) == "OK"
    assert "revoked" in verified(places["relay"], "sslserver", "-crl_check", "-CRLfile", str(tmp_path / "crl.pem"))


def verified(place: Path, purpose: str, *more: str) -> str:
    command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", f"{place}/ca.crt", *more]
    done = subprocess.run([*command, f"{place}/tls.crt"], capture_output=True, text=True, check=False)
    return (done.stdout.partition(": ")[2].strip() if done.returncode == 0 else done.stderr) or done.stdout


def test_renewing_replaces_what_ends_soon_with_the_same_names_a_new_key_and_the_files_owner(tmp_path: Path):
    soon, later = issue(tmp_path, "soon", days=20), issue(tmp_path, "later", days=200)
    os.chmod(soon / "tls.key", 0o640)
    if os.geteuid() == 0:
        os.chown(soon / "tls.key", 65534, 65534)
    kept, old_key = (later / "tls.crt").read_bytes(), (soon / "tls.key").read_bytes()
    old = x509.load_pem_x509_certificate((soon / "tls.crt").read_bytes())
    assert authority(tmp_path).renew([], 30 * DAY) == ["soon"]
    new = x509.load_pem_x509_certificate((soon / "tls.crt").read_bytes())
    assert (later / "tls.crt").read_bytes() == kept
    assert (soon / "tls.key").read_bytes() != old_key
    assert S_IMODE((soon / "tls.key").stat().st_mode) == 0o640
    assert (soon / "tls.key").stat().st_uid == (65534 if os.geteuid() == 0 else os.geteuid())
    for kind in (x509.SubjectAlternativeName, x509.ExtendedKeyUsage):
        assert new.extensions.get_extension_for_class(kind) == old.extensions.get_extension_for_class(kind)
    assert new.not_valid_after_utc - new.not_valid_before_utc == old.not_valid_after_utc - old.not_valid_before_utc
    assert verified(soon, "sslserver") == "OK"
    assert not list(tmp_path.rglob(".*"))

    assert authority(tmp_path).renew(["later"], 30 * DAY) == []
    assert authority(tmp_path, NOW + 300 * DAY).renew(["later"], 30 * DAY) == ["later"]  # long after its end
    with pytest.raises(UsageError, match="no certificate of 'late' was issued here") as refused:
        authority(tmp_path).renew(["late"], 30 * DAY)
    assert refused.value.way_on == "later"


def test_revoking_takes_all_back_that_a_name_has_and_it_can_be_given_again(tmp_path: Path):
    issue(tmp_path, "web"), issue(tmp_path, "other")
    authority(tmp_path).renew(["web"], 300 * DAY)
    assert states(tmp_path, "web") == ["valid", "replaced"]
    assert authority(tmp_path).revoke(["web"]) == 2
    assert authority(tmp_path).revoke(["web"]) == 0
    assert states(tmp_path, "web") == ["revoked", "revoked"]
    assert states(tmp_path, "other") == ["valid"]
    with pytest.raises(RubinError, match="the certificate of web is revoked"):
        authority(tmp_path).renew(["web"], 300 * DAY)
    issue(tmp_path, "web")
    assert states(tmp_path, "web") == ["valid", "revoked", "revoked"]
    assert authority(tmp_path, NOW + 1 * DAY).revoke(["other"]) == 1
    revoked = x509.load_pem_x509_crl((tmp_path / "crl.pem").read_bytes())
    assert sorted(one.revocation_date_utc for one in revoked) == [NOW, NOW, NOW + DAY]
    assert revoked.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 4
    later = authority(tmp_path, NOW + 40 * DAY)
    assert later.renew([], DAY) == ["web"]
    assert len(list((tmp_path / "issued").iterdir())) == 1  # what has ended is forgotten


def states(directory: Path, name: str) -> list[str]:
    return [one.state for one in authority(directory).issued() if one.name == name]


def test_nothing_outlives_the_authority(tmp_path: Path):
    one = authority(tmp_path)
    (place,) = one.issue(["web"], "node", "default", (), 36_000 * DAY)
    made = x509.load_pem_x509_certificate((place / "tls.crt").read_bytes())
    assert made.not_valid_after_utc == one.ends
    assert authority(tmp_path, one.ends - DAY).renew([], 30 * DAY) == []  # it would be no longer


def test_what_is_there_is_not_overwritten(tmp_path: Path):
    issue(tmp_path, "web")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(RubinError, match="there is an authority in"):
        Authority.create(tmp_path, "other", DAY, NOW)
    with pytest.raises(RubinError, match="there is a certificate of web already") as refused:
        issue(tmp_path, "web")
    assert "rubin certs renew web" in refused.value.way_on
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def spoil_key(directory: Path) -> None:
    (directory / "ca.key").write_text("no key")


def take_key(directory: Path) -> None:
    (directory / "ca.key").unlink()


def swap_key(directory: Path) -> None:
    authority(directory / "beside")
    (directory / "ca.key").write_bytes((directory / "beside" / "ca.key").read_bytes())


def lock_key(directory: Path) -> None:
    command = f"openssl pkey -in {directory}/ca.key -aes256 -passout pass:x -out {directory}/locked"
    subprocess.run(command.split(), check=True)
    (directory / "locked").replace(directory / "ca.key")


def spoil_certificate(directory: Path) -> None:
    (directory / "ca.crt").write_text("no certificate")


def spoil_list(directory: Path) -> None:
    (directory / "crl.pem").write_text("no list")


def leaf_as_authority(directory: Path) -> None:
    place = issue(directory, "web")
    (directory / "ca.crt").write_bytes((place / "tls.crt").read_bytes())
    (directory / "ca.key").write_bytes((place / "tls.key").read_bytes())


FAULTS = [
    (spoil_key, timedelta(), "ca.key holds no private key"),
    (take_key, timedelta(), "ca.key: No such file or directory"),
    (swap_key, timedelta(), "ca.key does not belong to ca.crt"),
    (lock_key, timedelta(), "ca.key has a passphrase"),
    (spoil_certificate, timedelta(), "ca.crt holds no certificate"),
    (spoil_list, timedelta(), "crl.pem holds no list of revoked certificates"),
    (leaf_as_authority, timedelta(), "ca.crt is no authority's certificate"),
    (lambda _: None, 3600 * DAY, "ended on"),
    (lambda _: None, -200 * DAY, "the authority begins on"),
]


@pytest.mark.parametrize(("spoil", "after", "says"), FAULTS)
def test_an_authority_that_cannot_sign_says_why(tmp_path: Path, spoil, after: timedelta, says: str):
    issue(tmp_path, "first")
    spoil(tmp_path)
    with pytest.raises(RubinError) as refused:
        authority(tmp_path, NOW + after).revoke(["first"])
    assert says in refused.value.sentence
    assert refused.value.way_on


def test_where_nobody_may_write_it_is_said(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(RubinError, match="cannot write .*ca.key: File exists"):
        Authority.create(tmp_path / "file", "x", DAY, NOW)
    with pytest.raises(RubinError, match="there is no authority in"):
        Authority(tmp_path / "nowhere", NOW)


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()])
def test_an_authority_made_elsewhere_is_taken_as_it_is(tmp_path: Path, key):
    """As Cilium's `cilium-ca`: RSA, may not sign lists; `ca.crt` holds an older one before it."""
    issue(tmp_path / "older", "x")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Cilium CA")])
    usage = x509.KeyUsage(True, False, True, False, False, True, False, False, False)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    made = made.not_valid_before(NOW - DAY).not_valid_after(NOW + 99 * DAY).add_extension(usage, True)
    made = made.add_extension(x509.BasicConstraints(True, 0), True)
    signed = made.sign(key, hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey) else None)
    bundle = (tmp_path / "older" / "ca.crt").read_bytes() + signed.public_bytes(Encoding.PEM)
    (tmp_path / "ca.crt").write_bytes(bundle)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "ca.key").write_bytes(pem)
    place = issue(tmp_path, "web")
    assert (place / "ca.crt").read_bytes() == bundle
    assert "OK" in verified_loosely(place)
    assert states(tmp_path, "web") == ["valid"]
    with pytest.raises(RubinError, match="may not sign lists"):
        authority(tmp_path).revoke(["web"])


def verified_loosely(place: Path) -> str:
    command = ["openssl", "verify", "-CAfile", f"{place}/ca.crt", f"{place}/tls.crt"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
