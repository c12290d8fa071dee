"""Flows of messages for tests, and metrics that count them."""

import numpy as np

from rubin.metrics.configuration import Configuration, metric
from rubin.metrics.sink import Metrics, Settings
from rubin.model.batch import FlowBatch
from rubin.model.exchanges import expanded
from rubin.model.messages import Message
from rubin.model.tables import Endpoint, Tables

TIME_NS = 1_700_000_000_000_000_000
TRACE = "4bf92f3577b34da6a3ce929d0e0e47{:02x}"
PODS = {"labelsContext": ["source_pod", "destination_pod"]}


def serving(name, options=None, now=None, **settings):
    clock = (lambda: now[0]) if now else (lambda: 0.0)
    return Metrics(Settings(**settings), Configuration((metric(name, options or {}),)), clock)


def told(*messages, tables=None, time_ns=TIME_NS, cookie=7, direction=1, is_reply=None):
    """Flows of a server's messages as the line has them: an exchange is two rows."""
    tables = tables or Tables()
    shop, web = (tables.endpoints.code(Endpoint(namespace="shop", pod_name=name)) for name in ("shop", "web"))
    replies = [int(one.type != 1) for one in messages] if is_reply is None else is_reply
    n, reply = len(messages), np.array(replies, np.int8)
    return expanded(
        FlowBatch(
            {
                "time_ns": time_ns + np.arange(n),
                "verdict": np.ones(n),
                "flow_type": np.full(n, 2),
                "event_type": np.full(n, 129),
                "traffic_direction": np.full(n, direction),
                "is_reply": reply,
                "source_endpoint": np.where(reply == 1, shop, web),
                "destination_endpoint": np.where(reply == 1, web, shop),
                "socket_cookie": np.full(n, cookie),
                "message": tables.messages.codes(messages),
            },
            tables,
        )
    )


def http(status=200, latency_ms=7, trace=None, method="GET", kind=4):
    trace_id = "" if trace is None else TRACE.format(trace)
    return Message(
        kind, "http", method, target="/", version="HTTP/1.1", status=status, failed=status >= 400,
        latency_ns=latency_ms * 1_000_000, trace_id=trace_id,
    )  # fmt: skip
