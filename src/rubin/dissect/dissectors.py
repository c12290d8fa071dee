"""The protocols that are read, one line each, in the order in which they are asked who may say something."""

from rubin.dissect.conversation import Dissector
from rubin.dissect.protocols.dns import DNS_OVER_TCP
from rubin.dissect.protocols.http2 import HTTP2_OVER_TCP
from rubin.dissect.protocols.kafka import KAFKA
from rubin.dissect.protocols.mysql import MYSQL
from rubin.dissect.protocols.postgresql import POSTGRESQL
from rubin.dissect.protocols.redis import REDIS
from rubin.dissect.protocols.tls import TLS_HANDSHAKE

DISSECTORS: tuple[Dissector, ...] = (TLS_HANDSHAKE, HTTP2_OVER_TCP, POSTGRESQL, REDIS, MYSQL, KAFKA, DNS_OVER_TCP)
"""Beside HTTP/1 and DNS over UDP, which are read by columns (`turns`, `datagrams`)."""
