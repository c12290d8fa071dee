"""The flags that say what is left out of what is said, for the agent and for captures."""

from typing import TYPE_CHECKING, Any

from rubin.cli.command import Arguments
from rubin.words.flags import Flag

if TYPE_CHECKING:
    from rubin.dissect.redaction import Redaction

_GROUP = "Redaction"
FLAGS = (
    Flag("redact-http-urlquery", "Leave out queries and fragments of URLs.", "yes", group=_GROUP),
    Flag("redact-http-userinfo", "Leave out passwords in URLs.", "yes", group=_GROUP),
    Flag(
        "redact-http-headers-allow",
        "Headers whose values are kept; '' for none. Credentials never are, whatever is said here.",
        "list",
        group=_GROUP,
        metavar="NAME,...",
    ),
    Flag(
        "redact-http-headers-deny",
        "Instead: headers whose values are left out, and all others kept.",
        "list",
        group=_GROUP,
        metavar="NAME,...",
    ),
    Flag("redact-sql-literals", "Leave out literals of SQL statements.", "yes", group=_GROUP),
    Flag("redact-values", "Leave out what is written to Redis and Kafka, and read from Redis.", "yes", group=_GROUP),
)


def redaction(arguments: Arguments) -> "Redaction":
    """As these flags have it. Raises UsageError."""
    from rubin.dissect.redaction import Redaction

    given = {_setting(flag): arguments[flag.name] for flag in FLAGS}
    return Redaction(**{name: value for name, value in given.items() if value is not None})


def defaults() -> dict[str, Any]:
    """What help says of the defaults."""
    from rubin.dissect.redaction import REDACTION

    found = {flag.name: getattr(REDACTION, _setting(flag)) for flag in FLAGS}
    return {name: value if isinstance(value, bool) else tuple(sorted(value)) for name, value in found.items()}


def _setting(flag: Flag) -> str:
    """Its name in `Redaction`."""
    return flag.name.removeprefix("redact-").replace("-", "_")
