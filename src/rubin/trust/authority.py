"""A small authority: a directory with its key, what it signed, and what it took back.

    ca.crt  ca.key  crl.pem         the authority, its key, the list of revoked certificates
    NAME/tls.crt  tls.key  ca.crt   one directory each, as cert-manager and Kubernetes' secrets have it
    issued/SERIAL.crt               everything that was ever signed and has not ended

`ca.crt` may hold other authorities, too, that are to be trusted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from rubin.errors import RubinError, UsageError
from rubin.trust import signing
from rubin.trust.keeping import locked, read, write
from rubin.trust.names import EVERY_NODE, names_of

_EVERY_NODES = "every-node"
_RESERVED = ("issued", _EVERY_NODES)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate of the authority. `state`: valid, expired, revoked, or replaced by a newer one that is in use."""

    certificate: x509.Certificate
    state: str

    @property
    def name(self) -> str:
        """As it was issued to."""
        return signing.name_of(self.certificate)

    @property
    def kind(self) -> str:
        """What it was made as."""
        return signing.kind_of(self.certificate)

    @property
    def ends(self) -> datetime:
        """Its last moment."""
        return self.certificate.not_valid_after_utc

    @property
    def serial(self) -> int:
        """Its number at the authority."""
        return self.certificate.serial_number

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it carries."""
        return signing.Wish.again(self.certificate).names


class Authority:
    """The authority of a directory, at a moment. Raises RubinError where there is none, or it cannot sign."""

    def __init__(self, directory: Path, now: datetime) -> None:
        self._directory, self._now = directory, now
        if not (directory / "ca.crt").exists():
            raise RubinError(
                f"there is no authority in {directory}", "rubin certs init, or --directory with the place of one"
            )
        self._bundle = read(directory / "ca.crt")
        self.certificates = _certificates(directory / "ca.crt", self._bundle)
        self.certificate = self.certificates[0]

    @classmethod
    def create(cls, directory: Path, name: str, valid_for: timedelta, now: datetime) -> "Authority":
        """A new one in a directory that has none. Raises RubinError."""
        for there in ("ca.crt", "ca.key"):
            if (directory / there).exists():
                what = f"there is an authority in {directory} already ({there})"
                raise RubinError(what, "rubin certs show, or another --directory")
        signer = signing.new_authority(name, valid_for, now)
        write(directory / "ca.key", signing.key_pem(signer.key), 0o600)
        write(directory / "ca.crt", signer.certificate.public_bytes(Encoding.PEM))
        write(directory / "crl.pem", signing.new_list(signer, {}, 1, now).public_bytes(Encoding.PEM))
        return cls(directory, now)

    @property
    def ends(self) -> datetime:
        """When nothing of it is valid any more."""
        return self.certificate.not_valid_after_utc

    def issue(
        self, names: Iterable[str], kind: str, cluster: str, further: tuple[str, ...], valid_for: timedelta
    ) -> list[Path]:
        """The directories of new certificates: all, or none where one cannot be. Raises UsageError, RubinError."""
        signer = self._signer()
        wishes = [signing.Wish(name, kind, names_of(kind, name, cluster, further), valid_for) for name in names]
        with locked(self._directory):
            for wish in wishes:
                self._refuse_taken(wish.name)
            return [self._sign(signer, wish) for wish in wishes]

    def renew(self, names: Iterable[str], within: timedelta) -> list[str]:
        """The names of those that got a new key and certificate, because theirs would have ended by then.

        No name means all. Those that are revoked are not renewed, nor those that end with the authority anyway.
        """
        signer, wanted = self._signer(), set(names)
        with locked(self._directory):
            issued = self.issued()
            self._need_known(wanted, issued)
            using = [one for one in issued if one.state in ("valid", "expired")]
            for name in sorted(wanted.difference(one.name for one in using)):
                raise RubinError(f"the certificate of {name} is revoked", f"rubin certs issue {name}")
            late = [one for one in using if one.ends < min(self._now + within, self.ends)]
            renewed = [one for one in late if not wanted or one.name in wanted]
            for one in renewed:
                self._sign(signer, signing.Wish.again(one.certificate))
            self._forget_ended()
        return [one.name for one in renewed]

    def revoke(self, names: Iterable[str]) -> int:
        """How many certificates are in the list now that were not: all of these names that have not ended."""
        signer, wanted = self._signer(), set(names)
        if not _may_sign_lists(self.certificate):
            what = f"the authority of {self._directory} may not sign lists of revoked certificates"
            raise RubinError(what, "let the certificate expire, or an authority of `rubin certs init`")
        with locked(self._directory):
            issued = self.issued()
            self._need_known(wanted, issued)
            found = [one for one in issued if one.name in wanted and one.state != "revoked"]
            number, revoked = self._revoked()
            revoked |= {one.serial: self._now for one in found}
            made = signing.new_list(signer, revoked, number + 1, self._now)
            write(self._directory / "crl.pem", made.public_bytes(Encoding.PEM))
        return len(found)

    def issued(self) -> list[Issued]:
        """What was signed and has not ended, and what has ended and is still in use; by name, first what is in use."""
        _, revoked = self._revoked()
        using = {one.serial_number: one for one in self._in_use()}
        known = using | {one.serial_number: one for one in self._kept()}
        found = [Issued(one, self._state(one, revoked, using)) for one in known.values()]
        return sorted(found, key=lambda one: (one.name, one.state in ("revoked", "replaced"), -one.ends.timestamp()))

    def _state(
        self, certificate: x509.Certificate, revoked: dict[int, datetime], using: dict[int, x509.Certificate]
    ) -> str:
        if certificate.serial_number in revoked:
            return "revoked"
        if certificate.serial_number not in using:
            return "replaced"
        return "valid" if certificate.not_valid_after_utc > self._now else "expired"

    def _signer(self) -> signing.Signer:
        """Raises RubinError for a key that cannot be used, and outside of the authority's time."""
        path = self._directory / "ca.key"
        try:
            key = load_pem_private_key(read(path), None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            fault = "has a passphrase" if isinstance(error, TypeError) else "holds no private key"
            raise RubinError(f"{path} {fault}", "a PEM file without a passphrase") from error
        public = key.public_key()
        own = next((one for one in self.certificates if one.public_key() == public), None)
        if own is None:
            raise RubinError(f"{path} does not belong to ca.crt beside it", "the two files that were made together")
        self.certificate = own
        if not _is_authority(own):
            raise RubinError(f"{self._directory}/ca.crt is no authority's certificate", "rubin certs init")
        here = f"{self._now:%Y-%m-%d %H:%M} UTC"
        if self._now < own.not_valid_before_utc:
            began = f"{own.not_valid_before_utc:%Y-%m-%d %H:%M}"
            raise RubinError(f"the authority begins on {began} UTC, and here it is {here}", "set this machine's clock")
        if self._now >= self.ends:
            what = f"the authority of {self._directory} ended on {self.ends:%Y-%m-%d}; here it is {here}"
            raise RubinError(
                what, "rubin certs init --directory with another place, then issue all anew; or set the clock"
            )
        return signing.Signer(own, key)  # type: ignore[arg-type]

    def _refuse_taken(self, name: str) -> None:
        if name in _RESERVED:
            raise UsageError(f"'{name}' is a name that the authority uses itself", "another name")
        path = self._place(name) / "tls.crt"
        if not path.exists():
            return
        serial = _certificates(path, read(path))[0].serial_number
        if serial not in self._revoked()[1]:
            raise RubinError(
                f"there is a certificate of {name} already", f"rubin certs renew {name}, or revoke it first"
            )

    def _place(self, name: str) -> Path:
        return self._directory / (_EVERY_NODES if name == EVERY_NODE else name)

    def _sign(self, signer: signing.Signer, wish: signing.Wish) -> Path:
        certificate, key = signing.new_certificate(signer, wish, self._now)
        pem, place = certificate.public_bytes(Encoding.PEM), self._place(wish.name)
        write(self._directory / "issued" / f"{certificate.serial_number:x}.crt", pem)
        write(place / "ca.crt", self._bundle)
        write(place / "tls.key", signing.key_pem(key), 0o600)
        write(place / "tls.crt", pem)
        return place

    def _need_known(self, wanted: set[str], issued: list[Issued]) -> None:
        import difflib

        names = sorted({one.name for one in issued})
        for name in sorted(wanted.difference(names)):
            near = difflib.get_close_matches(name, names, 1) or names
            raise UsageError(f"no certificate of '{name}' was issued here", ", ".join(near) or "rubin certs issue")

    def _in_use(self) -> Iterator[x509.Certificate]:
        """Those that lie in directories of their own, if they were made here."""
        for path in sorted(self._directory.glob("*/tls.crt")):
            certificate = _certificates(path, read(path))[0]
            if signing.kind_of(certificate) and certificate.issuer in {one.subject for one in self.certificates}:
                yield certificate

    def _kept(self) -> Iterator[x509.Certificate]:
        for path in (self._directory / "issued").glob("*.crt"):
            certificate = _certificates(path, read(path))[0]
            if certificate.not_valid_after_utc > self._now:
                yield certificate

    def _forget_ended(self) -> None:
        for path in (self._directory / "issued").glob("*.crt"):
            if _certificates(path, read(path))[0].not_valid_after_utc <= self._now:
                path.unlink()

    def _revoked(self) -> tuple[int, dict[int, datetime]]:
        """The number of the list, and its serials with their times."""
        path = self._directory / "crl.pem"
        if not path.exists():
            return 0, {}
        try:
            found = x509.load_pem_x509_crl(read(path))
            number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        except (ValueError, x509.ExtensionNotFound) as error:
            raise RubinError(f"{path} holds no list of revoked certificates", "a copy of it, from before") from error
        return number, {one.serial_number: one.revocation_date_utc for one in found}


def _certificates(path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise RubinError(f"{path} holds no certificate", "-----BEGIN CERTIFICATE-----") from error


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _may_sign_lists(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True
