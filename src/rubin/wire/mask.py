"""Field masks: which parts of a `flow.Flow` a client asked for, as dot-separated paths."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from google.protobuf.message import Message

from rubin.errors import UsageError
from rubin.wire.pb import flow_pb2

Tree: TypeAlias = dict[str, Any]
"""Field names to what is wanted below them; empty: all of it."""


def tree(paths: Iterable[str]) -> Tree | None:
    """The paths as a tree; None where there are none: everything is wanted.

    Raises UsageError where a path names no field of Flow, or goes on below a list or a number.
    """
    wanted: Tree = {}
    for path in paths:
        _check(path)
        _add(wanted, path.split("."))
    return wanted or None


def _add(node: Tree, names: list[str]) -> None:
    for depth, name in enumerate(names):
        if name in node and not node[name]:
            return  # all of it is wanted already
        if depth == len(names) - 1:
            node[name] = {}
        node = node.setdefault(name, {})


def _check(path: str) -> None:
    message: Any = flow_pb2.Flow.DESCRIPTOR
    for name in path.split("."):
        field = message.fields_by_name.get(name) if message else None
        if field is None:
            raise UsageError(
                f"invalid fieldmask: {path!r} is no field of a flow",
                "names as in `rubin observe -o json`, joined by dots: source.pod_name, l4.TCP.flags, l7",
            )
        message = None if field.is_repeated else field.message_type


def prune(message: Message, wanted: Tree | None) -> None:
    """Take away, in place, what is not wanted. A message inside that is there stays there, if only empty."""
    if wanted is None:
        return
    message.DiscardUnknownFields()  # type: ignore[no-untyped-call, unused-ignore]
    for field, value in message.ListFields():
        below = wanted.get(field.name)
        if below is None:
            message.ClearField(field.name)
        elif below:
            prune(value, below)
