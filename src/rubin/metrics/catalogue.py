"""Every metric by its name in the configuration: one line registers it."""

from collections.abc import Callable

from rubin.metrics.handlers.connect_latency import ConnectLatency
from rubin.metrics.handlers.dns import DNS
from rubin.metrics.handlers.drop import Drop
from rubin.metrics.handlers.flow import Flow
from rubin.metrics.handlers.flows_to_world import FlowsToWorld
from rubin.metrics.handlers.http import HTTP, HTTPv2
from rubin.metrics.handlers.icmp import ICMP
from rubin.metrics.handlers.kafka import Kafka
from rubin.metrics.handlers.kernel_drops import KernelDrops
from rubin.metrics.handlers.policy import Policy
from rubin.metrics.handlers.port_distribution import PortDistribution
from rubin.metrics.handlers.requests import Requests
from rubin.metrics.handlers.resets import Resets
from rubin.metrics.handlers.retransmits import Retransmits
from rubin.metrics.handlers.round_trip import RoundTrip
from rubin.metrics.handlers.sctp import SCTP
from rubin.metrics.handlers.setup import FlowCounter, Handler, Setup
from rubin.metrics.handlers.tcp import TCP
from rubin.metrics.handlers.traffic import Traffic

COUNTERS: dict[str, Callable[[Setup], FlowCounter]] = {
    "flow": Flow,
    "drop": Drop,
    "tcp": TCP,
    "flows-to-world": FlowsToWorld,
    "port-distribution": PortDistribution,
    "icmp": ICMP,
    "sctp": SCTP,
    "policy": Policy,
    "traffic": Traffic,
}
"""Of flows of any kind or of packets: Hubble's, and what moved."""
LAYER_7: dict[str, Callable[[Setup], Handler]] = {
    "dns": DNS,
    "http": HTTP,
    "httpV2": HTTPv2,
    "kafka": Kafka,
    "requests": Requests,
}
"""Of what was said above layer 4."""
HANDLERS: dict[str, Callable[[Setup], Handler]] = LAYER_7 | {
    "tcp-connect": ConnectLatency,
    "tcp-rtt": RoundTrip,
    "tcp-retransmits": Retransmits,
    "tcp-resets": Resets,
    "kernel-drops": KernelDrops,
}
"""Of rows."""
