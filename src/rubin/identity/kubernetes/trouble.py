"""What an API server, or what stands in its place, did wrong: in words for `rubin status`."""

import http.client
import socket
import ssl

import msgspec

from rubin.errors import RubinError

LONGEST = 300
"""Characters of what a server says that are shown."""


class Refusal(RubinError):
    """The server's answer is an error: its HTTP code, and for how long it wants to be left alone."""

    def __init__(self, code: int, sentence: str, retry_after_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.code, self.retry_after_s = code, retry_after_s


class _Status(msgspec.Struct):
    kind: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0


_STATUS = msgspec.json.Decoder(_Status)


def refusal(code: int, reason: str, body: bytes, retry_after: str = "") -> Refusal:
    """The error that an answer is: `403 Forbidden: pods is forbidden: …`, from its Status body where it has one."""
    status = status_in(body)
    if status is None:
        said = f"{code} {shown(reason)}, not in a Kubernetes API server's words"
    else:
        said = f"{code} {shown(status.reason or reason)}: {shown(status.message)}"
    return Refusal(code, said, float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0)


def status_refusal(body: bytes) -> Refusal | None:
    """The error that a Status in the middle of a watch is, None where it is no Status."""
    status = status_in(body)
    return None if status is None else refusal(status.code, status.reason, body)


def status_in(body: bytes) -> _Status | None:
    """The Status object that a body is, None where it is something else."""
    try:
        status = _STATUS.decode(body)
    except (ValueError, RecursionError):  # of msgspec, and of UTF-8
        return None
    return status if status.kind == "Status" else None


def shown(text: str) -> str:
    """Foreign text on one line, without control characters and not too long."""
    line = "".join(one if one.isprintable() else " " for one in text[: LONGEST * 4])
    line = " ".join(line.split())
    return line if len(line) <= LONGEST else line[:LONGEST] + "…"


def words(error: Exception, place: str) -> str:
    """What happened at `HOST:PORT`."""
    if isinstance(error, RubinError):
        return error.sentence
    for kinds, said in _WORDS:
        if isinstance(error, kinds):
            return said.format(place=place, error=shown(str(error)))
    return f"{place}: {type(error).__name__}: {shown(str(error))}"


# The first that fits: RemoteDisconnected is a ConnectionResetError and a BadStatusLine, many are OSErrors.
_WORDS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (http.client.RemoteDisconnected, "{place} closed the connection without an answer"),
    (ssl.SSLCertVerificationError, "the certificate of {place} is not trusted: {error}"),
    (TimeoutError, "{place} does not answer"),
    (ConnectionRefusedError, "nobody listens at {place}"),
    ((ConnectionError, http.client.IncompleteRead), "{place} closed the connection in the middle"),
    (http.client.HTTPException, "{place} does not speak HTTP as an API server does: {error}"),
    (ssl.SSLError, "{place} does not speak TLS as an API server does: {error}"),
    (socket.gaierror, "the name in {place} is not known: {error}"),
    (OSError, "{place} cannot be reached: {error}"),
    ((ValueError, RecursionError), "{place} does not answer in a Kubernetes API server's words: {error}"),
)
