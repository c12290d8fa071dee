"""Hypothesis strategies: batches with any columns and tables, and messages with any fields."""

from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rubin.model import addresses
from rubin.model.batch import FlowBatch
from rubin.model.columns import COLUMNS, DTYPES
from rubin.model.messages import DNS, PROTOCOLS, Message
from rubin.model.tables import (
    Contents,
    Endpoint,
    Link,
    Policy,
    Process,
    Service,
    Tables,
    Tunnel,
    Workload,
)
from rubin.wire.pb import flow_pb2

words = st.sampled_from(["", "a", "default", "k8s:app=x", "ü<&>\u2028", 'q"\\\n', "x" * 200])
_u32 = st.integers(0, 2**32 - 1)
_u64 = st.integers(0, 2**64 - 1)
_some = st.lists(words, max_size=3).map(tuple)
workloads = st.builds(Workload, words, words)
endpoints = st.builds(
    Endpoint, _u32, _u32, words, words, _some, words, st.lists(workloads, max_size=2).map(tuple), _some,
    st.builds(Service, words, words),
)  # fmt: skip
processes = st.builds(Process, _u32, words, st.integers(-1, 2**32 - 1), _u64, words, _u64)
links = st.builds(Link, _u32, words, words, words, st.integers(0, 4095))
_i32 = st.integers(-(2**31), 2**31 - 1)
_dns = st.builds(DNS, words, _some, _u32, _some, words, st.integers(0, 30), _some, _some)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Any protocol and type; of DNS the target is the query."""
    protocol = draw(st.sampled_from(PROTOCOLS))
    dns = draw(_dns) if protocol == "dns" else None
    attributes = draw(st.lists(st.tuples(words, words), max_size=2).map(tuple))
    return Message(
        draw(st.integers(0, 4)), protocol, draw(words), draw(words), dns.query if dns else draw(words), draw(words),
        draw(_i32 | st.integers(0, 599)), draw(st.booleans()), draw(words), draw(_u64), draw(_u32), draw(_u32),
        draw(words), attributes, dns,
    )  # fmt: skip


policies = st.lists(st.builds(Policy, words, words, _some, _u64, words), max_size=2).map(tuple)
tunnels = st.builds(
    Tunnel, st.integers(0, 2), words, words, st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 2**24 - 1)
)
contents = st.builds(
    Contents, _u64, st.none() | tunnels, _u32, words, _some, policies, policies, policies, policies, _some,
)  # fmt: skip
_ROWS = {
    "strings": words, "endpoints": endpoints, "processes": processes, "links": links, "contents": contents,
    "messages": messages(),
}  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> Tables:
    made = Tables()
    for name, rows in _ROWS.items():
        table: Any = made[name]
        table.codes(draw(st.lists(rows, max_size=4)))
    return made


_LIKELY = {
    "time_ns": st.integers(0, 2**62) | st.just(0),
    "protocol": st.sampled_from([0, 1, 2, 6, 6, 17, 47, 58, 112, 132]),
    "ip_version": st.sampled_from([0, 1, 2]),
    "is_reply": st.integers(-1, 1),
    "event_type": st.sampled_from([0, 1, 3, 4, 5, 7, 129]),
    "event_sub_type": st.integers(0, 255),
    "sctp_chunk_type": st.integers(0, 127),
    "encrypted": st.integers(0, 1),
    "flow_type": st.integers(0, 3),
}


@st.composite
def batches(draw: st.DrawFn, max_rows: int = 6) -> FlowBatch:
    """Any columns; addresses of a version are of that version."""
    n, made = draw(st.integers(0, max_rows)), draw(tables())
    columns: dict[str, Any] = {}
    for name in draw(st.sets(st.sampled_from(sorted(COLUMNS)))):
        values = _LIKELY.get(name)
        if COLUMNS[name].table:
            values = st.integers(0, len(made[COLUMNS[name].table]) - 1)
        if values is None:
            columns[name] = draw(hnp.arrays(DTYPES[name], n))
        else:
            columns[name] = np.array(draw(st.lists(values, min_size=n, max_size=n)), DTYPES[name])
    batch = FlowBatch(columns, made) if columns else FlowBatch({"verdict": np.zeros(n, np.uint8)}, made)
    return batch.with_columns(**_addresses(draw, batch))


def _addresses(draw: st.DrawFn, batch: FlowBatch) -> dict[str, Any]:
    v4 = st.ip_addresses(v=4).map(str).map(addresses.pair) | st.just((0, 0))
    v6 = st.ip_addresses(v=6).map(str).map(addresses.pair) | st.sampled_from([(0, 0), (0, 1), (0, 0x01020304)])
    columns: dict[str, Any] = {}
    for side in ("source", "destination"):
        pairs = [draw(v6 if version == 2 else v4) for version in batch["ip_version"].tolist()]
        columns[f"{side}_high"] = np.array([high for high, _ in pairs], np.uint64)
        columns[f"{side}_low"] = np.array([low for _, low in pairs], np.uint64)
    return columns


def _scalar(field: Any) -> st.SearchStrategy[Any]:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_ENUM:
            return st.sampled_from(list(field.enum_type.values_by_number)) | st.integers(-1, 300)
        case FieldDescriptor.CPPTYPE_BOOL:
            return st.booleans()
        case FieldDescriptor.CPPTYPE_STRING:
            if field.type == FieldDescriptor.TYPE_BYTES:
                return st.binary(max_size=5)
            return words | st.sampled_from(["10.0.0.1", "fd00::1", "::ffff:1.2.3.4", "FD00::1", "1.2.3.4"])
        case FieldDescriptor.CPPTYPE_UINT32:
            return st.integers(0, 2**32 - 1) | st.integers(0, 300)
        case FieldDescriptor.CPPTYPE_INT32:
            return st.integers(-(2**31), 2**31 - 1) | st.integers(0, 300)
        case FieldDescriptor.CPPTYPE_UINT64:
            return _u64
        case FieldDescriptor.CPPTYPE_INT64:
            return st.integers(-(2**63), 2**63 - 1)
    raise AssertionError(field.name)


def fill(draw: st.DrawFn, message: Any, rare: bool = False) -> None:
    """Any fields of a message, with any values; valid times."""
    if message.DESCRIPTOR.full_name == "google.protobuf.Timestamp":
        message.seconds = draw(st.integers(-62_135_596_800, 253_402_300_799) | st.integers(0, 2_000_000_000))
        message.nanos = draw(st.integers(0, 999_999_999) | st.sampled_from([0, 1_000_000, 1_000]))
        return
    names = sorted(message.DESCRIPTOR.fields_by_name)
    for name in (
        draw(st.lists(st.sampled_from(names), unique=True, max_size=8 if rare else len(names))) if names else ()
    ):
        field = message.DESCRIPTOR.fields_by_name[name]
        for _ in range(draw(st.integers(0, 2)) if field.is_repeated else 1):
            if field.message_type and field.is_repeated:
                fill(draw, getattr(message, name).add())
            elif field.message_type:
                getattr(message, name).SetInParent()
                fill(draw, getattr(message, name))
            elif field.is_repeated:
                getattr(message, name).append(draw(_scalar(field)))
            else:
                setattr(message, name, draw(_scalar(field)))


@st.composite
def flow_messages(draw: st.DrawFn) -> flow_pb2.Flow:
    flow = flow_pb2.Flow()
    fill(draw, flow, draw(st.booleans()))
    if draw(st.booleans()):
        flow.uuid = str(draw(st.uuids()))
    if not flow.emitter.ByteSize():
        flow.ClearField("emitter")  # an empty one is the same as none
    return flow
