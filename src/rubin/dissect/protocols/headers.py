"""HTTP's headers and URLs as others may see them: redaction in Hubble's words; and the trace of a request."""

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote_plus

from rubin.dissect.redaction import REDACTED, REDACTION, Redaction, is_credential
from rubin.model.messages import Attributes

_MOST_HEADERS, _LONGEST_NAME, _LONGEST_VALUE, _LONGEST_URL = 64, 64, 256, 2048
_REMEMBERED = 4096
_OF_URLS = frozenset(
    {"destination", "host", "referer", "x-envoy-original-path", "x-forwarded-uri", "x-original-uri", "x-original-url"}
)
_QUERY = re.compile(r"[?#].*", re.DOTALL)
_PARAMETER = re.compile(r"([?&;#]([^=?&;#]*)=)[^&;#]*")
_CREDENTIALS = frozenset({"code", "key", "otp", "sid", "sig", "ticket"})  # in queries; elsewhere harmless words
_PASSWORD = re.compile(r"((?:^|//)[^/?#:@]*):[^/?#]*@")
# https://www.w3.org/TR/trace-context/, 3.2: version, trace id, parent id, flags; later versions may go on after a dash
_TRACEPARENT = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", re.DOTALL
)


def kept(headers: Iterable[tuple[str, str]], redaction: Redaction = REDACTION) -> Attributes:
    """The headers as Hubble shows them: names in lower case, sorted by name, one entry a value.

    Values that may not be seen are `HUBBLE_REDACTED`. At most 64 headers; long names and values are cut.
    """
    shown = []
    for name, value in headers:
        name = name.lower()
        shown.append(_header(name[:_LONGEST_NAME], _value(name, value, redaction)))
        if len(shown) == _MOST_HEADERS:
            break
    return tuple(sorted(shown, key=lambda header: header[0]))


def _value(name: str, value: str, redaction: Redaction) -> str:
    if not redaction.keeps(name):
        return REDACTED
    return (url(value, redaction) if name in _OF_URLS else value)[:_LONGEST_VALUE]


@lru_cache(_REMEMBERED)
def _header(name: str, value: str) -> tuple[str, str]:
    """One and the same object for a header that comes again: most are in many messages."""
    return name, value


def url(target: str, redaction: Redaction = REDACTION) -> str:
    """A path, URL or authority without what may not be seen: query and fragment, and the password before a host.

    Of a query that may be seen the parameters that are credentials by their name have no value.
    """
    target = _QUERY.sub("", target) if redaction.http_urlquery else _PARAMETER.sub(_parameter, target)
    if redaction.http_userinfo:
        target = _PASSWORD.sub(rf"\1:{REDACTED}@", target)
    return target[:_LONGEST_URL]


def _parameter(found: re.Match[str]) -> str:
    name = unquote_plus(found[2])
    return f"{found[1]}{REDACTED}" if is_credential(name) or name.lower() in _CREDENTIALS else found[0]


def trace_id(value: bytes) -> str:
    """The trace id of a `traceparent` (W3C Trace Context), 32 hexadecimal digits; "" if it is none."""
    found = _TRACEPARENT.fullmatch(value.strip(b" \t"))
    if not found or (found[1] == b"00" and found[3] is not None):
        return ""
    return found[2].decode()
