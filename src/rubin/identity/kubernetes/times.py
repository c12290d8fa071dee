"""Kubernetes' times to ns."""

import time
from datetime import UTC, datetime


def since_ns(text: str | None) -> int:
    """An RFC 3339 time as ns since the Unix epoch, 0 where there is none or it makes no sense.

    A time that is still to come by this machine's clock is now: the clock that wrote it goes ahead.
    """
    if not text:
        return 0
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        return 0
    if said.tzinfo is None:
        said = said.replace(tzinfo=UTC)
    elapsed = said - datetime(1970, 1, 1, tzinfo=UTC)
    ns = ((elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds) * 1_000
    return min(max(ns, 0), time.time_ns())
