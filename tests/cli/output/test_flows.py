"""The printers against Hubble's own texts (hubble.md 2.5) and against golden files over one fixed batch."""

from dataclasses import replace

import numpy as np
import pytest

from rubin.cli.output.flows import Compact, Dict, Printer, Table, Wide
from rubin.model.batch import FlowBatch, empty
from rubin.model.exchanges import expanded
from rubin.model.messages import DNS, Message
from rubin.model.tables import Endpoint, Tables
from rubin.words.text import Palette
from rubin.words.times import Clock
from rubin.words.wording import Options
from tests.cli.every_kind import TIME_NS, every_kind
from tests.cli.golden import check
from tests.flows import flows

PRINTERS: dict[str, type[Printer]] = {"compact": Compact, "wide": Wide, "dict": Dict, "table": Table}


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


HALVES = [
    (
        Message(4, "http", "GET", "shop", "/pay", "HTTP/1.1", 200, latency_ns=4_000_000, request_bytes=120),
        "http-request FORWARDED (HTTP/1.1 GET http://shop/pay) [request 120 B]",
        "http-response FORWARDED (HTTP/1.1 200 4ms (GET http://shop/pay))",
    ),
    (
        Message(4, "dns", target="x.", dns=DNS("x.", ("1.2.3.4",), 30, (), "socket", 0, ("A",), ("A",))),
        "dns-request socket FORWARDED (DNS Query x. A)",
        'dns-response socket FORWARDED (DNS Answer "1.2.3.4" TTL: 30 (Query x. A))',
    ),
    (
        Message(4, "postgresql", "SELECT", target="shop.items", failed=True, error="42P01 undefined_table"),
        "postgresql-request FORWARDED (PostgreSQL SELECT shop.items)",
        "postgresql-response FORWARDED (PostgreSQL ERROR 42P01 undefined_table 0ms (SELECT shop.items))",
    ),
    (
        Message(4, "grpc", "POST", "shop", "/shop.Cart/Add", status=200),
        "http-request FORWARDED (HTTP/2 POST http://shop/shop.Cart/Add)",
        "http-response FORWARDED (HTTP/2 200 0ms (POST http://shop/shop.Cart/Add))",
    ),
]


@pytest.mark.parametrize(("message", "asked", "answered"), HALVES)
def test_an_exchange_is_two_lines(message: Message, asked: str, answered: str) -> None:
    tables = Tables()
    stored = flows("src dst is_reply event_type packets bytes\n10.0.0.2:80 10.0.0.1:4000 1 L7 0 0", tables)
    batch = expanded(stored.with_columns(message=tables.messages.codes([message])))
    first, second = _printed(Wide, batch, Options()).splitlines()
    assert first.split(": ", 1)[1] == f"10.0.0.1:4000 (unknown) -> 10.0.0.2:80 (unknown) {asked}"
    assert second.split(": ", 1)[1] == f"10.0.0.1:4000 (unknown) <- 10.0.0.2:80 (unknown) {answered}"


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
    check(f"flows-{output}-{options}.txt", _printed(PRINTERS[output], every_kind(), OPTIONS[options]))


@pytest.mark.parametrize("output", PRINTERS)
def test_batches_print_as_if_they_were_one(output: str) -> None:
    batch, printer = every_kind().without_lost(), PRINTERS[output](Options())  # type: ignore[call-arg]
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
