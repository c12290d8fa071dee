"""What was dropped, put together by what the drops have in common: the reason, who, to whom, at which port."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np

from rubin.model.batch import Array, FlowBatch
from rubin.model.codes import I64, mix
from rubin.model.enums import Direction, DropReason, Protocol, Verdict
from rubin.model.filter import Filters
from rubin.model.tables import Process
from rubin.query.pairs import goes_back
from rubin.query.picture import chosen
from rubin.query.places import DEFAULT_SCOPE, End, Place, place, sound
from rubin.store.ring import Ring
from rubin.words import facts
from rubin.words.drop_reasons import meaning
from rubin.words.terms import Term, canonical, query_of

Answer = dict[str, Any]

SPARK = 30
MOST_GROUPS = 1_000
_KEYS = ("drop_reason", "kernel_drop_reason", "traffic_direction", "protocol", "ip_version")
_ENDS = ("endpoint", "high", "low")
_WITH_PORTS = (Protocol.TCP, Protocol.UDP, Protocol.SCTP)


@dataclass(frozen=True, slots=True)
class _Key:
    """What the drops of a group have in common."""

    reason: int
    kernel_reason: str
    direction: int
    protocol: int
    port: int
    is_back: bool  # to who opened: the port is the source's
    source: Place
    destination: Place


@dataclass(slots=True)
class _Group:
    """The drops of a key."""

    times: list[I64] = field(default_factory=list)
    latest_ns: int = -1
    uuid: str = ""
    process: str = ""


def drops(ring: Ring, filters: Filters | None, since_ns: int, until_ns: int) -> Answer:
    """`groups`, the greatest first, and the `total` of drops; both times belong to the range. Of each group what all
    its drops have in common (`port` is that of who is asked), `count`, `per_minute`, the first and last, the counts of
    `SPARK` equal parts of the time, the UUID of the latest, and the `query` that asks for exactly these. "" and port 0:
    not known.
    """
    groups: dict[_Key, _Group] = {}
    for view in ring.scan(since_ns=since_ns, until_ns=until_ns):
        rows = np.flatnonzero(view["verdict"] == Verdict.DROPPED)
        batch = chosen(view.take(rows).without_lost(), filters, since_ns, until_ns) if len(rows) else view.take(rows)
        if len(batch):
            _gather(groups, batch)
    total = sum(len(times) for group in groups.values() for times in group.times)
    made = [_told(key, group, since_ns, until_ns) for key, group in groups.items()]
    made.sort(key=lambda row: (-row["count"], -row["last_ms"]))
    return {
        "from_ms": since_ns / 1e6,
        "until_ms": until_ns / 1e6,
        "groups": made[:MOST_GROUPS],
        "total": total,
        "more": max(0, len(made) - MOST_GROUPS),
    }


def _gather(groups: dict[_Key, _Group], batch: FlowBatch) -> None:
    """Adds a batch's drops; Python runs once for those that are alike."""
    back = goes_back(batch)
    port = np.where(back, batch["source_port"], batch["destination_port"])
    port = np.where(np.isin(batch["protocol"], _WITH_PORTS), port, 0)
    ends = [batch[f"{side}_{part}"] for side in ("source", "destination") for part in _ENDS]
    keys = mix(*(batch[name] for name in _KEYS), port, back, *ends)
    _, first, where = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(where, kind="stable")
    cuts = np.searchsorted(where[order], np.arange(1, len(first)))
    for row, rows in zip(first.tolist(), np.split(order, cuts), strict=True):
        _add(groups.setdefault(_key(batch, row, int(port[row]), bool(back[row])), _Group()), batch, rows)


def _add(group: _Group, batch: FlowBatch, rows: Array) -> None:
    times = batch["time_ns"][rows]
    group.times.append(times)
    latest = int(rows[np.argmax(times)])
    if times.max() <= group.latest_ns:
        return
    group.latest_ns = int(times.max())
    group.uuid = uuid_text(int(batch["uuid_high"][latest]), int(batch["uuid_low"][latest]))
    process: Process = batch.tables.processes[int(batch["process"][latest])]
    group.process = facts.owner(process) or group.process


def _key(batch: FlowBatch, row: int, port: int, is_back: bool) -> _Key:
    source, destination = (place(DEFAULT_SCOPE, end(batch, row, side)) for side in ("source", "destination"))
    return _Key(
        reason=int(batch["drop_reason"][row]),
        kernel_reason=batch.tables.strings[int(batch["kernel_drop_reason"][row])],
        direction=int(batch["traffic_direction"][row]),
        protocol=int(batch["protocol"][row]),
        port=port,
        is_back=is_back,
        source=source,
        destination=destination,
    )


def end(batch: FlowBatch, row: int, side: str) -> End:
    """One end of a row."""
    endpoint = batch.tables.endpoints[int(batch[f"{side}_endpoint"][row])]
    high, low = int(batch[f"{side}_high"][row]), int(batch[f"{side}_low"][row])
    return End(endpoint, high, low, int(batch["ip_version"][row]))


def _told(key: _Key, group: _Group, since_ns: int, until_ns: int) -> Answer:
    times = np.concatenate(group.times)
    span_ns = max(until_ns - since_ns, 1)
    parts = np.clip((times - since_ns) * SPARK // span_ns, 0, SPARK - 1)
    reason = DropReason(key.reason).name if key.reason in DropReason._value2member_map_ else str(key.reason)
    query = query_of(canonical(sound(_terms(key, reason))))
    return {
        "key": query,
        "reason": reason if key.reason else "",
        "kernel_reason": key.kernel_reason,
        "words": meaning(key.kernel_reason) if key.kernel_reason else "",
        "source": named(key.source),
        "destination": named(key.destination),
        "port": key.port,
        "protocol": _name(Protocol, key.protocol) if key.protocol else "",
        "process": group.process,
        "direction": Direction(key.direction).name.lower() if key.direction in (1, 2) else "",
        "count": len(times),
        "per_minute": round(len(times) * 60e9 / span_ns, 3),
        "first_ms": int(times.min()) / 1e6,
        "last_ms": int(times.max()) / 1e6,
        "spark": np.bincount(parts, minlength=SPARK).tolist(),
        "uuid": group.uuid,
        "query": query,
    }


def _terms(key: _Key, reason: str) -> list[Term]:
    """The filters that these drops pass."""
    terms = [Term("verdict", "DROPPED"), *key.source.terms("from"), *key.destination.terms("to")]
    if key.kernel_reason:
        terms.append(Term("kernel-drop-reason", key.kernel_reason))
    if reason in DropReason.__members__ and (key.reason or not key.kernel_reason):
        terms.append(Term("drop-reason-desc", reason))
    if key.port:
        terms.append(Term("from-port" if key.is_back else "to-port", str(key.port)))
    if key.protocol in _WITH_PORTS:
        terms.append(Term("protocol", Protocol(key.protocol).name.lower()))
    if key.direction in (1, 2):
        terms.append(Term("traffic-direction", Direction(key.direction).name.lower()))
    return terms


def named(of: Place) -> str:
    """`shop/cart`; of a place outside its name alone."""
    return f"{of.group}/{of.name}" if of.group and of.asked[:1] == (("namespace", of.group),) else of.name


def uuid_text(high: int, low: int) -> str:
    """As text; "" for none."""
    return str(UUID(int=high << 64 | low)) if high or low else ""


def _name(kind: type[Protocol], number: int) -> str:
    return kind(number).name if number in kind._value2member_map_ else str(number)
