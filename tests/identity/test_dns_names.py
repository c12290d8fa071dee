"""Names from the DNS: for whom they hold, and how long."""

import numpy as np
import pytest

from rubin.identity.dns_names import DnsNames
from rubin.model.batch import FlowBatch
from rubin.model.messages import DNS, Message, MessageType
from rubin.model.tables import Endpoint, Process, Tables
from tests.flows import flows

SECOND_NS = 1_000_000_000
WORLD, POD = Endpoint(identity=2, labels=("reserved:world",)), Endpoint(identity=5000, pod_name="db")
OURS, OTHERS = Process(7, "curl", netns_cookie=11), Process(8, "wget", netns_cookie=22)
ANSWERED = """
    src              dst              trace_point    traffic_direction  is_reply
    10.0.0.53:53     10.0.0.2:4000    UNKNOWN_POINT  EGRESS             1
"""
CONNECTED = """
    src              dst              trace_point
    10.0.0.2:4001    192.0.2.7:443    TO_STACK
    192.0.2.7:443    10.0.0.2:4001    TO_ENDPOINT
"""


def batch(
    tables: Tables, text: str, process: Process, second: int, remote: Endpoint = WORLD, cookie: int = 1
) -> FlowBatch:
    made = flows(text, tables)
    world = tables.endpoints.code(remote)
    sources = [world if "192.0.2" in line.split()[0] else 0 for line in text.strip().splitlines()[1:]]
    destinations = [world if "192.0.2" in line.split()[1] else 0 for line in text.strip().splitlines()[1:]]
    count = len(made)
    return made.with_columns(
        process=np.full(count, tables.processes.code(process)),
        time_ns=np.full(count, second * SECOND_NS),
        socket_cookie=np.full(count, cookie),
        source_endpoint=np.array(sources),
        destination_endpoint=np.array(destinations),
    )


def answered(
    tables: Tables, process: Process, second: int, *ips: str, name: str = "shop.example.", ttl: int = 60
) -> FlowBatch:
    said = Message(MessageType.EXCHANGE, "dns", "A", target=name, dns=DNS(name, ips, ttl))
    return batch(tables, ANSWERED, process, second).with_columns(message=np.array([tables.messages.code(said)]))


def far_names(named: FlowBatch) -> list[tuple[str, ...]]:
    return [named.rows("destination_endpoint")[0].names, named.rows("source_endpoint")[1].names]


@pytest.fixture
def tables() -> Tables:
    return Tables()


def test_an_address_has_the_name_by_which_it_was_asked_for_in_both_directions(tables: Tables) -> None:
    stage = DnsNames()
    stage.name(answered(tables, OURS, 100, "192.0.2.7", "192.0.2.8"))
    assert far_names(stage.name(batch(tables, CONNECTED, OURS, 101))) == [("shop.example",)] * 2


def test_it_has_none_for_others_nor_before_anybody_asked(tables: Tables) -> None:
    stage = DnsNames()
    assert far_names(stage.name(batch(tables, CONNECTED, OURS, 99))) == [(), ()]
    stage.name(answered(tables, OURS, 100, "192.0.2.7"))
    assert far_names(stage.name(batch(tables, CONNECTED, OTHERS, 101))) == [(), ()]


def test_it_holds_for_its_lifetime_and_for_connections_of_that_time_as_long_as_they_live(tables: Tables) -> None:
    stage = DnsNames()
    stage.name(answered(tables, OURS, 100, "192.0.2.7", ttl=60))
    assert far_names(stage.name(batch(tables, CONNECTED, OURS, 159, cookie=5)))[0] == ("shop.example",)
    assert far_names(stage.name(batch(tables, CONNECTED, OURS, 5000, cookie=6))) == [(), ()]
    assert far_names(stage.name(batch(tables, CONNECTED, OURS, 5000, cookie=5))) == [("shop.example",)] * 2


def test_several_names_of_one_address_stand_together_the_latest_first(tables: Tables) -> None:
    stage = DnsNames()
    stage.name(answered(tables, OURS, 100, "192.0.2.7"))
    stage.name(answered(tables, OURS, 101, "192.0.2.7", name="cdn.example."))
    assert far_names(stage.name(batch(tables, CONNECTED, OURS, 102)))[0] == ("cdn.example", "shop.example")


def test_who_is_known_better_keeps_his_name_alone(tables: Tables) -> None:
    stage = DnsNames()
    stage.name(answered(tables, OURS, 100, "192.0.2.7"))
    assert far_names(stage.name(batch(tables, CONNECTED, OURS, 101, remote=POD))) == [(), ()]


def test_answers_without_an_address_and_failures_name_nobody(tables: Tables) -> None:
    stage = DnsNames()
    stage.name(answered(tables, OURS, 100))
    failed = Message(
        MessageType.EXCHANGE, "dns", "A", target="x.", dns=DNS("x.", ("192.0.2.7",), 9, rcode=3), failed=True, status=3
    )
    made = batch(tables, ANSWERED, OURS, 100).with_columns(message=np.array([tables.messages.code(failed)]))
    stage.name(made)
    assert far_names(stage.name(batch(tables, CONNECTED, OURS, 101))) == [(), ()]


def test_a_flood_of_names_is_bounded(tables: Tables) -> None:
    stage = DnsNames()
    for number in range(3000):
        stage.name(answered(tables, OURS, 100, "192.0.2.7", name=f"{number}.example."))
    assert len(stage._names) <= 4 << 16
    assert far_names(stage.name(batch(tables, CONNECTED, OURS, 101)))[0] == tuple(
        f"{n}.example" for n in (2999, 2998, 2997, 2996)
    )
