"""The bracket of `-o wide`: what is known beyond Hubble's words, and nothing that says nothing."""

from dataclasses import replace

import numpy as np
import pytest

from rubin.cli.output.flows import Compact, Wide
from rubin.model.batch import FlowBatch
from rubin.model.enums import TCPEvent
from rubin.model.messages import Message, MessageType
from rubin.model.tables import Link, Process, Tables
from rubin.words.facts import link, own_facts, owner, process
from rubin.words.units import BYTES, latency, scaled
from rubin.words.wording import Options
from tests.flows import generate

NGINX, CONTAINER = Process(1234, "nginx"), "3f8a1c0d9b7e" + "55" * 26


def _batch(**columns: int) -> FlowBatch:
    tables = Tables()
    tables.processes.code(NGINX)
    tables.links.code(Link(2, "eth0", vlan=12))
    for text in ("NETFILTER_DROP", "nft_do_chain+0x1a4"):
        tables.strings.code(text)
    return FlowBatch({"verdict": np.array([1])} | {name: np.array([value]) for name, value in columns.items()}, tables)


FACTS = [
    ({}, ""),
    ({"packets": 1, "bytes": 60}, "60 B"),
    ({"packets": 12, "bytes": 4210}, "12 packets, 4.1 KiB"),
    ({"packets": 1_234_567, "bytes": 3 << 30}, "1,234,567 packets, 3.0 GiB"),
    ({"srtt_us": 120}, "rtt 0.12 ms"),
    ({"tcp_event": TCPEvent.CONNECT, "connect_latency_us": 250}, "connected in 0.25 ms"),
    ({"tcp_event": TCPEvent.CONNECT}, "connected"),
    ({"tcp_event": TCPEvent.ACCEPT}, "accepted"),
    ({"tcp_event": TCPEvent.CLOSE, "connect_latency_us": 250}, "connected in 0.25 ms, closed"),
    ({"tcp_event": TCPEvent.RESET}, "reset"),
    ({"tcp_event": TCPEvent.RETRANSMIT}, "resent"),
    ({"tcp_event": TCPEvent.RETRANSMIT, "retransmits": 2}, "2 resent"),
    ({"tcp_event": 200}, "TCP event 200"),
    ({"process": 1, "link": 1}, "nginx/1234, on eth0 vlan 12"),
    ({"kernel_drop_reason": 1, "drop_location": 2, "event_sub_type": 133, "process": 1, "packets": 1, "bytes": 60},
     "NETFILTER_DROP at nft_do_chain+0x1a4, 60 B, nginx/1234"),
    ({"kernel_drop_reason": 1, "drop_location": 2}, "at nft_do_chain+0x1a4"),
    ({"kernel_drop_reason": 1}, ""),
    ({"packets": 12, "bytes": 4210, "srtt_us": 120, "tcp_event": TCPEvent.CONNECT, "connect_latency_us": 250,
      "retransmits": 2, "process": 1},
     "12 packets, 4.1 KiB, rtt 0.12 ms, connected in 0.25 ms, 2 resent, nginx/1234"),
]  # fmt: skip


GONE = Message(MessageType.EXCHANGE, "http", "GET", status=410, failed=True, request_bytes=120, response_bytes=4210)
SAID = [
    (GONE, "request 120 B", "response 4.1 KiB, failed"),
    (replace(GONE, error="reset"), "request 120 B", "response 4.1 KiB, failed: reset"),
    (replace(GONE, protocol="redis", error="ERR"), "request 120 B", "response 4.1 KiB"),
    (Message(MessageType.RESPONSE, "http", status=200), "", ""),
    (Message(), "", ""),
]


@pytest.mark.parametrize(("message", "asked", "answered"), SAID)
def test_of_a_message_sizes_and_failure_are_told(message: Message, asked: str, answered: str) -> None:
    tables = Tables()
    code = tables.messages.code(message)
    batch = FlowBatch({"message": np.array([code, code]), "is_reply": np.array([0, 1])}, tables)
    assert list(own_facts(batch)) == [asked, answered]


@pytest.mark.parametrize(("columns", "text"), FACTS)
def test_what_is_known_is_told(columns: dict[str, int], text: str) -> None:
    assert list(own_facts(_batch(**columns))) == [text]


PROCESSES = [
    (Process(), ""),
    (NGINX, "nginx/1234"),
    (Process(command="nginx"), "nginx"),
    (Process(1234, "nginx", uid=0), "nginx/1234"),
    (Process(1234, "nginx", uid=33), "nginx/1234 uid 33"),
    (Process(1234, "nginx", cgroup="/"), "nginx/1234"),
    (Process(1234, "nginx", cgroup="/system.slice/nginx.service"), "nginx/1234"),
    (Process(1234, "nginx", cgroup="/system.slice/web.service"), "nginx/1234 in web.service"),
    (Process(9, "sh", 5, 77, f"/kubepods.slice/cri-containerd-{CONTAINER}.scope"),
     "sh/9 uid 5 in cri-containerd-3f8a1c0d9b7e.scope"),
    (Process(9, "sh", cgroup=f"/docker/{CONTAINER}"), "sh/9 in 3f8a1c0d9b7e"),
    (Process(cgroup_id=77, cgroup="/a/b"), "in b"),
    (Process(cgroup_id=77), ""),
]  # fmt: skip


@pytest.mark.parametrize(("row", "text"), PROCESSES)
def test_a_process_is_told_by_what_one_looks_for(row: Process, text: str) -> None:
    assert process(row) == text


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (Link(), ""),
        (Link(3, source_mac="02:00:00:00:00:01"), ""),
        (Link(3, "lo"), "on lo"),
        (Link(3, "", "", "", 7), "vlan 7"),
    ],
)
def test_an_interface_is_told_where_it_has_a_name(row: Link, text: str) -> None:
    assert link(row) == text


def test_a_name_forges_no_line() -> None:
    batch = _batch(process=2)
    batch.tables.processes.code(Process(1, "a\nb\x1b[2J"))
    assert list(own_facts(batch)) == ["a\\nb^[[2J/1"]


def test_wide_is_the_compact_line_and_the_bracket() -> None:
    batch = generate(500)
    without = batch.with_columns(kernel_drop_reason=batch["process"] * 0)  # wide tells of it in its own bracket
    compact, wide = (kind(Options()).text(without).splitlines() for kind in (Compact, Wide))
    assert wide == [f"{line} [{facts}]" for line, facts in zip(compact, own_facts(without), strict=True)]


def test_a_kernels_drop_stands_in_one_bracket() -> None:
    batch = generate(500)
    batch = batch.take(batch["kernel_drop_reason"] != 0)
    lines = Wide(Options()).text(batch).splitlines()
    assert {line.count("[") for line in lines} == {1}
    owners = [owner(row) for row in batch.rows("process")]
    assert all(name in line for name, line in zip(owners, lines, strict=True))


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (1, "0.001 ms"),
        (120, "0.12 ms"),
        (34_567, "34.6 ms"),
        (999_499, "999 ms"),
        (999_500, "1.00 s"),
        (4_294_967_295, "4,294.97 s"),
    ],
)
def test_latencies_have_three_digits(microseconds: int, text: str) -> None:
    assert latency(microseconds) == text


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (1023, "1,023 B"), (1024, "1.0 KiB"), (2**64 - 1, "16.0 EiB")])
def test_bytes_have_the_greatest_unit(size: int, text: str) -> None:
    assert scaled(size, 1024, BYTES) == text
