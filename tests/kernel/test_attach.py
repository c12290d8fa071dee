"""Programs are attached, see packets, let others' programs run, and go when they should."""

import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rubin.errors import RubinError
from rubin.kernel import cgroups, clsact, features
from rubin.kernel.attach import Links
from rubin.kernel.interfaces import Interfaces
from rubin.kernel.libbpf import Object
from rubin.kernel.lock import Lock
from rubin.kernel.netlink import Netlink
from tests.kernel.conftest import ip


@pytest.fixture
def item(tiny: bytes) -> Iterator[Object]:
    loaded = Object(tiny, "tiny")
    loaded.skip("refused")
    loaded.skip("absent")
    loaded.load()
    yield loaded
    loaded.close()


@pytest.fixture
def links() -> Iterator[Links]:
    held = Links()
    yield held
    held.close()


def seen(item: Object) -> int:
    return int(struct.unpack("=Q", item.map("made").lookup(bytes(4)) or bytes(8))[0])


def send() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", 9))


def loopback() -> int:
    return socket.if_nametoindex("lo")


def filters_of(tool: str = "tc filter show dev lo ingress") -> str:
    return subprocess.run(tool.split(), check=True, capture_output=True, text=True).stdout


def test_a_link_at_the_cgroup_root_sees_packets_until_it_is_dropped(item: Object, links: Links) -> None:
    links.attach_cgroup("out", item.program_fd("count_egress"), "cgroup_skb/egress", cgroups.mount())
    send()
    assert "out" in links
    assert seen(item) > 0
    links.drop("out")
    before = seen(item)
    send()
    assert seen(item) == before
    assert links.names == []


@pytest.mark.skipif(not features.has_tcx(), reason="this kernel has no tcx")
@pytest.mark.usefixtures("namespace")
def test_tcx_links_see_packets_in_both_directions(item: Object, links: Links) -> None:
    links.attach_tcx("in", item.program_fd("count_tc"), loopback(), egress=False)
    links.attach_tcx("out", item.program_fd("count_tc"), loopback(), egress=True)
    send()  # and the answer "port unreachable": two packets, each going out and coming in
    assert seen(item) == 4


@pytest.mark.usefixtures("namespace")
def test_clsact_filters_see_packets_and_are_removed_by_their_tag_alone(
    item: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    netlink = Netlink()
    with monkeypatch.context() as other:
        other.setattr(clsact, "PRIORITY", 7)
        clsact.attach(netlink, loopback(), item.program_fd("count_tc"), "rubin_looks_like_ours", egress=False)
    foreign = filters_of()
    for egress in (False, True):
        clsact.attach(netlink, loopback(), item.program_fd("count_tc"), "rubin_test", egress)
    send()
    assert seen(item) >= 6  # each packet comes in past two filters, for ours lets the next one see it
    assert "rubin_test" in filters_of()
    assert [found.ours for found in clsact.filters(netlink, loopback())] == [False, True, True]
    assert clsact.remove_ours(netlink) == 2
    assert filters_of() == foreign
    assert clsact.remove_ours(netlink) == 0
    netlink.close()


@pytest.mark.usefixtures("namespace")
def test_a_foreign_bpf_filter_of_another_name_or_place_stays(item: Object) -> None:
    netlink = Netlink()
    clsact.attach(netlink, loopback(), item.program_fd("count_tc"), "cilium_thing", egress=False)
    assert clsact.remove_ours(netlink) == 0
    assert [found.name for found in clsact.filters(netlink, loopback())] == ["cilium_thing"]
    netlink.close()


@pytest.mark.usefixtures("namespace")
def test_an_interface_without_clsact_has_no_filters() -> None:
    netlink = Netlink()
    assert clsact.filters(netlink, loopback()) == []
    assert clsact.filters(netlink, 4711) == []
    clsact.remove(netlink, clsact.Filter(4711, 0xFFFFFFF2, 1, 1, "gone"))
    netlink.close()


@pytest.mark.usefixtures("namespace")
def test_interfaces_that_come_and_go_are_followed() -> None:
    interfaces = Interfaces()
    assert [interface.name for interface in interfaces] == ["lo"]
    ip("link add rubin-a type veth peer name rubin-b")
    assert interfaces.follow()
    index = socket.if_nametoindex("rubin-a")
    assert {interface.name: interface.kind.name for interface in interfaces} == {
        "lo": "LOOPBACK",
        "rubin-a": "VETH",
        "rubin-b": "VETH",
    }
    ip("link del rubin-a")
    assert interfaces.follow()
    assert not interfaces.follow()
    assert [interface.name for interface in interfaces] == ["lo"]
    assert interfaces.name(index) == "rubin-a"
    interfaces.close()


@pytest.mark.usefixtures("namespace")
def test_so_many_changes_that_the_kernel_cannot_tell_all_are_listed_anew() -> None:
    interfaces = Interfaces()
    interfaces._news._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for number in range(30):
        ip(f"link add rubin-{number} type bridge")
    assert interfaces.follow()
    assert len(list(interfaces)) == 31
    interfaces.close()


def test_a_second_agent_is_told_which_process_is_the_first() -> None:
    first = Lock("rubin/test")
    code = "from rubin.kernel.lock import Lock; Lock('rubin/test')"
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=_SOURCE)
    assert "already watches this machine (process" in second.stderr
    first.close()
    Lock("rubin/test").close()


def test_a_lock_is_free_again_when_its_holder_was_killed() -> None:
    code = "import signal, rubin.kernel.lock as l; held = l.Lock('rubin/killed'); print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=_SOURCE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(RubinError, match=f"process {holder.pid}"):
            Lock("rubin/killed")
        holder.kill()
    Lock("rubin/killed").close()


_SOURCE = Path(__file__).parents[2] / "src"


def test_threads_do_not_share_what_they_wait_for() -> None:
    """A lock is asked for its holder while the holder's own process asks: it answers, since the kernel does."""
    held = Lock("rubin/own")
    said: list[str] = []

    def second() -> None:
        with pytest.raises(RubinError) as caught:
            Lock("rubin/own")
        said.append(caught.value.sentence)

    thread = threading.Thread(target=second)
    thread.start()
    thread.join(5)
    held.close()
    assert "this very process" in said[0]
