"""Why a certificate does not do, in words; and who was not let in."""

import logging
import ssl
import time
from collections import Counter

_LOG = logging.getLogger(__name__)
_SILENCE_S = 60.0

# OpenSSL's codes (x509_vfy.h); each completes "the certificate …".
_FAULTS = {
    3: "is of an authority of which the file of revoked certificates has no list",
    9: "is not valid yet",
    10: "has expired",
    11: "cannot be checked: the list of revoked certificates is not valid yet",
    12: "cannot be checked: the list of revoked certificates has expired",
    23: "was revoked",
    26: "was made for another purpose",
    62: "does not carry the name",
    64: "does not carry the address",
}
_STRANGERS = (2, 7, 18, 19, 20, 21, 24, 27)  # no way from the certificate to an authority that is trusted
_UNTRUSTED = "is of an authority that is not trusted"
EXPIRED, NOT_YET, REVOKED, NAMES, LISTS = 10, 9, 23, (62, 64), (3, 11, 12)

# OpenSSL's reasons of what else ends a handshake at the server.
_NO_TLS = "the client does not speak TLS"
_REASONS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the client has no certificate",
    "UNSUPPORTED_PROTOCOL": "the client speaks no TLS 1.3",
    **dict.fromkeys(
        ("HTTP_REQUEST", "WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"), _NO_TLS
    ),
}


def fault(error: ssl.SSLCertVerificationError) -> str:
    """What is wrong with the other side's certificate, to complete "the certificate …"."""
    if error.verify_code in _STRANGERS:
        return _UNTRUSTED
    return _FAULTS.get(error.verify_code, f"is not trusted: {error.verify_message}")


class Refusals:
    """Handshakes that failed at a server: `counts` by reason; the log says each reason once a minute."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._said: dict[str, tuple[float, int]] = {}

    def note(self, error: ssl.SSLError) -> None:
        """One more."""
        reason = _reason(error)
        self.counts[reason] += 1
        said_s, told = self._said.get(reason, (float("-inf"), 0))
        if time.monotonic() - said_s >= _SILENCE_S:
            _LOG.warning("tls=refused clients=%d reason=%r", self.counts[reason] - told, reason)
            self._said[reason] = (time.monotonic(), self.counts[reason])


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client's certificate {fault(error)}"
    reason = error.reason or str(error)
    if "_ALERT_" in reason:
        return f"the client refuses: {reason.partition('_ALERT_')[2].replace('_', ' ').lower()}"
    return _REASONS.get(reason, reason.replace("_", " ").lower())
