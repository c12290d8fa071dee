"""Flows as rows of the table: numbers as they are, texts as numbers of the dictionary."""

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np

from rubin.model import addresses
from rubin.model.batch import Array, FlowBatch, Lost
from rubin.model.codes import mix
from rubin.model.enums import EventType, Protocol
from rubin.model.messages import Message, MessageType, request
from rubin.query.said import connections
from rubin.ui.feed import Gap
from rubin.ui.frames import Texts
from rubin.wire import summary as summaries
from rubin.words import facts, hubble
from rubin.words.rcodes import ended

Columns = dict[str, tuple[str, Array]]

TEXT_COLUMNS = ("source", "destination", "source_ip", "destination_ip", "protocol", "summary", "process", "node",
                "reason", "l7", "source_filter", "destination_filter")  # fmt: skip
KINDS = {
    "uuid_a": "u4", "uuid_b": "u4", "uuid_c": "u4", "uuid_d": "u4", "time": "f8", "verdict": "u1", "type": "u1",
    "reply": "u1", "direction": "u1", "source": "u4", "destination": "u4", "source_ip": "u4", "destination_ip": "u4",
    "source_port": "u2", "destination_port": "u2", "protocol": "u4", "summary": "u4", "process": "u4", "node": "u4",
    "bytes": "f8", "packets": "u4", "latency_ms": "f4", "reason": "u4", "l7": "u4", "is_loss": "u1", "pair": "u4",
    "source_filter": "u4", "destination_filter": "u4",
}  # fmt: skip
"""The columns in their order; names and kinds are the protocol's. `source_filter`: the filter that takes what stands in
`source` as its value, "" where none does. `is_loss`: 1 for events that were lost, 2 for a time that nobody has read.
"""

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_REPLY_UNKNOWN = 2
_LOSS, _GAP = 1, 2
_FATE = (*summaries.KEY, "contents", "message", "kernel_drop_reason", "drop_location", "event_sub_type")


def rows_of(batch: FlowBatch, texts: Texts) -> dict[str, Array]:
    """The columns of `KINDS`, a row a flow, in the batch's order."""
    high, low = batch["uuid_high"], batch["uuid_low"]
    reply = batch["is_reply"]
    fates = _fates(batch, texts)
    return {
        "uuid_a": high >> _HALF, "uuid_b": high & _LOW, "uuid_c": low >> _HALF, "uuid_d": low & _LOW,
        "time": batch["time_ns"] / 1e6, "verdict": batch["verdict"], "type": batch["event_type"],
        "reply": np.where(reply < 0, _REPLY_UNKNOWN, reply), "direction": batch["traffic_direction"],
        "source": _hosts(batch, "source", texts), "destination": _hosts(batch, "destination", texts),
        "source_filter": _filters(batch, "source", texts), "destination_filter": _filters(batch, "destination", texts),
        "source_ip": _addresses(batch, "source", texts), "destination_ip": _addresses(batch, "destination", texts),
        "source_port": batch["source_port"], "destination_port": batch["destination_port"],
        "protocol": _each(batch["protocol"], lambda row: texts.number(_protocol(int(batch["protocol"][row])))),
        "process": _each(batch["process"], lambda row: texts.number(
            facts.owner(batch.tables.processes[int(batch["process"][row])]))),
        "node": _each(batch["node_name"], lambda row: texts.number(
            batch.tables.strings[int(batch["node_name"][row])])),
        "bytes": batch["bytes"], "packets": batch["packets"], "is_loss": np.zeros(len(batch), np.uint8),
        "pair": connections(batch) & _LOW,
    } | fates  # fmt: skip


def losses(lost: tuple[Lost, ...], texts: Texts) -> dict[str, Array]:
    """A row a loss: how many events, and where."""
    told = [f"{one.events:,} events lost: {one.place or one.source.name.lower().replace('_', ' ')}" for one in lost]
    made = _notes([one.time_ns for one in lost], told, texts, _LOSS)
    return made | {"node": np.array([texts.number(one.node_name) for one in lost], np.int64)}


def breaks(gaps: Sequence[Gap], texts: Texts) -> dict[str, Array]:
    """A row a gap: for how long nobody read, and why. What stands before it may be of another server."""
    told = [f"flows of {(gap.until_ns - gap.from_ns) / 1e9:.1f} s may be missing: {gap.why}" for gap in gaps]
    return _notes([gap.until_ns for gap in gaps], told, texts, _GAP)


def _notes(times_ns: list[int], told: list[str], texts: Texts, kind: int) -> dict[str, Array]:
    """Rows that are no flows but tell of some that are missing."""
    made: dict[str, Array] = {name: np.zeros(len(told)) for name in KINDS}
    made["summary"] = np.array([texts.number(text) for text in told], np.int64)
    made["time"] = np.array([time_ns / 1e6 for time_ns in times_ns], np.float64)
    made["reply"] = np.full(len(told), _REPLY_UNKNOWN)
    made["latency_ms"] = np.full(len(told), np.nan)
    made["is_loss"] = np.full(len(told), kind)
    return made


def _each(keys: Array, number: Callable[[int], int]) -> Array:
    """(n,) of each row the number that is found once for all rows with its key."""
    _, first, where = np.unique(keys, return_index=True, return_inverse=True)
    found: Array = np.array([number(row) for row in first.tolist()], np.int64)[where]
    return found


def _hosts(batch: FlowBatch, side: str, texts: Texts) -> Array:
    """Names where they are known, else addresses; of a frame without IP the hardware's."""
    parts = [batch[f"{side}_{part}"] for part in ("endpoint", "high", "low")]
    link = np.where(batch["ip_version"] == 0, batch["link"], 0)

    def number(row: int) -> int:
        if not batch["ip_version"][row]:
            frame = batch.tables.links[int(link[row])]
            return texts.number(frame.source_mac if side == "source" else frame.destination_mac)
        endpoint = batch.tables.endpoints[int(parts[0][row])]
        return texts.number(endpoint.called or addresses.text(parts[1][row], parts[2][row]))

    return _each(mix(*parts, batch["ip_version"], link), number)


def _filters(batch: FlowBatch, side: str, texts: Texts) -> Array:
    way = "from" if side == "source" else "to"
    codes, version = batch[f"{side}_endpoint"], batch["ip_version"]

    def number(row: int) -> int:
        endpoint = batch.tables.endpoints[int(codes[row])]
        if endpoint.pod_name or endpoint.service.name:
            return texts.number(f"{way}-service" if endpoint.service.name and not endpoint.pod_name else f"{way}-pod")
        if endpoint.names:
            return texts.number(f"{way}-fqdn" if len(endpoint.names) == 1 else "")
        return texts.number(f"{way}-ip" if version[row] else "")

    return _each(mix(codes, version), number)


def _addresses(batch: FlowBatch, side: str, texts: Texts) -> Array:
    high, low, version = batch[f"{side}_high"], batch[f"{side}_low"], batch["ip_version"]
    return _each(
        mix(high, low, version),
        lambda row: texts.number(addresses.text(high[row], low[row]) if version[row] else ""),
    )


def _protocol(number: int) -> str:
    if not number:
        return ""
    return Protocol(number).name if number in Protocol._value2member_map_ else str(number)


def _fates(batch: FlowBatch, texts: Texts) -> dict[str, Array]:
    """What it was and what became of it: summary, reason, what was said, and how long it took (NaN: not known)."""
    answers = (batch["message"] != 0) & (batch["is_reply"] == 1)
    _, first, where = np.unique(mix(*(batch[name] for name in _FATE), answers), return_index=True, return_inverse=True)
    messages = batch.tables.messages.read(batch["message"][first], batch["is_reply"][first])
    made = [_fate(batch, row, message, texts) for row, message in zip(first.tolist(), messages, strict=True)]
    flat = np.fromiter(chain.from_iterable(made), np.float64, 4 * len(made)).reshape(-1, 4)[where]
    latency = flat[:, 3].copy()
    opened = np.isnan(latency) & (batch["connect_latency_us"] > 0)
    latency[opened] = batch["connect_latency_us"][opened] / 1e3
    return {"summary": flat[:, 0], "reason": flat[:, 1], "l7": flat[:, 2], "latency_ms": latency}


def _fate(batch: FlowBatch, row: int, message: Message, texts: Texts) -> tuple[int, int, int, float]:
    packet = (int(batch[name][row]) for name in summaries.KEY)
    contents = batch.tables.contents[int(batch["contents"][row])]
    summary = contents.summary or summaries.of_message(message) or summaries.of_packet(*packet)
    kernel = facts.kernel_drop(batch, row)
    latency_ms = message.latency_ns / 1e6 if message.latency_ns else float("nan")
    return (
        texts.number(f"{summary} [{kernel}]".lstrip() if kernel else summary),
        texts.number(_reason(batch, row)),
        texts.number(_said(message)),
        latency_ms,
    )


def _reason(batch: FlowBatch, row: int) -> str:
    """The kernel's word for why it was dropped, else Hubble's; "" where it was not."""
    kernel: str = batch.tables.strings[int(batch["kernel_drop_reason"][row])]
    if kernel or batch["event_type"][row] != EventType.DROP:
        return kernel
    return hubble.drop(int(batch["event_sub_type"][row]))


def _said(message: Message) -> str:
    """`http GET /pay 503`; "" for a flow that says nothing."""
    if not message.protocol:
        return ""
    asked = request(message.method, message.target)
    answer = ended(message) if message.type == MessageType.RESPONSE else ""
    return " ".join(filter(None, (message.protocol, asked, answer)))
