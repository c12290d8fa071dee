"""Certificates from keys and names (RFC 5280): P-256, which every TLS library has."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rubin.trust.names import KINDS, is_address

_CLOCKS_DIFFER = timedelta(hours=1)  # a machine whose clock is behind takes a new certificate, too


@dataclass(frozen=True, slots=True)
class Signer:
    """An authority's certificate and key."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to stand in a certificate."""

    name: str
    kind: str
    names: tuple[str, ...]
    valid_for: timedelta

    @classmethod
    def again(cls, certificate: x509.Certificate) -> "Wish":
        """The same as in that one."""
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = tuple(str(one.value) for one in found)
        lasted = certificate.not_valid_after_utc - certificate.not_valid_before_utc - _CLOCKS_DIFFER
        return cls(name_of(certificate), kind_of(certificate), names, lasted)


def new_authority(name: str, valid_for: timedelta, now: datetime) -> Signer:
    """An authority that signs certificates and lists, and no other authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = _begin(subject, subject, key, now, now + valid_for)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    made = made.add_extension(_usage(signs=True), critical=True)
    return Signer(made.sign(key, hashes.SHA256()), key)


def new_certificate(signer: Signer, wish: Wish, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate with a new key; it does not outlive its authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, wish.kind),
            x509.NameAttribute(NameOID.COMMON_NAME, wish.name),
        ]
    )
    end = min(now + wish.valid_for, signer.certificate.not_valid_after_utc)
    made = _begin(subject, signer.certificate.subject, key, now, end)
    kind = KINDS[wish.kind]
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH] * kind.is_server + [ExtendedKeyUsageOID.CLIENT_AUTH] * kind.is_client
    names = [x509.IPAddress(ip_address(one)) if is_address(one) else x509.DNSName(one) for one in wish.names]
    made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    made = made.add_extension(_usage(signs=False), critical=True)
    made = made.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    made = made.add_extension(_signed_by(signer), critical=False)
    return made.sign(signer.key, _hash(signer)), key


def new_list(
    signer: Signer, revoked: Mapping[int, datetime], number: int, now: datetime
) -> x509.CertificateRevocationList:
    """Serials and since when; valid as long as the authority, because nobody may be there to renew it."""
    made = x509.CertificateRevocationListBuilder().issuer_name(signer.certificate.subject)
    made = made.last_update(now - _CLOCKS_DIFFER).next_update(signer.certificate.not_valid_after_utc)
    made = made.add_extension(x509.CRLNumber(number), critical=False).add_extension(_signed_by(signer), critical=False)
    for serial, since in revoked.items():
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
        made = made.add_revoked_certificate(one.build())
    return made.sign(signer.key, _hash(signer))


def key_pem(key: ec.EllipticCurvePrivateKey | CertificateIssuerPrivateKeyTypes) -> bytes:
    """The key without a passphrase."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def name_of(certificate: x509.Certificate) -> str:
    """Its subject's common name, "" if none."""
    return _of_subject(certificate, NameOID.COMMON_NAME)


def kind_of(certificate: x509.Certificate) -> str:
    """The kind it was made as, "" if it was made elsewhere."""
    found = _of_subject(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME)
    return found if found in KINDS else ""


def _of_subject(certificate: x509.Certificate, which: x509.ObjectIdentifier) -> str:
    return next((str(one.value) for one in certificate.subject.get_attributes_for_oid(which)), "")


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - _CLOCKS_DIFFER).not_valid_after(end)
    return made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _signed_by(signer: Signer) -> x509.AuthorityKeyIdentifier:
    """Which of an authority's keys it was: the certificate's word for it, where it has one."""
    try:
        said = signer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.certificate.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(said)


def _usage(signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _hash(signer: Signer) -> hashes.SHA256 | None:
    """What is signed; Ed25519 and Ed448 bring their own."""
    return None if isinstance(signer.key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256()
