"""What our own server knows of a flow beyond Hubble's words: the bracket of `-o wide`.

Only what is known and not trivial: one packet, root, the cgroup's root and one named as its process are not told.
"""

import re
from collections.abc import Iterator

import numpy as np

from rubin.model.batch import FlowBatch
from rubin.model.enums import TCPEvent
from rubin.model.messages import Message, MessageType
from rubin.model.tables import Contents, Link, Process
from rubin.words.distinct import message_texts, texts
from rubin.words.rcodes import ended
from rubin.words.text import clean
from rubin.words.units import BYTES, latency, scaled

_EVENTS = {
    TCPEvent.CONNECT: "connected",
    TCPEvent.ACCEPT: "accepted",
    TCPEvent.CLOSE: "closed",
    TCPEvent.RESET: "reset",
}
_CONTAINER_ID = re.compile(r"([0-9a-f]{12})[0-9a-f]{20,}")


def own_facts(batch: FlowBatch) -> Iterator[str]:
    """`12 packets, 4.1 KiB, rtt 0.12 ms, connected in 0.25 ms, nginx/1234`; a text a row, "" where nothing is known."""
    parts = (
        _drops(batch),
        texts(batch["packets"], lambda packets: f"{packets:,} packets" if packets > 1 else ""),
        texts(batch["bytes"], lambda size: scaled(size, 1024, BYTES) if size else ""),
        texts(batch["srtt_us"], lambda srtt_us: f"rtt {latency(srtt_us)}" if srtt_us else ""),
        _opened(batch),
        _events(batch),
        _resent(batch),
        message_texts(batch, said),
        texts(batch["contents"], lambda code: asked(batch.tables.contents[code])),
        texts(batch["process"], lambda code: process(batch.tables.processes[code])),
        texts(batch["link"], lambda code: link(batch.tables.links[code])),
    )
    return (clean(", ".join(filter(None, row))) for row in zip(*parts, strict=True))


def kernel_drop(batch: FlowBatch, row: int) -> str:
    """`NETFILTER_DROP at nft_do_chain+0x1a4`; "" where the kernel's reason is not known.

    The reason is left out where it stands as the type already.
    """
    reason = batch.tables.strings[int(batch["kernel_drop_reason"][row])]
    if not reason:
        return ""
    place = batch.tables.strings[int(batch["drop_location"][row])]
    reason = reason if batch["event_sub_type"][row] else ""
    return f"{reason} at {place}".lstrip() if place else reason


def asked(of: Contents) -> str:
    """`asked for 10.96.0.10:80`, where NAT had somebody else answer."""
    if of.translation is None:
        return ""
    address, port = of.translation.address, of.translation.port
    return f"asked for [{address}]:{port}" if ":" in address else f"asked for {address}:{port}"


def said(of: Message) -> str:
    """`request 512 B`, `response 4.1 KiB`, and `failed: …` where the summary is Hubble's and does not say so."""
    sizes = {"request": of.request_bytes * (of.type == MessageType.REQUEST), "response": of.response_bytes}
    parts = [f"{name} {scaled(size, 1024, BYTES)}" for name, size in sizes.items() if size]
    if of.failed and of.protocol in ("http", "dns"):
        error = of.error or (ended(of) if of.protocol == "dns" else "")  # of HTTP the summary has the status
        parts.append(f"failed: {error}" if error else "failed")
    return ", ".join(parts)


def owner(of: Process) -> str:
    """`curl/1234`; "" where it is not known."""
    return f"{of.command}/{of.pid}" if of.pid else of.command


def process(of: Process) -> str:
    """`curl/1234 www-data in cron.service`, or `uid 33`; a container's id is cut to the 12 digits its tools show."""
    name = of.cgroup.rstrip("/").rpartition("/")[2]
    name = "" if name.partition(".")[0] == of.command else _CONTAINER_ID.sub(r"\1", name)
    user = of.user or f"uid {of.uid}"
    parts = (owner(of), user if of.uid > 0 else "", f"in {name}" if name else "")
    return " ".join(filter(None, parts))


def link(of: Link) -> str:
    """`on eth0 vlan 12`. An index without a name means nothing outside its network namespace."""
    parts = (f"on {of.name}" if of.name else "", f"vlan {of.vlan}" if of.vlan else "")
    return " ".join(filter(None, parts))


def _drops(batch: FlowBatch) -> list[str]:
    told = [""] * len(batch)
    for row in np.flatnonzero(batch["kernel_drop_reason"]).tolist():
        told[row] = kernel_drop(batch, row)
    return told


def _opened(batch: FlowBatch) -> list[str]:
    """`connected in 0.25 ms`."""
    return texts(batch["connect_latency_us"], lambda us: f"connected in {latency(us)}" if us else "")


def _events(batch: FlowBatch) -> list[str]:
    """`closed`; what `_opened` and `_resent` tell is not told again."""
    timed = batch["connect_latency_us"] != 0
    return texts(np.where(timed & (batch["tcp_event"] == TCPEvent.CONNECT), 0, batch["tcp_event"]), _event)


def _event(number: int) -> str:
    if number in (TCPEvent.NONE, TCPEvent.RETRANSMIT):
        return ""
    return _EVENTS[TCPEvent(number)] if number in _EVENTS else f"TCP event {number}"


def _resent(batch: FlowBatch) -> list[str]:
    """`2 resent`, or `resent` where only the event says so."""
    numbers = texts(batch["retransmits"], lambda number: f"{number:,} resent" if number else "")
    events = (batch["tcp_event"] == TCPEvent.RETRANSMIT).tolist()
    return [number or ("resent" if event else "") for number, event in zip(numbers, events, strict=True)]
