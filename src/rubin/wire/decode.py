"""`GetFlowsResponse` messages to columns: what other servers send, and what files hold.

Nothing that a message carries is lost. What has a column goes there; what only some flows carry into
`Contents`; and what is left over, or would come out of the columns in another way than it came (an
address that is none, an enum of a newer Hubble, the emitter), stays as it was in `Contents.rest`.
`FlowEncoder` gives the same message again.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.model.batch import FlowBatch, Lost
from rubin.model.columns import COLUMNS, DTYPES
from rubin.model.enums import LostSource
from rubin.model.tables import Tables
from rubin.wire.flows import FlowEncoder
from rubin.wire.leftover import leftover, with_rest
from rubin.wire.pb import flow_pb2, observer_pb2
from rubin.wire.reading import Reader, Row

_SOURCES = frozenset(map(int, LostSource))


def batch_from_messages(messages: Iterable[observer_pb2.GetFlowsResponse], tables: Tables | None = None) -> FlowBatch:
    """The flows in order, and the losses between them; other messages (a relay's node status) are passed over.

    The rows point into `tables`, new ones if there are none.
    """
    flows: list[flow_pb2.Flow] = []
    lost: list[Lost] = []
    for message in messages:
        match message.WhichOneof("response_types"):
            case "flow":
                flows.append(message.flow)
            case "lost_events":
                lost.append(lost_from_message(message))
    return batch_from_flows(flows, tables).with_lost(tuple(lost))


def batch_from_flows(flows: list[flow_pb2.Flow], tables: Tables | None = None) -> FlowBatch:
    """One row per flow, in order."""
    tables = tables or Tables()
    if not flows:
        return FlowBatch({}, tables)
    reader = Reader(tables)
    rows = [reader.row(flow) for flow in flows]
    columns = {name: _column(name, values) for name, values in zip(Row._fields, zip(*rows, strict=True), strict=True)}
    return _keep_rest(FlowBatch(columns, tables), flows)


def _column(name: str, values: tuple[int, ...]) -> npt.NDArray[Any]:
    """Values that do not fit read as missing; `_keep_rest` keeps what they were."""
    dtype = DTYPES[name]
    if dtype.itemsize == 8:
        return np.array(values, dtype)
    wide = np.array(values, np.int64)
    limits = np.iinfo(dtype)
    return np.where((wide >= limits.min) & (wide <= limits.max), wide, COLUMNS[name].missing).astype(dtype)


def _keep_rest(batch: FlowBatch, flows: list[flow_pb2.Flow]) -> FlowBatch:
    """The batch, with what its columns would say otherwise than the flows did put into `rest`."""
    contents = batch.tables.contents
    codes = None
    for row, (made, flow) in enumerate(zip(FlowEncoder(None, "").messages(batch), flows, strict=True)):
        if made == flow or not (rest := leftover(made, flow)):
            continue
        codes = batch["contents"].copy() if codes is None else codes
        codes[row] = contents.code(with_rest(contents[int(codes[row])], rest))
    return batch if codes is None else batch.with_columns(contents=codes)


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
