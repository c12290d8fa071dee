"""The two messages that begin a TLS handshake: ClientHello and ServerHello (RFC 8446, 4.1; RFC 5246, 7.4.1)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
"""Names as OpenSSL has them."""
TLS_1_3 = 0x0304
SERVER_NAME, SIGNATURE_ALGORITHMS, ALPN, PRE_SHARED_KEY, EARLY_DATA, SUPPORTED_VERSIONS = 0, 13, 16, 41, 42, 43

# SHA-256 of "HelloRetryRequest": the random of a ServerHello that asks for another ClientHello
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


@dataclass(slots=True)
class ClientHello:
    """What a client offers, as far as it could be read; `whole`: nothing is missing.

    Lists are in the client's order, with GREASE (RFC 8701). `server_name` is "" where there is none.
    """

    version: int = 0
    session_id: bytes = b""
    suites: list[int] = field(default_factory=list)
    extensions: list[int] = field(default_factory=list)
    server_name: str = ""
    alpn: list[bytes] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    signature_algorithms: list[int] = field(default_factory=list)
    whole: bool = False


@dataclass(slots=True)
class ServerHello:
    """What a server chose, as far as it could be read. `version` is 0 if it is not known, as is `suite`."""

    version: int = 0
    session_id: bytes = b""
    suite: int = 0
    alpn: str = ""
    pre_shared_key: bool = False
    retry: bool = False


class _Cut(Exception):
    """The bytes end too early."""


class _Bytes:
    """Bytes that are taken from the front. Raises _Cut."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise _Cut
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, size: int = 2) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))


def client_hello(body: bytes, whole: bool = True) -> ClientHello:
    """Of the message's body, which is `whole` or cut off."""
    hello, data = ClientHello(), _Bytes(body)
    try:
        hello.version = data.number()
        data.take(32)  # random
        hello.session_id = data.vector(1)
        hello.suites = _numbers(data.vector(2))
        data.vector(1)  # compression
        for kind, content in _extensions(data):
            hello.extensions.append(kind)
            _offer(hello, kind, _Bytes(content))
    except _Cut:
        return hello
    hello.whole = whole
    return hello


def server_hello(body: bytes, whole: bool = True) -> ServerHello:
    """Of the message's body, which is `whole` or cut off."""
    hello, data = ServerHello(), _Bytes(body)
    try:
        version = data.number()
        hello.retry = data.take(32) == _RETRY
        hello.session_id = data.vector(1)
        hello.suite = data.number()
        data.take(1)  # compression
        for kind, content in _extensions(data):
            if kind == SUPPORTED_VERSIONS:
                hello.version = int.from_bytes(content[:2])
            elif kind == ALPN:
                hello.alpn = next(map(text, _names(_Bytes(content), 1)), "")
            hello.pre_shared_key |= kind == PRE_SHARED_KEY
    except _Cut:
        return hello
    if whole:  # without its extensions, TLS 1.3 looks like 1.2
        hello.version = hello.version or version
    return hello


def is_hello(body: bytes) -> bool:
    """Whether the body of a message begins as a hello does, with a version."""
    return int.from_bytes(body[:2]) in VERSIONS


def text(name: bytes) -> str:
    """A name of a protocol or host: ASCII, short."""
    return name[:255].decode("ascii", "replace")


def _offer(hello: ClientHello, kind: int, content: _Bytes) -> None:
    """What one extension of the client's says."""
    if kind == SERVER_NAME:
        content.number()  # length of the list
        if content.number(1) == 0:  # a host name
            hello.server_name = text(content.vector(2))
    elif kind == ALPN:
        hello.alpn = list(_names(content, 1))
    elif kind == SUPPORTED_VERSIONS:
        hello.versions = _numbers(content.vector(1))
    elif kind == SIGNATURE_ALGORITHMS:
        hello.signature_algorithms = _numbers(content.vector(2))


def _extensions(data: _Bytes) -> Iterator[tuple[int, bytes]]:
    """Type and content of each; a hello of old may end before them."""
    if data:
        data.number()  # length of the list
    while data:
        yield data.number(), data.vector(2)


def _names(data: _Bytes, size: int) -> Iterator[bytes]:
    names = _Bytes(data.vector(2))
    while names:
        yield names.vector(size)


def _numbers(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 2]) for at in range(0, len(data) - 1, 2)]
