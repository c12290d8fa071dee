"""`rubin get` and `rubin list endpoints`: who it is, and who it was."""

import time

import pytest

from rubin.identity.answers import Answers
from rubin.identity.facts import HOST, Address, ContainerCgroup, Fact
from rubin.model.batch import empty
from rubin.model.tables import Container, Process
from tests.identity.worlds import SECOND_NS, World, pod

CONTAINER = "c" * 64
WEB = pod("web", container=Container(CONTAINER, "server", "nginx"))
LIVING = Process(7, "sh", cgroup="/ssh.service", user="root")
GONE = Process(8, "curl", user="www-data")


def answers(world):
    """Process 7 lives since 100 s ago, of 8 a flow was seen 50 s ago."""
    now_ns = time.time_ns()
    return Answers(
        world.names,
        lambda pid, time_ns: LIVING if pid == 7 and time_ns >= now_ns - 100 * SECOND_NS else None,
        lambda pid, time_ns: (
            (GONE, HOST, 50 * SECOND_NS) if pid in (0, 8) and time_ns > now_ns - 50 * SECOND_NS else None
        ),
    )


def names(found):
    return [one["name"] for one in found]


@pytest.mark.parametrize("who", ["web", "default/web", "server", CONTAINER, CONTAINER[:4]])
def test_who_is_gone_is_found_at_the_time_when_he_was(who):
    world = World()
    world.tell("pod", Fact(Address("10.0.0.1"), WEB, since_ns=1), Fact(ContainerCgroup(CONTAINER), WEB, since_ns=1))
    world.names.identify(empty())
    ask, then_ns = answers(world), time.time_ns()
    (now,), (then,) = ask(who, 0), ask(who, then_ns)
    assert now == then
    assert (now["name"], now["where"], now["since_ns"]) == ("web", ["10.0.0.1", f"container {CONTAINER[:12]}"], 1)
    world.tell("pod")
    world.names.identify(empty())
    assert ask(who, 0) == []
    assert ask(who, then_ns) == [then]
    assert names(ask("10.0.0.1", then_ns)) == ["web"]
    assert names(ask("", then_ns)) == ["web"]
    assert ask("", 0) == []


def test_an_identity_is_whoever_has_it():
    world = World()
    world.tell("pod", Fact(Address("10.0.0.1"), WEB))
    world.names.identify(empty())
    ask = answers(world)
    (found,) = ask("web", 0)
    assert names(ask(str(found["identity"]), 0)) == ["web"]


def test_a_process_that_lives_is_asked_one_that_has_gone_was_seen():
    ask, now_ns = answers(World()), time.time_ns()
    (living,) = ask("7", 0)
    assert (living["name"], living["where"], living["process"], living["user"]) == (
        "ssh.service", ["process 7"], "sh", "root",
    )  # fmt: skip
    assert ask("7", now_ns - 200 * SECOND_NS) == []
    (gone,) = ask("8", 0)
    assert gone["where"] == ["process 8, last seen 1970-01-01T00:00:50Z"]
    assert (gone["identity"], gone["process"], gone["user"]) == (1, "curl", "www-data")
    assert ask("8", now_ns - 60 * SECOND_NS) == []
    assert ask("nobody", 0) == ask("99", 0) == ask("0", 0) == ask("\u00b2", 0) == []
