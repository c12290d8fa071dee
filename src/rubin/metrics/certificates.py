"""TLS of the metrics endpoint: 1.3 and later, files read again when they change."""

import logging
import os
import ssl

from rubin.errors import RubinError, UsageError

_LOG = logging.getLogger(__name__)


class Certificates:
    """A certificate with its key, and the authorities of clients where these must be certified."""

    def __init__(self, certificate: str, key: str, client_authorities: str) -> None:
        if not certificate or not key:
            raise UsageError(
                "TLS for metrics needs a certificate and its key", "set tls_certificate and tls_key, or neither"
            )
        self._certificate, self._key, self._client_authorities = certificate, key, client_authorities
        self._state = self._times()
        self._context = self._loaded()

    def context(self) -> ssl.SSLContext:
        """The context for the next connection; what cannot be read now leaves the last one in place."""
        try:
            state = self._times()
            if state != self._state:
                self._state = state  # a broken file is said once, and read again when it changes again
                self._context = self._loaded()
        except RubinError as error:
            _LOG.warning("metrics: keeping the old certificate: %s", error.sentence)
        return self._context

    def _times(self) -> tuple[int, ...]:
        names = (self._certificate, self._key, self._client_authorities)
        try:
            return tuple(os.stat(name).st_mtime_ns for name in names if name)
        except OSError as error:
            raise RubinError(
                f"cannot read {error.filename}: {error.strerror}", "check the path and its rights"
            ) from error

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            context.load_cert_chain(self._certificate, self._key)
            if self._client_authorities:
                context.load_verify_locations(self._client_authorities)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            raise RubinError(
                f"{self._certificate} and {self._key} do not make a TLS server: {error}", "PEM files"
            ) from error
        return context
