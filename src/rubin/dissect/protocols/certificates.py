"""What a certificate says of itself (X.509, RFC 5280, in DER), read as far as it is there; never raises."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

_OID, _OCTETS = 0x06, 0x04
_COMMON_NAME, _ORGANISATION, _ALTERNATIVE_NAMES = b"\x55\x04\x03", b"\x55\x04\x0a", b"\x55\x1d\x11"
_EXTENSIONS, _VERSION, _DNS_NAME = 0xA3, 0xA0, 0x82
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_ENCODINGS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x14: "latin-1", 0x1E: "utf-16-be", 0x1C: "utf-32-be"}
_TIME = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})Z")
_MOST_NAMES, _LONGEST_NAME = 8, 255
_MOST_ITEMS = 128  # of one sequence


@dataclass(frozen=True, slots=True)
class Certificate:
    """`subject` and `issuer` by common name, or else organisation; the first DNS names; when it ends (ISO 8601, UTC).

    What is not known is empty.
    """

    subject: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    not_after: str = ""


class _Item(NamedTuple):
    """A tag and its content, which is `whole` or cut off."""

    tag: int
    content: bytes
    whole: bool


_NONE = _Item(0, b"", False)


def certificate(der: bytes) -> Certificate:
    """Of a certificate or its first bytes."""
    to_be_signed = next(_items(next(_items(der), _NONE).content), _NONE).content
    fields = [item for item in _items(to_be_signed) if item.tag != _VERSION]
    # serial number, algorithm, issuer, validity, subject, key, and then what is optional
    _, _, issuer, validity, subject, *rest = fields + [_NONE] * max(0, 5 - len(fields))
    times = list(_items(validity.content))
    extensions = next((item.content for item in rest if item.tag == _EXTENSIONS), b"")
    return Certificate(_name(subject), _name(issuer), _dns_names(extensions), _time(times[1]) if len(times) > 1 else "")


def _items(data: bytes) -> Iterator[_Item]:
    """What stands one after the other in DER, to the end or where it makes no sense."""
    at = 0
    for _ in range(_MOST_ITEMS):
        if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
            return
        tag, length, at = data[at], data[at + 1], at + 2
        if length >= 0x80:
            size = length & 0x7F
            if not 0 < size <= 4 or at + size > len(data):
                return
            length, at = int.from_bytes(data[at : at + size]), at + size
        yield _Item(tag, data[at : at + length], at + length <= len(data))
        at += length


def _name(name: _Item) -> str:
    """The last common name of a distinguished name, or else the organisation if there is no common name."""
    found = {}
    for rdn in _items(name.content):
        for attribute in _items(rdn.content):
            kind, value, *_ = *_items(attribute.content), _NONE, _NONE
            if kind.tag == _OID and value.whole:
                found[kind.content] = _text(value)
    return found.get(_COMMON_NAME) or (found.get(_ORGANISATION, "") if name.whole else "")


def _dns_names(extensions: bytes) -> tuple[str, ...]:
    names: list[bytes] = []
    for extension in _items(next(_items(extensions), _NONE).content):
        kind, *rest = *_items(extension.content), _NONE
        if kind.content != _ALTERNATIVE_NAMES:
            continue
        octets = next((item.content for item in rest if item.tag == _OCTETS), b"")
        general = _items(next(_items(octets), _NONE).content)
        names += [name.content[:_LONGEST_NAME] for name in general if name.tag == _DNS_NAME and name.whole]
    return tuple(name.decode("ascii", "replace") for name in names[:_MOST_NAMES])


def _text(value: _Item) -> str:
    return value.content[:_LONGEST_NAME].decode(_ENCODINGS.get(value.tag, "ascii"), "replace")


def _time(value: _Item) -> str:
    """UTCTime has two digits of the year, up to 2049 (RFC 5280, 4.1.2.5)."""
    digits = value.content[:16].decode("ascii", "replace")
    if value.tag == _UTC_TIME:
        digits = ("20" if digits[:2] < "50" else "19") + digits
    found = _TIME.fullmatch(digits)
    return "{}-{}-{}T{}:{}:{}Z".format(*found.groups()) if found and value.whole else ""
