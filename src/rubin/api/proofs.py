"""How who asks is known: one class a kind of proof. Another kind is another line in `KINDS`."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from rubin.api.asking import Who
from rubin.api.roles import Access


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request brings along."""

    authorization: str = field(default="", repr=False)
    certificate: Mapping[str, Any] = field(default_factory=dict)
    """As `ssl.SSLSocket.getpeercert` gives it, which has verified it; {} for none."""
    owner: str = ""
    """Of the process at the other end of a Unix socket: `uid=0`; "" on TCP."""

    def names(self) -> tuple[str, ...]:
        """Those of the certificate: the subject's, and the further ones."""
        subject = (pair for part in self.certificate.get("subject", ()) for pair in part)
        common = [value for key, value in subject if key == "commonName"]
        others = [value for _, value in self.certificate.get("subjectAltName", ())]
        return tuple(dict.fromkeys([*common, *others]))


class Proof(Protocol):
    """A kind of proof. `who` is None where it is not shown, or not known here; another kind may know it."""

    async def who(self, shown: Shown, access: Access, /) -> Who | None:
        """Who asks."""


class Socket:
    """The Unix socket lets its owner and group in, who see everything."""

    async def who(self, shown: Shown, _access: Access) -> Who | None:
        """Whoever got that far."""
        return Who(shown.owner, "socket") if shown.owner else None


class Token:
    """`Bearer TOKEN`, or `Basic` with the token's name and the token, as Hubble's command line sends them."""

    async def who(self, shown: Shown, access: Access) -> Who | None:
        """Every token of the file is compared, so that the time taken tells nothing."""
        name, token = _token_of(shown.authorization)
        if not token:
            return None
        offered, found = digest(token), None
        for known in access.tokens:
            if hmac.compare_digest(known.digest, offered) and name in ("", known.name):
                found = known
        return access.who(found.name, "token", found.roles) if found else None


class Certificate:
    """Any of the names in a certificate that an authority of the server's has signed."""

    async def who(self, shown: Shown, access: Access) -> Who | None:
        """With the roles of all entries that fit. A token that is shown, too, decides alone."""
        names = shown.names() if not shown.authorization else ()
        roles = [role for one in access.certificates if any(map(one.fits, names)) for role in one.roles]
        return access.who(names[0], "certificate", tuple(dict.fromkeys(roles))) if roles else None


KINDS: tuple[Proof, ...] = (Socket(), Token(), Certificate())


def digest(token: str) -> str:
    """As the access file has it, without `sha256:`."""
    return hashlib.sha256(token.encode()).hexdigest()


def _token_of(authorization: str) -> tuple[str, str]:
    """The name, "" for any, and the token; ("", "") where there is none."""
    scheme, _, value = authorization.strip().partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return "", value
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, colon, token = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (name, token) if colon and name else ("", "")
