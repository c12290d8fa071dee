"""The PEM files of TLS: read into a context, each fault with its own sentence."""

import os
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rubin.errors import RubinError


class Stamp(NamedTuple):
    """What differs after a file was changed, renamed or allowed."""

    device: int
    inode: int
    size_bytes: int
    written_ns: int
    changed_ns: int


Stamps = tuple[Stamp, ...]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of PEM files, "" or () for what is not used."""

    certificate: str = ""
    """With what leads from it to its authority, if that is not signed by the authority itself."""
    key: str = ""
    authorities: tuple[str, ...] = ()
    """The other side's certificate must come from one of these."""
    revoked: str = ""
    """Lists of revoked certificates (CRL), one of each authority."""

    def named(self) -> tuple[str, ...]:
        """All that are used."""
        return tuple(name for name in (self.certificate, self.key, *self.authorities, self.revoked) if name)

    def stamps(self) -> Stamps:
        """What differs after any of the files was changed, also by a link on the way to it. Raises RubinError."""
        return tuple(_stamp(name) for name in self.named())

    def load(self, context: ssl.SSLContext) -> None:
        """Put them into the context. Raises RubinError."""
        for name in self.named():
            _need_readable(name)
        if self.certificate:
            self._load_pair(context)
        for name in self.authorities:
            _load_authority(context, name)
        if self.revoked:
            _load_revoked(context, self.revoked)

    def _load_pair(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self.certificate, self.key, password="")  # never ask the terminal
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                what = f"the key {self.key} does not belong to the certificate {self.certificate}"
                raise _fault(what, "the two files that were made together") from error
            if "ENCRYPTED" in _text(self.key):
                way_on = f"openssl pkey -in {self.key} writes it without one"
                raise _fault(f"the key {self.key} has a passphrase", way_on) from error
            if error.reason:
                raise _fault(f"{self.certificate}: {_plain(error.reason)}", "another certificate") from error
            certificate_is_fine = _holds_certificate(self.certificate)
            name, kind = (self.key, "PRIVATE KEY") if certificate_is_fine else (self.certificate, "CERTIFICATE")
            raise _no_pem(name, kind) from error


def _load_authority(context: ssl.SSLContext, name: str) -> None:
    try:
        context.load_verify_locations(name)
    except ssl.SSLError as error:
        raise _no_pem(name, "CERTIFICATE") from error


def _load_revoked(context: ssl.SSLContext, name: str) -> None:
    """Lists, and nothing else: a certificate in this file would become an authority."""
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        trial.load_verify_locations(name)
    except ssl.SSLError as error:
        raise _no_pem(name, "X509 CRL") from error
    held = trial.cert_store_stats()
    if held["x509"] or not held["crl"]:
        raise _fault(f"{name} holds certificates, it should hold lists of revoked ones", "-----BEGIN X509 CRL-----")
    context.load_verify_locations(name)
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _holds_certificate(name: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(name)
    except ssl.SSLError:
        return False
    return True


def _need_readable(name: str) -> None:
    if not stat.S_ISREG(_stat(name).st_mode):
        raise _fault(f"{name} is no file", "the path of a PEM file")
    try:
        with open(name, "rb"):
            pass
    except OSError as error:
        raise _unreadable(name, error) from error


def _stamp(name: str) -> Stamp:
    found = _stat(name)
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _stat(name: str) -> os.stat_result:
    try:
        return os.stat(name)
    except OSError as error:
        raise _unreadable(name, error) from error


def _text(name: str) -> str:
    return Path(name).read_text(errors="replace")


def _plain(reason: str) -> str:
    return reason.replace("_", " ").lower()


def _no_pem(name: str, kind: str) -> RubinError:
    what = kind.replace("X509 CRL", "list of revoked certificates").replace("PRIVATE KEY", "private key")
    return _fault(f"{name} holds no whole {what.replace('CERTIFICATE', 'certificate')}", f"-----BEGIN {kind}-----")


def _unreadable(name: str, error: OSError) -> RubinError:
    return _fault(f"{name}: {error.strerror}", "check the path and its permissions")


def _fault(what: str, way_on: str) -> RubinError:
    return RubinError(f"cannot use the TLS files: {what}", way_on)
