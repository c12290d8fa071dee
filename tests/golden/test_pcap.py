"""Captures in, columns out, as tshark reads the same packets (golden/pcap/record.sh wrote down what it says).

`headers.pcap` holds packets of tests/dissect/frames.py; the others were captured by tcpdump at a veth pair and at
`any`, 96 bytes of each packet: pings, HTTP over both IP versions, a refused connection, fragments, closed UDP ports.
"""

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rubin.model import addresses
from rubin.model.batch import FlowBatch, concat
from rubin.model.enums import EventType
from rubin.sources.pcap import Pcap

CAPTURES = sorted(path for path in (Path(__file__).parent / "pcap").glob("*.pcap*") if path.suffix != ".fields")


def ours(batch: FlowBatch) -> list[dict[str, Any]]:
    rows = []
    for at, (link, contents) in enumerate(zip(batch.rows("link"), batch.rows("contents"), strict=True)):
        row: dict[str, Any] = {
            name: int(batch[name][at]) for name in ("time_ns", "source_port", "destination_port", "tcp_flags")
        }
        row |= {name: int(batch[name][at]) for name in ("icmp_type", "icmp_code")}
        for side in ("source", "destination"):
            text = addresses.text(batch[f"{side}_high"][at], batch[f"{side}_low"][at])
            row[side] = text if batch["ip_version"][at] else ""
        row["bytes"] = int(batch["bytes"][at]) if batch["ip_version"][at] else 0
        row["mac"], row["vlan"] = link.source_mac, link.vlan
        row["vni"] = contents.tunnel.vni if contents.tunnel else 0
        rows.append(row)
    return rows


def theirs(fields: dict[str, str]) -> dict[str, Any]:
    """A line of tshark: of what repeats, the inside of a tunnel, but the outside of a packet inside an ICMP error."""
    inside = bool(fields["vxlan.vni"])

    def one(*names: str) -> str:
        values = [value for name in names for value in fields[name].split(",") if value]
        return values[-1 if inside else 0] if values else ""

    def number(*names: str) -> int:
        return int(one(*names) or "0", 0)

    four = bool(one("ip.src"))
    error = number("icmp.type") == 3 or number("icmpv6.type") == 1
    known = not error and not inside  # tshark lists outer UDP and inner TCP ports apart
    return {
        "time_ns": int(Decimal(fields["frame.time_epoch"]) * 1_000_000_000),
        "source_port": number("tcp.srcport", "udp.srcport", "sctp.srcport") if known else None,
        "destination_port": number("tcp.dstport", "udp.dstport", "sctp.dstport") if known else None,
        "tcp_flags": number("tcp.flags") if not error else 0,
        "icmp_type": number("icmp.type", "icmpv6.type"),
        "icmp_code": number("icmp.code", "icmpv6.code"),
        "source": one("ip.src") if four else one("ipv6.src"),
        "destination": one("ip.dst") if four else one("ipv6.dst"),
        "bytes": number("ip.len") if four else number("ipv6.plen") + 40 if one("ipv6.src") else 0,
        "mac": one("eth.src", "sll.src.eth"),
        "vlan": number("ieee8021ad.id", "vlan.id"),
        "vni": number("vxlan.vni"),
    }


def packets(source: Pcap) -> FlowBatch:
    """The flows that are packets, without what is said in them."""
    batch = concat(list(source))
    return batch.take(np.flatnonzero(batch["event_type"] != EventType.L7))


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_columns_say_what_tshark_says(capture: Path):
    with Pcap(str(capture)) as source:
        found = ours(packets(source))
    with Path(f"{capture}.fields").open(encoding="utf-8") as file:
        said = [theirs(fields) for fields in csv.DictReader(file, delimiter="\t")]
    assert len(found) == len(said) > 20
    for number, (row, wanted) in enumerate(zip(found, said, strict=True)):
        assert row == {name: row[name] if value is None else value for name, value in wanted.items()}, number


def test_who_opened_is_found_in_real_traffic():
    with Pcap(str(CAPTURES[-1])) as source:
        batch = packets(source)
    tcp = batch.take(batch["protocol"] == 6)
    assert len(tcp) > 10
    assert (tcp["is_reply"] == (tcp["source_port"] < 1024)).all()  # the clients have ephemeral ports
