"""What the command line prints as text and these views show: handed in, because this room lies below it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rubin.wire.pb.observer_pb2 import Node, ServerStatusResponse


class Outputs(NamedTuple):
    """Texts of some lines, control characters in them escaped."""

    server: Callable[[ServerStatusResponse], str]
    """As `rubin status` prints what any server says."""
    nodes: Callable[[Sequence[Node]], str]
    """As `rubin list nodes` prints those of a relay."""
    report: Callable[[Mapping[str, Any]], str]
    """As `rubin status` prints what our own agent says."""
    exchanges: Callable[[Sequence[Mapping[str, Any]]], str]
    """As `rubin trace` prints requests with their answers."""
