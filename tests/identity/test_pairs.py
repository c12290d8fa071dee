"""Connections within this machine: each end's socket tells the other end who it is."""

import time
from dataclasses import replace

import numpy as np
import pytest

from rubin.identity.facts import HOST, Address, Fact
from rubin.model.tables import Process, Tables
from tests.flows import flows
from tests.identity.worlds import SECOND_NS, World, pod, source

CURL, SERVER = Process(1, "curl", cgroup="/", netns_cookie=1), Process(2, "x", cgroup="/web.service", netns_cookie=1)
NOBODY = Process(netns_cookie=1)
BOTH = """
    src             dst             trace_point
    127.0.0.1:4000  127.0.0.1:80    TO_STACK
    127.0.0.1:4000  127.0.0.1:80    TO_ENDPOINT
    127.0.0.1:80    127.0.0.1:4000  TO_STACK
    127.0.0.1:80    127.0.0.1:4000  TO_ENDPOINT
"""
CLIENTS = "\n".join(BOTH.splitlines()[:3])


def world():
    made = World()
    made.tell("host", Fact(Address("127.0.0.1"), HOST))
    made.tell("own", Fact(Address("10.0.0.1"), HOST))
    return made


def seen(world, text, processes, later_s=0):
    """Who talks to whom in each row, which is of these processes' sockets."""
    tables = Tables()
    codes = np.array([tables.processes.code(process) for process in processes], np.uint32)
    batch = flows(text, tables)
    when = np.full(len(batch), time.time_ns() + later_s * SECOND_NS)
    named = world.identify(batch.with_columns(process=codes, time_ns=when))
    destinations = [end.pod_name or ",".join(end.labels) for end in named.rows("destination_endpoint")]
    return list(zip(source(named), destinations, strict=True))


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1"])
def test_each_end_has_the_name_that_its_socket_tells_in_the_others_flows(address):
    there, back = ("curl", "web.service"), ("web.service", "curl")
    text = BOTH.replace("127.0.0.1", address)
    assert seen(world(), text, [CURL, SERVER, SERVER, CURL]) == [there, there, back, back]


def test_it_has_it_from_the_first_flow_of_both_ends_on():
    made = world()
    assert seen(made, CLIENTS, [CURL]) == [("curl", "reserved:host")]
    assert seen(made, CLIENTS.replace("TO_STACK", "TO_ENDPOINT"), [SERVER]) == [("curl", "web.service")]
    assert seen(made, CLIENTS, [CURL]) == [("curl", "web.service")]


@pytest.mark.parametrize(
    ("text", "process", "later_s"),
    [
        (CLIENTS.replace(":4000", ":4001"), CURL, 0),
        (CLIENTS, replace(CURL, netns_cookie=2), 0),
        (CLIENTS, CURL, 11),
    ],
    ids=["another connection", "another network namespace", "long ago"],
)
def test_what_is_not_the_same_connection_tells_nothing(text, process, later_s):
    made = world()
    seen(made, BOTH, [CURL, SERVER, SERVER, CURL])
    assert seen(made, text, [process], later_s) == [("curl", "reserved:host")]


def test_an_end_whose_owner_is_not_known_is_the_machine():
    assert seen(world(), BOTH, [CURL, NOBODY, NOBODY, CURL])[:2] == [("curl", "reserved:host")] * 2


def test_a_port_that_somebody_unknown_uses_again_has_not_the_last_ones_name():
    made = world()
    assert seen(made, BOTH, [CURL, SERVER, SERVER, CURL])[1] == ("curl", "web.service")
    assert seen(made, BOTH, [NOBODY, SERVER, SERVER, NOBODY])[1] == ("reserved:host", "web.service")


def test_who_is_known_by_address_keeps_that_name():
    made = world()
    seen(made, BOTH.replace("127.0.0.1", "10.0.0.1"), [CURL, SERVER, SERVER, CURL])
    made.tell("pod", Fact(Address("10.0.0.1"), pod("web"), rank=100))
    assert seen(made, CLIENTS.replace("127.0.0.1", "10.0.0.1"), [replace(CURL, cgroup="", command="")]) == [
        ("web", "web")
    ]


def test_read_later_a_container_that_nobody_tells_of_is_still_there():
    made, untold = world(), Process(2, "x", cgroup=f"/docker/{'a' * 64}", netns_cookie=1)
    tables = Tables()
    codes = np.array([tables.processes.code(one) for one in (CURL, untold, untold, CURL)], np.uint32)
    batch = flows(BOTH, tables).with_columns(process=codes, time_ns=np.full(4, time.time_ns()))
    named = made.identify(batch)
    made.identify(batch.with_columns(time_ns=batch["time_ns"] + 90 * SECOND_NS))
    container = f"container:id={'a' * 12}"
    for read in (named, made.names.again(named)):
        assert container in read.rows("destination_endpoint")[0].labels
