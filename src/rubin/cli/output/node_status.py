"""A relay's news of its nodes, as Hubble's client writes it to standard error."""

import json

from rubin.cli.output.flows import DICT_SEPARATOR
from rubin.wire.pb import relay_pb2
from rubin.wire.pb.observer_pb2 import GetFlowsResponse
from rubin.words.text import clean
from rubin.words.times import SECOND_NS
from rubin.words.wording import Options

_NAMES_CHARACTERS = 50
# Of no state of Hubble's are our relay's words about flows that came late.
_NEWS = (relay_pb2.NODE_ERROR, relay_pb2.NODE_UNAVAILABLE, relay_pb2.UNKNOWN_NODE_STATE)


class NodeStatus:
    """Texts of node status events; "" for one that is told with `--debug` only."""

    def __init__(self, output: str, options: Options, debug: bool) -> None:
        self._output, self._options, self._debug = output, options, debug
        self._begun = False

    def text(self, response: GetFlowsResponse) -> str:
        """What to print."""
        status = response.node_status
        if not self._debug and status.state_change not in _NEWS:
            return ""
        if self._output in ("compact", "wide", "table"):
            return f"{self._time(response)} [{clean(response.node_name)}]: {_news(status)}\n"
        before = DICT_SEPARATOR if self._begun else ""
        self._begun = True
        return before + (
            f"  TIMESTAMP: {self._time(response)}\n"
            f"      STATE: {_state(status)}\n"
            f"      NODES: {_cut(list(status.node_names))}\n"
            f"    MESSAGE: {json.dumps(status.message, ensure_ascii=False) if status.message else 'N/A'}\n"
        )

    def _time(self, response: GetFlowsResponse) -> str:
        return self._options.clock.text(response.time.seconds * SECOND_NS + response.time.nanos)


def _news(status: relay_pb2.NodeStatusEvent) -> str:
    nodes = f"{len(status.node_names)} nodes"
    names = _cut(list(status.node_names))
    match status.state_change:
        case relay_pb2.NODE_CONNECTED:
            return f"Receiving flows from {nodes}: {names}"
        case relay_pb2.NODE_UNAVAILABLE:
            return f"{nodes} are unavailable: {names}"
        case relay_pb2.NODE_GONE:
            return f"{nodes} removed from cluster: {names}"
        case relay_pb2.NODE_ERROR:
            return f"Error {json.dumps(status.message, ensure_ascii=False)} on {nodes}: {names}"
        case relay_pb2.UNKNOWN_NODE_STATE if status.message:
            return f"{clean(status.message)}: {names}"
    return f"unknown node status event: {_state(status)} {names}"


def _state(status: relay_pb2.NodeStatusEvent) -> str:
    number = status.state_change
    return relay_pb2.NodeState.Name(number) if number in relay_pb2.NodeState.values() else str(number)


def _cut(names: list[str]) -> str:
    """`a, b (and 3 more)`: at least one, and no more than fit."""
    length, shown = 0, 0
    for name in names:
        length += len(name) + 2
        if length > _NAMES_CHARACTERS and shown:
            break
        shown += 1
    more = f" (and {len(names) - shown} more)" if shown < len(names) else ""
    return clean(", ".join(names[:shown])) + more
