"""What went wrong with a server, as a sentence and a way on."""

import socket
import ssl
import time

from google.protobuf.message import DecodeError
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

from rubin.api.framing import NotGRPC, ProtocolError
from rubin.api.target import ClientSettings, Target
from rubin.errors import RubinError, UsageError
from rubin.trust import refusals

TROUBLES = (OSError, GRPCError, StreamTerminatedError, NotGRPC, ProtocolError, TimeoutError, DecodeError)

_WAY_ON = "\n  try: "  # as errors.RubinError writes it
_ANOTHER = "is the agent running (`rubin agent`)? --server names another"
_CERTIFICATE = "--tls-client-cert-file and --tls-client-key-file"
_CREDENTIALS = f"--bearer-token-file, --basic-auth-username and --basic-auth-password, or {_CERTIFICATE}"


def explained(error: BaseException, target: Target, settings: ClientSettings) -> RubinError:
    """One of TROUBLES as an error for people."""
    match error:
        case GRPCError():
            return _answered(error, target, settings)
        case NotGRPC():
            return _no_grpc(error, target)
        case ssl.SSLCertVerificationError():
            return _untrusted(error, target, settings)
        case ssl.SSLError():
            return _tls(error, target)
        case StreamTerminatedError() | ProtocolError():
            return RubinError(f"{target.text} ended the connection: {error}", "ask again; the server's log says why")
        case DecodeError():
            return RubinError(f"what {target.text} says makes no sense: {error}", "another server")
        case TimeoutError():
            return RubinError(f"{target.text} does not answer within {settings.timeout_s:g} s", _ANOTHER)
    return _unreachable(error, target)


def _untrusted(error: ssl.SSLCertVerificationError, target: Target, settings: ClientSettings) -> RubinError:
    """The server's certificate does not do."""
    sentence, code = f"the certificate of {target.text} {refusals.fault(error)}", error.verify_code
    if code in refusals.NAMES:
        return RubinError(
            f"{sentence} {settings.tls_server_name or target.host}", "--tls-server-name with one it carries"
        )
    if code in (refusals.EXPIRED, refusals.NOT_YET):
        here = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        return RubinError(f"{sentence}; here it is {here}", "a new one (`rubin certs renew`), or set the clock")
    if code == refusals.REVOKED:
        return RubinError(sentence, "a new one for the server: `rubin certs issue`")
    if code in refusals.LISTS:
        return RubinError(sentence, "--tls-crl-file with the authority's newest list")
    return RubinError(sentence, "--tls-ca-cert-files names the authority")


def _unreachable(error: BaseException, target: Target) -> RubinError:
    """The connection did not come about."""
    match error:
        case socket.gaierror():
            return RubinError(f"host '{target.host}' is not known", "check the name in --server")
        case FileNotFoundError():
            return RubinError(f"there is no socket {target.path}", _ANOTHER)
        case PermissionError():
            return RubinError(f"not allowed to connect to {target.text}", "as root, or in the group of the socket")
        case ConnectionRefusedError():
            return RubinError(f"cannot reach {target.text}: connection refused", _ANOTHER)
    return RubinError(f"cannot reach {target.text}: {getattr(error, 'strerror', None) or error}", _ANOTHER)


def _no_grpc(error: NotGRPC, target: Target) -> RubinError:
    """What spoke first was no HTTP/2 server."""
    if isinstance(error.cause, ssl.SSLError):
        return _tls(error.cause, target)
    if error.greeting.startswith(b"\x15\x03"):  # a TLS alert
        return RubinError(f"{target.text} wants TLS", f"--tls, or --server tls://{target.text}")
    if error.greeting.startswith(b"HTTP/"):
        return RubinError(f"{target.text} is a web server, not a Hubble server", "another --server")
    if not error.greeting and target.tls:  # asyncio's servers end so, without the alert that says why
        sentence = f"{target.text} hung up after the handshake: it may want a client certificate that it knows"
        return RubinError(sentence, _CREDENTIALS)
    if not error.greeting:
        sentence = f"{target.text} hung up without a word: it may want TLS, or be no Hubble server"
        return RubinError(sentence, "tls:// before the server, or another --server")
    return RubinError(f"{target.text} does not speak gRPC", "another --server")


# What a server's alert says of our certificate.
_ALERTS = {
    "certificate expired": "says that our certificate has expired",
    "certificate revoked": "says that our certificate was revoked",
    "unknown ca": "does not trust the authority of our certificate",
    "unsupported certificate": "says that our certificate was made for another purpose",
}


def _tls(error: ssl.SSLError, target: Target) -> RubinError:
    reason = (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
    if "certificate required" in reason or "handshake failure" in reason:
        return RubinError(f"{target.text} wants a client certificate", _CERTIFICATE)
    said = next((words for alert, words in _ALERTS.items() if alert in reason), "")
    if said:
        return RubinError(f"{target.text} {said}", "another certificate; the server's log says more")
    if "alert" in reason and "certificate" in reason:
        alert = reason.partition(" alert ")[2] or reason
        return RubinError(
            f"{target.text} does not accept our certificate: {alert}", "the server's log says why; is it valid yet?"
        )
    if "wrong version" in reason or "record layer" in reason or "eof" in reason:
        return RubinError(f"{target.text} does not speak TLS", "leave out --tls and tls://")
    return RubinError(f"TLS with {target.text} failed: {reason}", "check --tls-ca-cert-files and --tls-server-name")


def _answered(error: GRPCError, target: Target, settings: ClientSettings) -> RubinError:
    """The server spoke gRPC, and refused."""
    sentence, _, way_on = (error.message or "").partition(_WAY_ON)
    if sentence.startswith("Received :status") and error.status is not Status.UNAUTHENTICATED:
        return RubinError(f"{target.text} speaks HTTP/2 but no gRPC ({sentence})", "another --server")
    match error.status:
        case Status.INVALID_ARGUMENT:
            return UsageError(sentence, way_on)
        case Status.UNAUTHENTICATED | Status.PERMISSION_DENIED:
            return RubinError(
                f"{target.text} does not let you in: {sentence or error.status.name.lower()}",
                way_on or _CREDENTIALS,
            )
        case Status.UNIMPLEMENTED:
            return RubinError(f"{target.text} does not offer this: {sentence}", "a node's own server, or a relay")
        case Status.DEADLINE_EXCEEDED:
            late = f"{target.text} did not answer within {settings.request_timeout_s:g} s"
            return RubinError(late, "a longer --request-timeout")
        case Status.UNAVAILABLE:
            return RubinError(f"{target.text} is not available: {sentence}", _ANOTHER)
    return RubinError(f"{target.text} answered {error.status.name}: {sentence}", way_on or "the server's log says more")
