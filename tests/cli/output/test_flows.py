"""The printers against Hubble's own texts (hubble.md 2.5) and against golden files over one fixed batch."""

from dataclasses import replace

import numpy as np
import pytest

from rubin.cli.output.flows import Compact, Dict, Printer, Table
from rubin.cli.output.terminal import Palette
from rubin.cli.output.wording import Options
from rubin.cli.times import Clock
from rubin.model import addresses
from rubin.model.batch import FlowBatch, Lost, empty
from rubin.model.enums import LostSource
from rubin.model.tables import DNS, HTTP, Contents, Endpoint, Link, Policy, Process, Service, Tables
from tests.cli.golden import check
from tests.flows import flows

TIME_NS = 1_234_567_800_000
PRINTERS: dict[str, type[Printer]] = {"compact": Compact, "dict": Dict, "table": Table}


def _one(**columns: int) -> FlowBatch:
    """The flow of Hubble's own printer tests: health to 12345, dropped by policy."""
    tables = Tables()
    source, destination = tables.endpoints.code(Endpoint(identity=4)), tables.endpoints.code(Endpoint(identity=12345))
    batch = flows(
        """
        src            dst           verdict  drop_reason    is_reply  tcp_flags
        1.1.1.1:31793  2.2.2.2:8080  DROPPED  POLICY_DENIED  0         SYN
        """,
        tables,
    )
    fixed = {
        "time_ns": TIME_NS,
        "node_name": tables.strings.code("k8s1"),
        "source_endpoint": source,
        "destination_endpoint": destination,
    }
    return batch.with_columns(**{name: np.array([value]) for name, value in (fixed | columns).items()})


def _printed(kind: type[Printer], batch: FlowBatch, options: Options) -> str:
    printer = kind(options)  # type: ignore[call-arg]
    return printer.text(batch) + printer.end()


HUBBLE = [
    (
        "compact",
        {},
        {},
        (
            "Jan  1 00:20:34.567: 1.1.1.1:31793 (health) -> 2.2.2.2:8080 (ID:12345) "
            "Policy denied DROPPED (TCP Flags: SYN)\n"
        ),
    ),
    (
        "compact",
        {"node_name": True},
        {},
        (
            "Jan  1 00:20:34.567 [k8s1]: 1.1.1.1:31793 (health) -> 2.2.2.2:8080 (ID:12345) "
            "Policy denied DROPPED (TCP Flags: SYN)\n"
        ),
    ),
    (
        "compact",
        {},
        {"is_reply": 1},
        (
            "Jan  1 00:20:34.567: 2.2.2.2:8080 (ID:12345) <- 1.1.1.1:31793 (health) "
            "Policy denied DROPPED (TCP Flags: SYN)\n"
        ),
    ),
    (
        "compact",
        {},
        {"is_reply": -1, "event_type": 5, "event_sub_type": 0, "traffic_direction": 2},
        (
            "Jan  1 00:20:34.567: 1.1.1.1:31793 (health) <> 2.2.2.2:8080 (ID:12345) "
            "policy-verdict:none EGRESS DENIED (TCP Flags: SYN)\n"
        ),
    ),
    (
        "compact",
        {"palette": Palette(True)},
        {},
        (
            "Jan  1 00:20:34.567: \x1b[36m1.1.1.1:\x1b[33m31793\x1b[0m\x1b[0m \x1b[35m(health)\x1b[0m -> "
            "\x1b[36m2.2.2.2:\x1b[33m8080\x1b[0m\x1b[0m \x1b[35m(ID:12345)\x1b[0m "
            "Policy denied \x1b[31mDROPPED\x1b[0m (TCP Flags: SYN)\n"
        ),
    ),
    (
        "dict",
        {},
        {},
        (
            "  TIMESTAMP: Jan  1 00:20:34.567\n     SOURCE: 1.1.1.1:31793\nDESTINATION: 2.2.2.2:8080\n"
            "       TYPE: Policy denied\n    VERDICT: DROPPED\n    SUMMARY: TCP Flags: SYN\n"
        ),
    ),
    (
        "dict",
        {"node_name": True},
        {},
        (
            "  TIMESTAMP: Jan  1 00:20:34.567\n       NODE: k8s1\n     SOURCE: 1.1.1.1:31793\n"
            "DESTINATION: 2.2.2.2:8080\n"
            "       TYPE: Policy denied\n    VERDICT: DROPPED\n    SUMMARY: TCP Flags: SYN\n"
        ),
    ),
    (
        "table",
        {},
        {},
        (
            "TIMESTAMP             SOURCE          DESTINATION    TYPE            VERDICT   SUMMARY\n"
            "Jan  1 00:20:34.567   1.1.1.1:31793   2.2.2.2:8080   Policy denied   DROPPED   TCP Flags: SYN\n"
        ),
    ),
    (
        "table",
        {"node_name": True},
        {},
        (
            "TIMESTAMP             NODE   SOURCE          DESTINATION    TYPE            VERDICT   SUMMARY\n"
            "Jan  1 00:20:34.567   k8s1   1.1.1.1:31793   2.2.2.2:8080   Policy denied   DROPPED   TCP Flags: SYN\n"
        ),
    ),
]


@pytest.mark.parametrize(("output", "options", "columns", "text"), HUBBLE)
def test_prints_hubbles_bytes(output: str, options: dict[str, object], columns: dict[str, int], text: str) -> None:
    assert _printed(PRINTERS[output], _one(**columns), replace(Options(), **options)) == text  # type: ignore[arg-type]


def _many() -> FlowBatch:
    """One flow of every kind that reads differently."""
    tables = Tables()
    code, word, said = tables.endpoints.code, tables.strings.code, tables.contents.code
    client = code(Endpoint(7, 1234, namespace="default", pod_name="client", labels=("k8s:app=client",)))
    world, named = code(Endpoint(identity=2)), code(Endpoint(identity=9, names=("a.example", "b.example")))
    service = code(Endpoint(identity=5555, namespace="shop", service=Service("web", "front")))
    bare = code(Endpoint(3, 777, pod_name="lonely"))
    allowed = (
        Policy("allow-dns", "default", (), 3, "CiliumNetworkPolicy"),
        Policy("nameless"),
        Policy("b", "", (), 1, "NetworkPolicy"),
    )
    rows: list[dict[str, int]] = [
        {
            "source_endpoint": client,
            "destination_endpoint": world,
            "is_reply": 0,
            "tcp_flags": 2,
            "event_type": 4,
            "event_sub_type": 3,
        },
        {"source_endpoint": client, "destination_endpoint": named, "is_reply": 1, "tcp_flags": 18, "event_type": 4},
        {
            "source_endpoint": service,
            "destination_endpoint": bare,
            "is_reply": -1,
            "protocol": 17,
            "event_type": 4,
            "event_sub_type": 10,
        },
        {"ip_version": 2, "is_reply": 0, "event_type": 4, "event_sub_type": 11, "protocol": 132},
        {"ip_version": 2, "protocol": 58, "icmp_type": 128, "source_port": 0, "event_type": 4},
        {
            "ip_version": 0,
            "protocol": 0,
            "link": tables.links.code(Link(2, "eth0", "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff")),
        },
        {"ip_version": 0, "protocol": 0, "verdict": 0},
        {"verdict": 2, "event_type": 1, "event_sub_type": 250, "drop_reason": 250},
        {
            "verdict": 2,
            "event_type": 1,
            "event_sub_type": 169,
            "drop_reason": 169,
            "kernel_drop_reason": word("IP_RPFILTER"),
            "drop_location": word("ip_rcv_finish_core+0x1a4"),
            "process": tables.processes.code(Process(4242, "curl", 0)),
        },
        {"verdict": 2, "event_type": 1, "kernel_drop_reason": word("NO_SOCKET"), "tcp_flags": 4},
        {
            "verdict": 1,
            "event_type": 5,
            "policy_match_type": 2,
            "traffic_direction": 1,
            "contents": said(Contents(ingress_allowed_by=allowed)),
        },
        {"verdict": 4, "event_type": 5, "policy_match_type": 9, "traffic_direction": 2},
        {"verdict": 5, "event_type": 5, "traffic_direction": 2, "auth_type": 1},
        {"verdict": 6, "event_type": 7, "event_sub_type": 1, "protocol": 17, "auth_type": 2},
        {"verdict": 7, "event_type": 7, "event_sub_type": 2},
        {"verdict": 0, "event_type": 3, "event_sub_type": 8},
        {
            "flow_type": 2,
            "event_type": 129,
            "contents": said(Contents(1, dns=DNS("example.com.", observation_source="proxy", qtypes=("A",)))),
        },
        {
            "flow_type": 2,
            "event_type": 129,
            "contents": said(Contents(2, 4_000_000, HTTP(200, "GET", "http://svc/path", "HTTP/1.1"))),
        },
        {
            "flow_type": 2,
            "event_type": 129,
            "contents": said(Contents(1, summary="Kafka request \x1b[30mblack\x1b[0m\r\n\x9b\u202e")),
        },
        {"contents": said(Contents(ip_trace_id=77)), "event_type": 4, "tcp_flags": 16},
        {"event_type": 0},
    ]
    source, destination = addresses.pair("10.0.0.1"), addresses.pair("192.0.2.7")
    v6 = addresses.pair("fd00::1")
    columns: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        sides = (v6, v6) if row.get("ip_version") == 2 else (source, destination)
        filled = {
            "time_ns": TIME_NS + at * 1_000_000,
            "verdict": 1,
            "ip_version": 1,
            "protocol": 6,
            "source_high": sides[0][0],
            "source_low": sides[0][1],
            "destination_high": sides[1][0],
            "destination_low": sides[1][1],
            "source_port": 45678,
            "destination_port": 53,
            "node_name": word("cluster/k8s1"),
        } | row
        for name in set(columns) | set(filled):
            missing = -1 if name == "is_reply" else 0
            columns.setdefault(name, [missing] * at).append(filled.get(name, missing))
    lost = (
        Lost(
            LostSource.PERF_EVENT_RING_BUFFER,
            5,
            TIME_NS + 3_500_000,
            TIME_NS,
            TIME_NS + 1_000_000,
            2,
            "k8s1",
            "records ring",
        ),
        Lost(LostSource.HUBBLE_RING_BUFFER, 3, TIME_NS + 10**9),
    )
    return FlowBatch({name: np.array(values) for name, values in columns.items()}, tables, lost)


OPTIONS = {
    "plain": Options(),
    "numeric": Options(translated=False),
    "node": Options(node_name=True, policy_names=True),
    "colour": Options(palette=Palette(True), policy_names=True),
    "nanoseconds": Options(clock=Clock("RFC3339Nano")),
}


KINDS = [(output, options) for output in PRINTERS for options in OPTIONS if (output, options) != ("table", "colour")]


@pytest.mark.parametrize(("output", "options"), KINDS)
def test_every_kind_of_flow_reads_as_the_file_says(output: str, options: str) -> None:
    check(f"flows-{output}-{options}.txt", _printed(PRINTERS[output], _many(), OPTIONS[options]))


@pytest.mark.parametrize("output", PRINTERS)
def test_batches_print_as_if_they_were_one(output: str) -> None:
    batch, printer = _many().without_lost(), PRINTERS[output](Options())  # type: ignore[call-arg]
    parts = "".join(printer.text(batch.take(slice(row, row + 3))) for row in range(0, len(batch), 3)) + printer.end()
    assert parts == _printed(PRINTERS[output], batch, Options())


@pytest.mark.parametrize("output", PRINTERS)
def test_other_tables_mean_other_names(output: str) -> None:
    first, second = Tables(), Tables()
    first.endpoints.code(Endpoint(pod_name="a"))
    second.endpoints.code(Endpoint(pod_name="b"))
    printer = PRINTERS[output](Options())  # type: ignore[call-arg]
    texts = printer.text(_ends(first)) + printer.text(_ends(second)) + printer.end()
    assert "a:1" in texts
    assert "b:1" in texts


def _ends(tables: Tables) -> FlowBatch:
    table = "src dst source_endpoint destination_endpoint\n10.0.0.1:1 10.0.0.2:2 1 0"
    return flows(table, tables)


@pytest.mark.parametrize("output", PRINTERS)
def test_nothing_prints_nothing(output: str) -> None:
    assert _printed(PRINTERS[output], empty(), Options()) == ""
