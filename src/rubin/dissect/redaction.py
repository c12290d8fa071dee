"""What of the things said may be seen: redaction in Hubble's words, and in ours where Hubble reads nothing."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from rubin.errors import UsageError

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

_CREDENTIAL = re.compile(
    r"authorization|cookie|token|secret|passw|passphrase|pwd|(?:api|access|private|customer)[-_ ]?key|credential"
    r"|signature|session|bearer|jwt|csrf|xsrf|identified|crypt|(?<![a-z])(?:auth|pass)(?![a-z])|://[^/?#\s]*:[^/?#\s]*@",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Redaction:
    """What is left out; of HTTP as in Hubble's `hubble-redact-http-*`. Raises UsageError for lists that contradict.

    Credentials are never kept, whatever is asked for: see `is_credential`.
    """

    http_urlquery: bool = True
    """Queries and fragments of URLs."""
    http_userinfo: bool = True
    """The password of a URL."""
    http_headers_allow: Collection[str] = HARMLESS
    """The values of all headers but these."""
    http_headers_deny: Collection[str] = ()
    """Where there are some: the values of these, and of no others."""
    sql_literals: bool = True
    values: bool = True
    """What is written to Redis and Kafka, and read from Redis."""

    def __post_init__(self) -> None:
        for name in ("http_headers_allow", "http_headers_deny"):
            object.__setattr__(self, name, frozenset(header.lower() for header in getattr(self, name)))
        if self.http_headers_deny and self.http_headers_allow not in (HARMLESS, frozenset()):
            raise UsageError(
                "redact_http_headers_allow and redact_http_headers_deny contradict each other",
                "one of the two: the headers whose values are kept, or those whose values are not",
            )

    def keeps(self, name: str) -> bool:
        """Whether the value of the header with this name, in lower case, may be seen."""
        if _of_credential(name):
            return False
        return name not in self.http_headers_deny if self.http_headers_deny else name in self.http_headers_allow


REDACTION = Redaction()


def is_credential(text: str) -> bool:
    """Whether a name says that it is of a credential, or a text that there is one in it."""
    return _CREDENTIAL.search(text) is not None


_of_credential = lru_cache(1024)(is_credential)  # of headers' names, which come again and again
