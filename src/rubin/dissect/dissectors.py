"""The protocols that are read, one line each, in the order in which they are asked who may say something."""

from rubin.dissect.conversation import Dissector
from rubin.dissect.protocols.dns import DNS_OVER_TCP
from rubin.dissect.protocols.http2 import HTTP2_OVER_TCP
from rubin.dissect.protocols.kafka import KAFKA
from rubin.dissect.protocols.mysql import MYSQL
from rubin.dissect.protocols.postgresql import POSTGRESQL
from rubin.dissect.protocols.redis import REDIS
from rubin.dissect.protocols.tls import TLS_HANDSHAKE
from rubin.dissect.redaction import REDACTION, Redaction


def dissectors(redaction: Redaction = REDACTION) -> tuple[Dissector, ...]:
    """Beside HTTP/1 and DNS over UDP, which are read by columns (`turns`, `datagrams`)."""
    return (
        TLS_HANDSHAKE,
        HTTP2_OVER_TCP.leaving_out(redaction),
        POSTGRESQL.leaving_out(redaction),
        REDIS.leaving_out(redaction),
        MYSQL.leaving_out(redaction),
        KAFKA.leaving_out(redaction),
        DNS_OVER_TCP,
    )


DISSECTORS = dissectors()
