"""TLS that follows its files: what changes on disk holds for the next connection."""

import logging
import ssl
import time
from collections.abc import Callable
from typing import Any, Self

from rubin.errors import RubinError, UsageError
from rubin.trust.files import Stamps, TlsFiles
from rubin.trust.refusals import Refusals

_LOG = logging.getLogger(__name__)
_SETTLED_S = 0.5
Make = Callable[[], ssl.SSLContext]


class Reloading:
    """`context` is what connections are made with, always as the files of `make` are now.

    Files that do not belong together, or are still being written, change nothing: what was read before stays, the log
    says so once, and `trouble` as long as it is so. Raises what `make` raises at first.
    """

    def __init__(self, make: Make, files: TlsFiles) -> None:
        self._make, self._files = make, files
        self._used = files.stamps()
        self._newest = make()
        self.trouble = ""
        self.context: ssl.SSLContext = _Newest(self.newest)

    def newest(self) -> ssl.SSLContext:
        """The context of the next connection."""
        self.refresh()
        return self._newest

    def refresh(self) -> None:
        """Look whether files changed, and read them if so."""
        try:
            stamps = self._files.stamps()
            if stamps == self._used:
                self._say("")
            elif self._is_settled(stamps):
                self._read(stamps)
        except RubinError as error:
            self._say(error.sentence)

    def _is_settled(self, stamps: Stamps) -> bool:
        """Whether nobody is about to write more. A time to come says nothing of that."""
        changed = set(stamps).difference(self._used)
        written_s = max((stamp.written_ns for stamp in changed), default=0) / 1e9
        return not 0 <= time.time() - written_s < _SETTLED_S

    def _read(self, stamps: Stamps) -> None:
        made = self._make()
        if self._files.stamps() != stamps:  # one was changed between two reads
            return
        self._newest, self._used = made, stamps
        self._say("")
        _LOG.info("tls=reloaded files=%s", ",".join(self._files.named()))

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            _LOG.warning("tls=stale reason=%r: new connections use what was read before", trouble)
        self.trouble = trouble


class _Newest(ssl.SSLContext):
    """What asyncio is given: it asks a context for each connection's TLS, and gets that of the newest.

    A context itself cannot be changed enough: authorities and lists only ever come to it.
    """

    def __new__(cls, newest: Make) -> Self:
        made = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)  # by itself trusts nobody
        made._newest = newest
        return made

    _newest: Make

    def wrap_bio(self, *ends: Any, **settings: Any) -> ssl.SSLObject:
        """As ssl.SSLContext's."""
        return self._newest().wrap_bio(*ends, **settings)


class _ServersHandshake(ssl.SSLObject):
    """A handshake whose failure is noted, and told to the client.

    asyncio closes the connection without sending the alert in which OpenSSL says why. So it is told to wait once more,
    upon which it sends what there is; what the client says next, or its end, fails.
    """

    outgoing: ssl.MemoryBIO
    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """As ssl.SSLObject's."""
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._failure = error
            assert isinstance(self.context, _ServersContext)
            self.context.refusals.note(error)
            if not self.outgoing.pending:  # nothing to say to who speaks no TLS
                raise
            raise ssl.SSLWantReadError from error


class _ServersContext(ssl.SSLContext):
    sslobject_class = _ServersHandshake
    refusals: Refusals

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *more: Any, **settings: Any) -> ssl.SSLObject:
        """As ssl.SSLContext's."""
        made = super().wrap_bio(incoming, outgoing, *more, **settings)
        assert isinstance(made, _ServersHandshake)
        made.outgoing = outgoing
        return made


def of_server(files: TlsFiles) -> TlsFiles:
    """The same, if a server can do with them. Raises UsageError."""
    if not files.certificate or not files.key:
        raise UsageError("certificate and private key are both required", "tls_cert_file and tls_key_file")
    if files.revoked and not files.authorities:
        what = "revoked certificates are named, and no client needs any certificate"
        raise UsageError(what, "tls_client_ca_files, which must have signed a client's")
    return files


def server_context(files: TlsFiles, refusals: Refusals) -> ssl.SSLContext:
    """TLS 1.3 and later, for HTTP/2. Clients need a certificate where authorities are named. Raises RubinError."""
    context = _ServersContext(ssl.PROTOCOL_TLS_SERVER)
    context.refusals = refusals
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    context.num_tickets = 0  # who comes back with a ticket is not asked for a certificate, that may be revoked by now
    if files.authorities:
        context.verify_mode = ssl.CERT_REQUIRED
    files.load(context)
    return context
