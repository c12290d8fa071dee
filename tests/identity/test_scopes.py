"""Who a local socket's process is: by what the path of its cgroup says, whoever made it; services beside."""

import time

import numpy as np
import pytest

from rubin.identity.facts import HOST, Address, ContainerCgroup, Fact, NetworkNamespace, PodCgroup, ServicePort
from rubin.identity.scopes import Namespaces
from rubin.model.tables import Container, Contents, Endpoint, Process, Service, Tables, Translation
from tests.flows import flows
from tests.identity.worlds import World, of_process, pod, source

CONTAINER = "c" * 64
UID = "78cf2df7-f968-4f1f-95c8-a54b91226b01"
SHOP = Service("shop", "default")


@pytest.mark.parametrize(
    "path",
    [
        f"/kubepods/burstable/pod{UID}/{CONTAINER}",
        f"/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/cri-containerd-{CONTAINER}.scope",
        f"/system.slice/docker-{CONTAINER}.scope",
        f"/docker/{CONTAINER}",
        f"/machine.slice/libpod-{CONTAINER}.scope/container",
        f"/node1/kubepods/pod{UID}/{CONTAINER}",
    ],
)
def test_a_container_is_known_by_its_cgroup_whatever_made_the_path(path):
    world, process = World(), Process(pid=7, command="sh", cgroup=path)
    early = world.identify(of_process(process))
    assert source(early) == [f"container:id={CONTAINER[:12]},reserved:unmanaged"]
    who = pod("web", container=Container(CONTAINER, "c", "nginx"))
    world.tell(f"pod/{UID}", Fact(ContainerCgroup(CONTAINER), who))
    assert source(world.identify(of_process(process))) == ["web"]
    assert source(world.names.again(early)) == ["web"]
    world.tell(f"pod/{UID}")  # its last flows come when it has gone
    assert source(world.identify(of_process(process))) == ["web"]


def test_a_container_cannot_say_that_it_is_another_one():
    world, victim = World(), "d" * 64
    world.tell("a", Fact(ContainerCgroup(CONTAINER), pod("liar")))
    world.tell("b", Fact(ContainerCgroup(victim), pod("victim")), Fact(PodCgroup(UID), pod("victim")))
    for fake in (victim, f"pod{UID}", f"docker-{victim}.scope"):
        process = Process(pid=7, command="sh", cgroup=f"/docker/{CONTAINER}/{fake}")
        assert source(world.identify(of_process(process))) == ["liar"]


@pytest.mark.parametrize(
    ("command", "cgroup", "name", "labels"),
    [
        ("nginx", "/system.slice/nginx.service", "nginx.service", "reserved:host,unit:nginx.service"),
        ("nginx", "/system.slice/nginx.service/sub", "nginx.service", "reserved:host,unit:nginx.service"),
        ("a", r"/system.slice/a\x2db.service", "a-b.service", "reserved:host,unit:a-b.service"),
        ("curl", "/", "curl", "process:curl,reserved:host"),
        (
            "curl",
            "/user.slice/user-0.slice/session-3.scope",
            "curl",
            "process:curl,reserved:host,unit:session-3.scope",
        ),
        (
            "x",
            "/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service",
            "user@1000.service/nginx.service",
            "reserved:host,unit:user@1000.service/nginx.service",
        ),
    ],
)
def test_on_a_plain_host_the_unit_or_the_process_is_the_name(command, cgroup, name, labels):
    (who,) = World().identify(of_process(Process(1, command, cgroup=cgroup))).rows("source_endpoint")
    assert (who.namespace, who.pod_name, who.identity, ",".join(who.labels)) == ("host", name, 1, labels)


def test_in_a_network_namespace_of_its_own_a_unit_is_not_the_host_and_a_process_who_has_its_address():
    unit, process = Process(1, "a", cgroup="/system.slice/a.service", netns=1), Process(1, "curl", cgroup="/", netns=1)
    world = World()
    (who,) = world.identify(of_process(unit)).rows("source_endpoint")
    assert (who.identity, who.labels) == (3, ("reserved:unmanaged", "unit:a.service"))
    world.tell("pod", Fact(Address("10.0.0.1"), pod("a")))
    assert source(world.identify(of_process(process))) == ["a"]


def test_what_a_path_says_by_itself_gives_way_to_whoever_has_the_address():
    world = World()
    world.tell("host", Fact(Address("10.0.0.1"), HOST))
    for process in (Process(1, "a", cgroup="/system.slice/a.service"), Process(1, "curl", cgroup="/")):
        assert source(world.identify(of_process(process))) == [process.cgroup.rpartition("/")[2] or "curl"]
    world.tell("pod", Fact(Address("10.0.0.1"), pod("a"), rank=100))
    for path in ("/system.slice/a.service", "/", f"/docker/{CONTAINER}"):
        assert source(world.identify(of_process(Process(1, "curl", cgroup=path)))) == ["a"]


def test_nobody_known_leaves_the_side_to_its_address():
    world = World()
    world.tell("host", Fact(Address("10.0.0.1"), HOST))
    assert source(world.identify(of_process(Process()))) == ["reserved:host"]


def test_a_network_namespace_is_looked_for_as_long_as_somebody_tells_of_it(monkeypatch):
    looked: list[str] = []

    def of_name(_, name):
        looked.append(name)
        return 77

    monkeypatch.setattr(Namespaces, "of_name", of_name)
    world, process = World(), Process(pid=7, command="sh", netns=77)
    world.tell("pod", Fact(NetworkNamespace("cni-1"), pod("web")))
    assert source(world.identify(of_process(process))) == ["web"]
    world.tell("pod")
    world.identify(of_process(process))
    looked.clear()
    world.now[0] += 60
    world.identify(of_process(process))
    assert looked == []


def test_a_port_tells_the_service_beside_who_has_the_address():
    world = World()
    world.tell("node", Fact(Address("10.0.0.9"), HOST))
    world.tell("service", Fact(ServicePort("10.0.0.9", 30080), Endpoint(identity=2, service=SHOP)))
    batch = world.identify(
        flows("""
            src             dst
            10.0.0.1:4000   10.0.0.9:30080
            10.0.0.1:4000   10.0.0.9:30081
            10.0.0.9:30080  10.0.0.1:4000
        """)
    )
    destinations = batch.rows("destination_endpoint")
    assert [endpoint.service for endpoint in destinations] == [SHOP, Service(), Service()]
    assert batch.rows("source_endpoint")[2].service == SHOP
    assert destinations[0].labels == HOST.labels


def test_where_nat_sends_elsewhere_the_one_who_answers_has_the_service_that_was_asked_for():
    world, tables = World(), Tables()
    world.tell("pod", Fact(Address("10.0.0.9"), pod("web-1")))
    world.tell("service", Fact(Address("10.96.0.10"), Endpoint(identity=2, service=SHOP)))
    code = tables.contents.code(Contents(translation=Translation("10.96.0.10", 80)))
    batch = flows(
        """
        src            dst            trace_point
        10.0.0.1:4000  10.0.0.9:8080  TO_STACK
        10.0.0.9:8080  10.0.0.1:4000  TO_ENDPOINT
        10.0.0.1:4000  10.0.0.9:8080  TO_NETWORK
        """,
        tables,
    )
    contents = np.array([code, code, 0], np.uint32)
    named = world.identify(batch.with_columns(contents=contents, time_ns=np.full(3, time.time_ns())))
    out, _, plain = named.rows("destination_endpoint")
    back = named.rows("source_endpoint")[1]
    answered = [("web-1", SHOP), ("web-1", SHOP), ("web-1", Service())]
    assert [(one.pod_name, one.service) for one in (out, back, plain)] == answered
