"""`GetFlowsResponse` messages to columns: what other servers send, and what files hold.

Nothing that a message carries is lost. What has a column goes there; what was said above layer 4 into
`Message`, what only some flows carry into `Contents`; and what is left over, or would come out of the columns in
another way than it came (an address that is none, an enum of a newer Hubble, the emitter), stays as it was in
`Contents.rest`.
`FlowEncoder` gives the same message again.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.model.batch import FlowBatch, Lost, empty
from rubin.model.columns import COLUMNS, DTYPES
from rubin.model.enums import LostSource
from rubin.model.messages import Message
from rubin.model.tables import Tables
from rubin.wire.flows import FlowEncoder
from rubin.wire.leftover import leftover, with_rest
from rubin.wire.pb import flow_pb2, observer_pb2
from rubin.wire.reading import COLUMNS as ROW
from rubin.wire.reading import Reader
from rubin.wire.rows import message_row

_SILENT = Message()
_SOURCES = frozenset(map(int, LostSource))


def batch_from_messages(messages: Iterable[observer_pb2.GetFlowsResponse], tables: Tables | None = None) -> FlowBatch:
    """The flows in order, and the losses between them; other messages (a relay's node status) are passed over.

    The rows point into `tables`, new ones if there are none.
    """
    return Decoder(tables).batch(messages)


class Decoder:
    """Decodes one batch after the other into the same tables: what repeats is decoded once."""

    def __init__(self, tables: Tables | None = None) -> None:
        self.tables = tables or Tables()
        self._reader = Reader(self.tables)
        self._encoder = FlowEncoder(None, "")

    def batch(self, messages: Iterable[observer_pb2.GetFlowsResponse]) -> FlowBatch:
        """As `batch_from_messages`."""
        flows: list[flow_pb2.Flow] = []
        lost: list[Lost] = []
        for message in messages:
            match message.WhichOneof("response_types"):
                case "flow":
                    flows.append(message.flow)
                case "lost_events":
                    lost.append(lost_from_message(message))
        return self.flows(flows).with_lost(tuple(lost))

    def flows(self, flows: list[flow_pb2.Flow]) -> FlowBatch:
        """One row per flow, in order."""
        if not flows:
            return empty(self.tables)
        said = [message_row(flow) if _speaks(flow) else _SILENT for flow in flows]
        rows = [self._reader.row(flow, message) for flow, message in zip(flows, said, strict=True)]
        columns = {name: _column(name, values) for name, values in zip(ROW, zip(*rows, strict=True), strict=True)}
        if any(message is not _SILENT for message in said):
            columns["message"] = self.tables.messages.codes(said)
        return self._keep_rest(FlowBatch(columns, self.tables), flows)

    def _keep_rest(self, batch: FlowBatch, flows: list[flow_pb2.Flow]) -> FlowBatch:
        """The batch, with what its columns would say otherwise than the flows did put into `rest`."""
        contents = self.tables.contents
        codes = None
        for row, (made, flow) in enumerate(zip(self._encoder.messages(batch), flows, strict=True)):
            if made == flow or not (rest := leftover(made, flow)):
                continue
            codes = batch["contents"].copy() if codes is None else codes
            codes[row] = contents.code(with_rest(contents[int(codes[row])], rest))
        return batch if codes is None else batch.with_columns(contents=codes)


def _speaks(flow: flow_pb2.Flow) -> bool:
    return flow.HasField("l7") or flow.HasField("trace_context")


def _column(name: str, values: tuple[int, ...]) -> npt.NDArray[Any]:
    """Values that do not fit read as missing; `_keep_rest` keeps what they were."""
    dtype = DTYPES[name]
    if dtype.itemsize == 8:
        return np.array(values, dtype)
    wide = np.array(values, np.int64)
    limits = np.iinfo(dtype)
    return np.where((wide >= limits.min) & (wide <= limits.max), wide, COLUMNS[name].missing).astype(dtype)


def lost_from_message(message: observer_pb2.GetFlowsResponse) -> Lost:
    """What a LostEvent says; a source that we do not know is unknown."""
    event = message.lost_events
    return Lost(
        source=LostSource(event.source if event.source in _SOURCES else 0),
        events=event.num_events_lost,
        time_ns=message.time.ToNanoseconds(),
        first_ns=event.first.ToNanoseconds(),
        last_ns=event.last.ToNanoseconds(),
        cpu=event.cpu.value if event.HasField("cpu") else -1,
        node_name=message.node_name,
    )
