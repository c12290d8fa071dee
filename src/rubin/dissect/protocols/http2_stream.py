"""A stream of HTTP/2 on its way to become an exchange: what its headers say (RFC 9113, section 8; gRPC over HTTP/2)."""

from dataclasses import dataclass, field

from rubin.dissect.conversation import Exchange
from rubin.dissect.protocols.headers import kept, trace_id, url
from rubin.dissect.protocols.hpack import Field
from rubin.dissect.redaction import REDACTION, Redaction

READ = frozenset(
    {b":method", b":path", b":authority", b":status", b"host", b"content-type", b"grpc-status", b"traceparent"}
)
"""The headers whose values are read here, whatever is shown of them."""

_ERRORS = (  # RFC 9113, section 7
    *("NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED"),
    *("FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM"),
    *("INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"),
)
_CALLS = (  # https://grpc.github.io/grpc/core/md_doc_statuscodes.html
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
_LONGEST_METHOD = 32


@dataclass(slots=True)
class Stream:
    """An exchange that has not ended. `asked`: the request has."""

    exchange: Exchange = field(default_factory=lambda: Exchange("http", version="HTTP/2"))
    asked: bool = False
    request_whole: bool = False
    """It was seen from its beginning on, and no gap may have hidden some of it."""
    response_whole: bool = False
    redaction: Redaction = REDACTION
    _call: str = ""  # gRPC's status as the server wrote it

    def request(self, fields: list[Field], time_ns: int, redaction: Redaction) -> None:
        """The client's headers."""
        exchange, named = self.exchange, _first(fields)
        self.redaction, self.request_whole = redaction, True
        exchange.started_ns = time_ns
        exchange.method = _text(named.get(b":method", b""))[:_LONGEST_METHOD]
        exchange.authority = url(_text(named.get(b":authority") or named.get(b"host", b"")), redaction)
        exchange.target = url(_text(named.get(b":path", b"")), redaction)
        exchange.trace_id = trace_id(named.get(b"traceparent", b""))
        headers = [(_text(name), _text(value)) for name, value in fields if name and not name.startswith(b":")]
        exchange.attributes = kept(headers, redaction)
        self._protocol(named)

    def response(self, fields: list[Field], time_ns: int) -> None:
        """The server's headers: an interim answer (1xx), the answer, or its trailers."""
        exchange, named = self.exchange, _first(fields)
        status = int(_digits(named.get(b":status", b"")) or 0)
        if 100 <= status < 200:
            return
        if status and not exchange.answered_ns:
            self.response_whole = True
        exchange.answered_ns = exchange.answered_ns or time_ns
        exchange.status = exchange.status or status
        self._call = self._call or _digits(named.get(b"grpc-status", b""))
        self._protocol(named)

    def sent(self, size: int, last: bool) -> None:
        """The client sent a frame of the request."""
        self.exchange.request_bytes += size
        self.asked |= last

    def end(self, error: str) -> Exchange:
        """What there is to tell, without the sizes of what is not whole; `error` is why the stream was ended."""
        exchange = self.exchange
        exchange.request_bytes *= self.request_whole and (self.asked or bool(error))
        exchange.response_bytes *= self.response_whole
        if self._call:
            exchange.attributes = tuple(
                sorted((*exchange.attributes, *kept([("grpc-status", self._call)], self.redaction)), key=lambda x: x[0])
            )
            code = int(self._call)
            error = error or ("" if not code else _CALLS[code] if code < len(_CALLS) else self._call)
        exchange.failed = bool(error) or exchange.status >= 400
        exchange.error = error
        return exchange

    def _protocol(self, named: dict[bytes, bytes]) -> None:
        """It is gRPC when either side says so, in whatever of its headers is known."""
        if named.get(b"content-type", b"").startswith(b"application/grpc") or any(
            x.startswith(b"grpc-") for x in named
        ):
            self.exchange.protocol = "grpc"


def error_name(payload: bytes) -> str:
    """The name of an error code; "" if it is none."""
    code = int.from_bytes(payload)
    return "" if not code else _ERRORS[code] if code < len(_ERRORS) else f"{code:#x}"


def _first(fields: list[Field]) -> dict[bytes, bytes]:
    """The first value of each header that is known."""
    return {name: value for name, value in reversed(fields) if name}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _digits(value: bytes) -> str:
    """Up to three digits; "" if it is something else."""
    return value.decode() if len(value) <= 3 and value.isdigit() else ""
