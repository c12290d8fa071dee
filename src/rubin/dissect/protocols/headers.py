"""HTTP's headers and URLs as others may see them: redaction in Hubble's words; and the trace of a request."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rubin.errors import UsageError
from rubin.model.messages import Attributes

REDACTED = "HUBBLE_REDACTED"
HARMLESS = frozenset(
    {
        "accept",  # a client that asks for what the server does not have
        "content-length",  # a body that was announced, and never came
        "content-type",  # JSON that is HTML: the error page of a proxy
        "grpc-status",  # the status of a call, a number
        "host",  # the virtual host that was meant
        "server",  # which software answered: the application or the proxy before it
        "transfer-encoding",  # chunked or not: what proxies disagree about
        "user-agent",  # which client it is, of many behind one address
        "x-request-id",  # finds the request again in everybody's logs
    }
)
"""Headers whose values are kept where nobody says otherwise: what software says of itself and of the message.

All else may hold what a person typed, or opens a door. `grpc-message` is free text and often quotes the request;
`date` is known from the packet, and would make every message different.
"""

_SECRET = re.compile(
    r"authorization|cookie|token|secret|passw|passphrase|(?:api|access|private)-?key|credential|signature|session|bearer"
    r"|jwt|csrf|xsrf|(?:^|-)auth(?:-|$)"
)
_MOST_HEADERS, _LONGEST_NAME, _LONGEST_VALUE, _LONGEST_URL = 64, 64, 256, 2048
_PASSWORD = re.compile(r"((?:^|//)[^/?#:@]*):[^/?#]*@")
# https://www.w3.org/TR/trace-context/, 3.2: version, trace id, parent id, flags; later versions may go on after a dash
_TRACEPARENT = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", re.DOTALL
)


@dataclass(frozen=True)
class Redaction:
    """What is left out, as in Hubble's `hubble-redact-http-*`. Raises UsageError for two lists that contradict.

    Values of headers are kept if `allow` has their name; with a `deny` all but those are kept; with neither, none.
    The values of credentials (`authorization`, `cookie` and their like) are never kept, whatever the lists say.
    """

    allow: frozenset[str] = HARMLESS
    deny: frozenset[str] = frozenset()
    url_query: bool = True
    """Queries and fragments of URLs are left out."""
    user_info: bool = True
    """The password of a URL is."""

    def __post_init__(self) -> None:
        if self.deny and self.allow not in (HARMLESS, frozenset()):
            raise UsageError("headers are both allowed and denied", "one of the two lists")
        for name in ("allow", "deny"):
            object.__setattr__(self, name, frozenset(header.lower() for header in getattr(self, name)))

    def keeps(self, name: str) -> bool:
        """Whether the value of the header with this name, in lower case, may be seen."""
        if _SECRET.search(name):
            return False
        return name not in self.deny if self.deny else name in self.allow


REDACTION = Redaction()


def kept(headers: Iterable[tuple[str, str]], redaction: Redaction = REDACTION) -> Attributes:
    """The headers as Hubble shows them: names in lower case, sorted by name, one entry a value.

    Values that may not be seen are `HUBBLE_REDACTED`. At most 64 headers; long names and values are cut.
    """
    shown = []
    for name, value in headers:
        name = name.lower()
        shown.append((name[:_LONGEST_NAME], value[:_LONGEST_VALUE] if redaction.keeps(name) else REDACTED))
        if len(shown) == _MOST_HEADERS:
            break
    return tuple(sorted(shown, key=lambda header: header[0]))


def url(target: str, redaction: Redaction = REDACTION) -> str:
    """A path, URL or authority without what may not be seen: query and fragment, and the password before a host."""
    if redaction.url_query:
        target = re.split(r"[?#]", target, maxsplit=1)[0]
    if redaction.user_info:
        target = _PASSWORD.sub(rf"\1:{REDACTED}@", target)
    return target[:_LONGEST_URL]


def trace_id(value: bytes) -> str:
    """The trace id of a `traceparent` (W3C Trace Context), 32 hexadecimal digits; "" if it is none."""
    found = _TRACEPARENT.fullmatch(value.strip(b" \t"))
    if not found or (found[1] == b"00" and found[3] is not None):
        return ""
    return found[2].decode()
