"""Flows as text: compact, wide, dict and table. JSON is `json.py`'s and `flat_json.py`'s."""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import numpy as np

from rubin.cli.output import lost as losses
from rubin.cli.output.columns import align
from rubin.model.batch import FlowBatch, Lost
from rubin.words.facts import own_facts
from rubin.words.wording import Options, Said, Wording

T = TypeVar("T")

ARROWS = {1: "<-", 0: "->", -1: "<>"}
DICT_SEPARATOR = "------------\n"


class Printer(Protocol):
    """Takes batches, gives text to be written."""

    def text(self, batch: FlowBatch) -> str:
        """What to print of the batch now: its flows and what was lost between them."""

    def end(self) -> str:
        """What is left to print when no batch comes any more."""


class Compact:
    """A line a flow."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._wording = Wording(options)

    def text(self, batch: FlowBatch) -> str:
        """Lines."""
        return "".join(in_order(batch, self._lines(batch), self._lost))

    def end(self) -> str:
        """Nothing."""
        return ""

    def _lines(self, batch: FlowBatch) -> Iterator[str]:
        return (f"{self._line(flow)}\n" for flow in self._wording.said(batch))

    def _line(self, flow: Said) -> str:
        node = f" [{flow.node}]" if self._options.node_name else ""
        first, second = (flow.source, flow.destination) if flow.reply != 1 else (flow.destination, flow.source)
        kind, verdict, summary = flow.fate
        return (
            f"{flow.time}{node}: {first.host} {first.identity} {ARROWS[flow.reply]} "
            f"{second.host} {second.identity} {kind} {verdict} ({summary})"
        )

    def _lost(self, lost: Lost) -> str:
        return losses.compact(lost, self._options)


class Wide(Compact):
    """A line a flow: the compact one, then in one bracket what only our own server knows."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._wording = Wording(options, kernel_drops=False)  # they stand in the bracket

    def _lines(self, batch: FlowBatch) -> Iterator[str]:
        for flow, known in zip(self._wording.said(batch), own_facts(batch), strict=True):
            yield f"{self._line(flow)} [{known}]\n" if known else f"{self._line(flow)}\n"


class Dict:
    """A block of `KEY: value` a flow."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._wording = Wording(options)
        self._begun = False

    def text(self, batch: FlowBatch) -> str:
        """Blocks, with a line of dashes between any two."""
        blocks = list(in_order(batch, map(self._block, self._wording.said(batch)), self._lost))
        if not blocks:
            return ""
        start = DICT_SEPARATOR if self._begun else ""
        self._begun = True
        return start + DICT_SEPARATOR.join(blocks)

    def end(self) -> str:
        """Nothing."""
        return ""

    def _block(self, flow: Said) -> str:
        node = f"       NODE: {flow.node}\n" if self._options.node_name else ""
        return (
            f"  TIMESTAMP: {flow.time}\n{node}"
            f"     SOURCE: {flow.source.host}\n"
            f"DESTINATION: {flow.destination.host}\n"
            f"       TYPE: {flow.fate.type}\n"
            f"    VERDICT: {flow.fate.verdict}\n"
            f"    SUMMARY: {flow.fate.summary}\n"
        )

    def _lost(self, lost: Lost) -> str:
        return losses.block(lost, self._options)


class Table:
    """Aligned columns; all rows are kept until the end, because the widest cell decides."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._wording = Wording(options)
        self._rows: list[list[str]] = []

    def text(self, batch: FlowBatch) -> str:
        """Nothing yet."""
        self._rows.extend(in_order(batch, map(self._row, self._wording.said(batch)), self._lost))
        return ""

    def end(self) -> str:
        """The table, or nothing where there was no flow."""
        if not self._rows:
            return ""
        head = ["TIMESTAMP", *self._node("NODE"), "SOURCE", "DESTINATION", "TYPE", "VERDICT", "SUMMARY"]
        return align([head, *self._rows])

    def _node(self, name: str) -> list[str]:
        return [name] if self._options.node_name else []

    def _row(self, flow: Said) -> list[str]:
        return [flow.time, *self._node(flow.node), flow.source.host, flow.destination.host, *flow.fate]

    def _lost(self, lost: Lost) -> list[str]:
        time, node, *rest = losses.row(lost, self._options)
        return [time, *self._node(node), *rest]


def in_order(batch: FlowBatch, flows: Iterator[T], say_lost: Callable[[Lost], T]) -> Iterator[T]:
    """The flows with the losses between them, where they were noticed."""
    if not batch.lost:
        yield from flows
        return
    latest = np.maximum.accumulate(batch["time_ns"])
    ordered = sorted(batch.lost, key=lambda lost: lost.time_ns)
    before = [int(np.searchsorted(latest, lost.time_ns)) for lost in ordered]
    for row, flow in enumerate(flows):
        while before and before[0] <= row:
            before.pop(0)
            yield say_lost(ordered.pop(0))
        yield flow
    yield from map(say_lost, ordered)
