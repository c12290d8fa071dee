"""Interfaces that match are attached to as they come, and left as they go, by links or by filters."""

import socket
import struct
import subprocess
from collections.abc import Iterator

import pytest

from rubin.kernel import clsact
from rubin.kernel.interfaces import Interfaces
from rubin.kernel.netlink import Netlink
from rubin.kernel.objects import Objects
from rubin.kernel.watched import Watched
from tests.kernel.conftest import compiled, ip

pytestmark = pytest.mark.usefixtures("namespace")


@pytest.fixture
def objects() -> Iterator[Objects]:
    items = Objects(source=lambda _: compiled("watch"))
    items.load("watch")
    yield items
    items.close()


@pytest.fixture(params=[True, False], ids=["tcx", "clsact"])
def tcx(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def kinds(objects: Objects) -> dict[str, int]:
    found = objects.map("interfaces")
    return {socket.if_indextoname(struct.unpack("=I", key)[0]): (found.lookup(key) or b"?")[0] for key in found}


def seen(objects: Objects, name: str) -> tuple[bool, bool]:
    index = socket.if_nametoindex(name)
    keys = (struct.pack("=I", index), struct.pack("=I", index | 1 << 31))
    return objects.map("seen").lookup(keys[0]) is not None, objects.map("seen").lookup(keys[1]) is not None


def send() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", 9))


def test_both_directions_are_seen_and_nothing_is_left(objects: Objects, tcx: bool) -> None:
    interfaces = Interfaces()
    watched = Watched(objects, interfaces, ("lo",), tcx)
    send()
    assert seen(objects, "lo") == (True, True)
    kind = "" if watched._tcx else " (clsact)"
    assert watched.names == [f"rubin_ingress at lo{kind}", f"rubin_egress at lo{kind}"]
    assert kinds(objects) == {"lo": 2}
    watched.close()
    interfaces.close()
    objects.map("seen").delete(struct.pack("=I", 1))
    send()
    assert seen(objects, "lo")[0] is False
    assert (
        "rubin"
        not in subprocess.run(
            ["tc", "filter", "show", "dev", "lo", "ingress"], capture_output=True, text=True, check=True
        ).stdout
    )


def test_new_interfaces_are_attached_to_and_gone_ones_forgotten(objects: Objects, tcx: bool) -> None:
    interfaces = Interfaces()
    watched = Watched(objects, interfaces, (), tcx)
    assert watched.names == []
    ip("link add rubin-a type veth peer name rubin-b")
    ip("link add rubin-c type vxlan id 7 dstport 4789 dev rubin-a")
    assert interfaces.follow()
    watched.adjust()
    assert kinds(objects) == {"rubin-a": 1, "rubin-b": 1, "rubin-c": 3}
    assert len(watched.names) == 6
    ip("link del rubin-c")
    ip("link del rubin-a")
    assert interfaces.follow()
    watched.adjust()
    assert watched.names == []
    assert watched.refused == {}
    watched.close()
    interfaces.close()


def test_the_kinds_of_gone_interfaces_do_not_fill_the_map(objects: Objects) -> None:
    interfaces = Interfaces()
    watched = Watched(objects, interfaces, ("rubin-*",))
    for number in range(5):
        ip(f"link add rubin-{number} type bridge")
        assert interfaces.follow()
        watched.adjust()
        ip(f"link del rubin-{number}")
        assert interfaces.follow()
        watched.adjust()
    assert list(objects.map("interfaces")) == []
    watched.close()
    interfaces.close()


def test_an_interface_that_goes_before_it_is_attached_to_is_no_fault(objects: Objects, tcx: bool) -> None:
    ip("link add rubin-a type veth peer name rubin-b")
    interfaces = Interfaces()
    ip("link del rubin-a")
    watched = Watched(objects, interfaces, (), tcx)
    assert watched.refused == {}
    assert watched.names == []
    watched.close()
    interfaces.close()


def test_filters_that_a_killed_agent_left_are_replaced(objects: Objects) -> None:
    netlink = Netlink()
    for egress, program in ((False, "rubin_ingress"), (True, "rubin_egress")):
        clsact.attach(netlink, 1, objects.programs()[program], program, egress)
    assert clsact.remove_ours_here() == 2
    interfaces = Interfaces()
    watched = Watched(objects, interfaces, ("lo",), tcx=False)
    assert watched.refused == {}
    assert len(clsact.filters(netlink, 1)) == 2
    watched.close()
    assert clsact.filters(netlink, 1) == []
    interfaces.close()
    netlink.close()
