import os
import time

import numpy as np
import pytest

from rubin.identity.facts import HOST, WORLD, Address, Cgroup, Fact, Interface, Network, NetworkNamespace
from rubin.identity.scopes import Namespaces
from rubin.identity.table import Names
from rubin.model.batch import FlowBatch
from rubin.model.tables import Endpoint, Link, Process, Tables
from tests.flows import flows, generate


class Told:
    """A provider of what a test says."""

    def __init__(self, *facts, rank=10):
        self.name, self.rank, self._facts, self._told = f"told-{id(self)}", rank, facts, None

    def tell(self, *facts):
        self._facts = facts

    def changes(self):
        if self._facts == self._told:
            return {}
        self._told = self._facts
        return {"": self._facts}

    def close(self):
        pass

    def status(self):
        return f"{len(self._facts)} facts"


def pod(name, namespace="default"):
    return Endpoint(namespace=namespace, labels=(f"k8s:app={name}",), pod_name=name)


def at(address, name):
    return Fact(Address(address), pod(name))


def named(batch):
    return [
        (source.pod_name or ",".join(source.labels), destination.pod_name or ",".join(destination.labels))
        for source, destination in zip(batch.rows("source_endpoint"), batch.rows("destination_endpoint"), strict=True)
    ]


def test_an_address_told_of_has_its_name_and_all_others_are_the_world():
    names = Names([Told(at("10.0.0.1", "a"), at("fd00::1", "b"))])
    batch = names.identify(
        flows("""
            src            dst
            10.0.0.1:4000  [fd00::1]:80
            10.0.0.2:4000  10.0.0.1:80
        """)
    )
    assert named(batch) == [("a", "b"), ("reserved:world", "a")]
    assert batch.rows("source_endpoint")[1].identity == 2


def test_the_narrowest_network_decides_where_no_address_is_told():
    wide, narrow = pod("wide"), pod("narrow")
    names = Names(
        [Told(Fact(Network("10.0.0.0/8"), wide), Fact(Network("10.1.0.0/16"), narrow), at("10.1.0.1", "exact"))]
    )
    batch = names.identify(
        flows("""
            src        dst
            10.1.0.1   10.1.0.2
            10.2.0.1   11.0.0.1
        """)
    )
    assert named(batch) == [("exact", "narrow"), ("wide", "reserved:world")]


def test_the_provider_of_the_higher_rank_is_believed():
    for ranks in ((1, 2), (2, 1)):
        providers = [Told(at("10.0.0.1", "high" if rank == 2 else "low"), rank=rank) for rank in ranks]
        assert Names(providers).who("10.0.0.1").pod_name == "high"


def test_a_fact_may_stand_below_its_provider():
    told = Told(Fact(Address("10.0.0.1"), pod("node"), rank=-1))
    host = Told(Fact(Address("10.0.0.1"), HOST), rank=0)
    assert Names([told, host]).who("10.0.0.1") == HOST


def test_names_that_a_source_has_given_stay():
    names = Names([Told(at("10.0.0.1", "a"), at("10.0.0.2", "b"))])
    batch = names.identify(
        flows("""
            src       dst       from         to
            10.0.0.1  10.0.0.2  default/own  -
        """)
    )
    assert named(batch) == [("own", "b")]


def test_without_an_ip_header_nobody_is_named():
    tables = Tables()
    batch = Names([Told()]).identify(FlowBatch({"packets": np.ones(2, np.uint32)}, tables))
    assert batch["source_endpoint"].tolist() == [0, 0]


def test_one_address_in_two_namespaces_has_two_names():
    tables = Tables()
    own, other = tables.processes.code(Process(pid=42, netns=7)), tables.processes.code(Process(pid=43, netns=8))
    batch = flows(
        """
        src       dst       trace_point
        10.0.0.1  10.0.0.9  TO_STACK
        10.0.0.1  10.0.0.9  TO_STACK
        10.0.0.9  10.0.0.1  TO_ENDPOINT
        """,
        tables,
    ).with_columns(process=np.array([own, other, own], np.uint32))
    told = Told(Fact(NetworkNamespace(7), pod("inside")), at("10.0.0.1", "outside"), at("10.0.0.9", "peer"))
    assert named(Names([told]).identify(batch)) == [("inside", "peer"), ("outside", "peer"), ("peer", "inside")]


def test_a_named_namespace_that_comes_later_is_found(tmp_path):
    now = [0.0]
    told = Told(Fact(NetworkNamespace("blue"), pod("blue")))
    names = Names([told], clock=lambda: now[0], namespaces=Namespaces(tmp_path))
    inode = os.stat(__file__).st_ino
    tables = Tables()
    batch = flows(
        """
        src       dst       trace_point
        10.0.0.1  10.0.0.9  TO_STACK
        """,
        tables,
    ).with_columns(process=np.array([tables.processes.code(Process(pid=42, netns=inode))], np.uint32))
    assert named(names.identify(batch))[0][0] == "reserved:world"
    (tmp_path / "blue").symlink_to(__file__)
    now[0] += 2
    assert named(names.identify(batch))[0][0] == "blue"


def test_the_nearest_cgroup_decides_for_the_local_side_only():
    tables = Tables()
    deep = tables.processes.code(Process(pid=1, cgroup="/pods/a/container"))
    batch = flows(
        """
        src        dst        trace_point
        192.0.2.1  192.0.2.1  TO_STACK
        192.0.2.1  192.0.2.1  TO_ENDPOINT
        """,
        tables,
    ).with_columns(process=np.array([deep, deep], np.uint32))
    told = Told(Fact(Cgroup("/pods"), pod("pods")), Fact(Cgroup("/pods/a"), pod("a")), Fact(Address("192.0.2.1"), HOST))
    assert named(Names([told]).identify(batch)) == [("a", "reserved:host"), ("reserved:host", "a")]


def test_an_interface_names_who_is_behind_it_but_not_a_socket_inside():
    tables = Tables()
    veth = tables.links.code(Link(3, "veth-a"))
    batch = flows(
        """
        src       dst       trace_point    socket_cookie
        10.0.0.1  10.0.0.2  FROM_ENDPOINT  0
        10.0.0.2  10.0.0.1  TO_ENDPOINT    0
        10.0.0.2  10.0.0.1  TO_ENDPOINT    9
        """,
        tables,
    ).with_columns(link=np.full(3, veth, np.uint32))
    names = Names([Told(Fact(Interface("veth-a"), pod("a")))])
    world = "reserved:world"
    assert named(names.identify(batch)) == [("a", world), (world, "a"), (world, world)]


def test_changed_facts_count_from_the_next_look_on_and_who_went_is_told():
    told, now, gone = Told(at("10.0.0.1", "a"), at("10.0.0.2", "b")), [0.0], []
    names = Names([told], gone=lambda *pod: gone.append(pod), clock=lambda: now[0])
    batch = flows("""
        src       dst
        10.0.0.1  10.0.0.2
    """)
    assert named(names.identify(batch)) == [("a", "b")]
    told.tell(at("10.0.0.1", "c"), at("10.0.0.2", "b"))
    now[0] += 2
    later = batch.with_columns(time_ns=np.array([time.time_ns() + 1_000_000_000]))
    assert named(names.identify(later)) == [("c", "b")]
    assert named(names.identify(batch)) == [("a", "b")]  # the name of its own moment
    assert gone == [("default", "a")]


def test_new_tables_get_the_endpoints_that_their_flows_need_and_no_others():
    names = Names([Told(*(at(f"10.0.0.{i}", f"p{i}") for i in range(1, 200)))])
    for _ in range(3):
        batch = names.identify(flows("src dst\n10.0.0.7 10.0.0.8"))
        assert named(batch) == [("p7", "p8")]
        assert len(batch.tables.endpoints) == 3


def test_a_flood_of_addresses_is_answered_and_not_remembered():
    names = Names([Told(at("10.0.0.1", "a"), Fact(Network("10.0.0.0/8"), pod("ten")))])
    rng, tables = np.random.default_rng(1), Tables()
    for _ in range(4):
        low = rng.integers(0, 1 << 32, 50_000, dtype=np.uint64) | np.uint64(0xFFFF << 32)
        low[0] = 0xFFFF_0A00_0001
        zeros = np.zeros(50_000, np.uint64)
        columns = {"source_high": zeros, "source_low": low, "destination_high": zeros, "destination_low": low}
        batch = names.identify(FlowBatch(columns, tables))
        ten = low >> np.uint64(24) == 0xFFFF0A
        pods = np.array([endpoint.pod_name for endpoint in batch.rows("source_endpoint")])
        assert pods[0] == "a"
        assert (pods[1:][ten[1:]] == "ten").all()
        assert (pods[~ten] == "").all()
    assert len(names._addresses._learned) <= 65_536
    assert len(tables.endpoints) == 4


def test_the_whole_column_is_named_as_row_by_row():
    told = Told(
        *(at(f"10.0.{i // 250}.{i % 250 + 1}", f"p{i}") for i in range(300)), Fact(Network("10.0.0.0/16"), pod("net"))
    )
    names = Names([told])
    batch = generate(2_000)
    by_address = [name for name in batch.names() if not name.endswith("_endpoint") and name != "process"]
    bare = FlowBatch({name: batch[name] for name in by_address}, batch.tables)
    from rubin.model.addresses import text

    answers = names.identify(bare).rows("source_endpoint")
    for high, low, answer in zip(bare["source_high"], bare["source_low"], answers, strict=True):
        assert answer == names.who(text(high, low))


@pytest.mark.parametrize("address", ["", "10.0.0", "10.0.0.1/8"])
def test_asking_for_no_address_is_an_error(address):
    with pytest.raises(ValueError):
        Names([Told()]).who(address)


def test_the_world_and_the_host_read_as_in_hubble():
    assert (WORLD.identity, WORLD.labels) == (2, ("reserved:world",))
    assert (HOST.identity, HOST.labels) == (1, ("reserved:host",))
