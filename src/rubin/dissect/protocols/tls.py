"""The handshake of TLS (RFC 8446, RFC 5246) as far as it is in clear: one exchange a connection, then nothing more.

`method` is `HANDSHAKE`, `target` the server name (SNI) that the client asks for, `version` the one agreed on, as
OpenSSL names it. `failed`: somebody gave up, `error` is the alert's name and `status` its number. In TLS 1.3 most
alerts are encrypted, but one is told by its length: a client that answers the server's certificate with so short a
record gives up, and the error is `encrypted_alert`.

Attributes, where known: `alpn` (agreed on; TLS 1.3 encrypts it), `alpn_offered`, `cipher`, `ja4`, `resumed` and `retry`
("yes"), and of the certificate, which only TLS 1.2 and older show, `issuer`, `subject`, `names`, `not_after`.
"""

from collections.abc import Iterator

from rubin.dissect.conversation import Dissector, Exchange, Piece, Speaker
from rubin.dissect.protocols.certificates import Certificate, certificate
from rubin.dissect.protocols.ja4 import ja4
from rubin.dissect.protocols.tls_hello import (
    EARLY_DATA,
    TLS_1_3,
    VERSIONS,
    ClientHello,
    ServerHello,
    client_hello,
    is_hello,
    server_hello,
    text,
)
from rubin.dissect.protocols.tls_records import HEAD, Kind, Message, Messages, Record, Records, is_head
from rubin.dissect.protocols.tls_suites import suite_name

_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE = 1, 2, 11
_ALERT_BYTES, _FATAL, _CLOSE_NOTIFY = 2, 2, 0
_ENCRYPTED_ALERT_BYTES = 2 + 1 + 16  # with its type and the tag; a Finished has 4 + 32 or more in place of the 2
_MOST_OFFERED = 8
_ALERTS = {  # RFC 8446, 6; RFC 5246, 7.2
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    111: "certificate_unobtainable",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    114: "bad_certificate_hash_value",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
    121: "ech_required",
}


def claims(data: bytes) -> Speaker | None:
    """Who says hello: a handshake record of a known version that begins with a ClientHello or a ServerHello."""
    if not is_head(data) or data[0] != Kind.HANDSHAKE or len(data) < HEAD + 6:
        return None
    length = int.from_bytes(data[HEAD + 1 : HEAD + 4])
    if not 38 <= length < 1 << 16 or not is_hello(data[HEAD + 4 :]):
        return None
    return {_CLIENT_HELLO: Speaker.CLIENT, _SERVER_HELLO: Speaker.SERVER}.get(data[HEAD])


def is_encrypted(data: bytes) -> bool:
    """Whether a packet begins with an encrypted record: the connection is TLS, and there is nothing to read in it."""
    return is_head(data) and data[0] == Kind.APPLICATION_DATA


class _Direction:
    """What one side says."""

    def __init__(self) -> None:
        self.records = Records()
        self.messages = Messages()
        self.alert = b""


class TLS:
    """One connection, up to the end of what is in clear of its handshake.

    That is in TLS 1.3 what the client answers to the ServerHello; before, that the server changes to the new cipher.
    Until then either side may still give up in clear.
    """

    def __init__(self) -> None:
        self.over = False
        self.unpaired = 0
        self._exchange = Exchange("tls", method="HANDSHAKE")
        self._client, self._server = _Direction(), _Direction()
        self._asking_ns = 0  # when the client began
        self._asked: ClientHello | None = None
        self._agreed: ServerHello | None = None
        self._retry = False
        self._certificate: Certificate | None = None

    def client(self, piece: Piece) -> list[Exchange]:
        """The handshake, if it ends with this."""
        return self._said(self._client, piece)

    def server(self, piece: Piece) -> list[Exchange]:
        """The handshake, if it ends with this."""
        if not self._asked:  # the server answers: of the ClientHello nothing more comes
            self._read_client(self._client.messages.tear())
        return self._said(self._server, piece)

    def unanswered(self, before_ns: int) -> list[Exchange]:
        """The handshake as far as it went, if it began before this time."""
        began_ns = self._asking_ns or self._exchange.answered_ns
        if self.over or not 0 < began_ns < before_ns:
            return []
        self._read_client(self._client.messages.tear())
        self._read_server(self._server.messages.tear(), self._exchange.answered_ns)
        return self._end()

    def _said(self, side: _Direction, piece: Piece) -> list[Exchange]:
        told: list[Exchange] = []
        for record in side.records.feed(piece) if not self.over else ():
            told += self._record(side, record, piece.time_ns)
            if self.over:
                break
        return told

    def _record(self, side: _Direction, record: Record, time_ns: int) -> list[Exchange]:
        if record.kind in (Kind.GAP, Kind.HANDSHAKE):
            gap = record.kind == Kind.GAP
            messages = side.messages.tear() if gap else side.messages.feed(record.data)
            if side is self._server:
                self._read_server(messages, time_ns)
            else:
                self._asking_ns = self._asking_ns or (0 if gap else time_ns)
                self._read_client(messages)
        elif record.kind == Kind.ALERT and record.length == _ALERT_BYTES:
            return self._alert(side, record.data, time_ns)
        elif record.kind == Kind.CHANGE_CIPHER_SPEC:
            if side is self._server and self._agreed and 0 < self._agreed.version < TLS_1_3:
                return self._end()
        elif record.kind == Kind.APPLICATION_DATA:
            return self._encrypted(side, record)
        return []

    def _read_client(self, messages: Iterator[Message]) -> None:
        for kind, body, whole in messages:
            if kind == _CLIENT_HELLO and not self._asked and is_hello(body):
                self._asked = client_hello(body, whole)
                self._exchange.started_ns = self._asking_ns

    def _read_server(self, messages: Iterator[Message], time_ns: int) -> None:
        for kind, body, whole in messages:
            if kind == _SERVER_HELLO and not self._agreed and is_hello(body):
                hello = server_hello(body, whole)
                self._exchange.answered_ns = self._exchange.answered_ns or time_ns
                self._retry |= hello.retry
                self._agreed = None if hello.retry else hello
            elif kind == _CERTIFICATE and not self._certificate:
                self._certificate = certificate(body[6 : 6 + int.from_bytes(body[3:6])])  # the server's own is first

    def _alert(self, side: _Direction, data: bytes, time_ns: int) -> list[Exchange]:
        """It ends the handshake if it is fatal, or closes the connection."""
        side.alert = side.alert + data if data else b""  # a record begins with nothing
        if len(side.alert) < _ALERT_BYTES:
            return []
        level, number = side.alert[:_ALERT_BYTES]
        side.alert = b""
        if level != _FATAL and number != _CLOSE_NOTIFY:
            return []
        if side is self._server:
            self._exchange.answered_ns = self._exchange.answered_ns or time_ns
        self._exchange.status = number
        return self._end(_ALERTS.get(number, str(number)))

    def _encrypted(self, side: _Direction, record: Record) -> list[Exchange]:
        """Data in the place of a handshake: it is over, or nobody can see how it goes on."""
        early = self._asked is not None and EARLY_DATA in self._asked.extensions
        if self._agreed and self._agreed.version == TLS_1_3:
            if side is self._server:
                return []
            return self._end("encrypted_alert" if record.length == _ENCRYPTED_ALERT_BYTES and not early else "")
        return [] if early and not self._agreed else self._end()

    def _end(self, error: str = "") -> list[Exchange]:
        self.over = True
        exchange = self._exchange
        if not (self._asked or self._agreed or error):
            self.unpaired += 1
            return []
        exchange.failed, exchange.error = bool(error), error
        if self._asked:
            exchange.target = self._asked.server_name
        if self._agreed:
            exchange.version = VERSIONS.get(self._agreed.version, "")
        exchange.attributes = tuple(sorted((name, value) for name, value in self._facts() if value))
        return [exchange]

    def _facts(self) -> Iterator[tuple[str, str]]:
        """The attributes, empty where they are not known."""
        yield "retry", "yes" if self._retry else ""
        asked, agreed, shown = self._asked, self._agreed, self._certificate
        if asked:
            yield "alpn_offered", ",".join(text(name) for name in asked.alpn[:_MOST_OFFERED])
            yield "ja4", ja4(asked)
        if agreed:
            yield "alpn", agreed.alpn
            yield "cipher", suite_name(agreed.suite)
            yield "resumed", "yes" if _resumed(asked, agreed) else ""
        if shown:
            yield "issuer", shown.issuer
            yield "subject", shown.subject
            yield "names", ",".join(shown.names)
            yield "not_after", shown.not_after


def _resumed(asked: ClientHello | None, agreed: ServerHello) -> bool:
    """Whether an earlier session goes on: by its key (RFC 8446, 2.2), or its number (RFC 5246, 7.3)."""
    if agreed.version == TLS_1_3:
        return agreed.pre_shared_key
    return asked is not None and agreed.version != 0 and asked.session_id == agreed.session_id != b""


TLS_HANDSHAKE = Dissector("tls", claims, TLS)
