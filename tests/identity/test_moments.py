"""A flow has the names of its own moment; what was not known then is asked again when it is read."""

import time

import numpy as np
import pytest

from rubin.identity.facts import Address, Fact
from tests.identity.worlds import SECOND_NS, World, at, pod, source


def test_an_address_used_again_has_the_name_of_whoever_had_it_then():
    world, start = World(), time.time_ns() - 100 * SECOND_NS
    world.tell("pod/a", Fact(Address("10.0.0.1"), pod("a"), since_ns=start))
    world.tell("pod/b", Fact(Address("10.0.0.1"), pod("b"), since_ns=start + 50 * SECOND_NS))
    assert source(world.identify(at(start + 10 * SECOND_NS))) == ["a"]
    assert source(world.identify(at(start + 60 * SECOND_NS))) == ["b"]
    world.tell("pod/a")
    assert source(world.identify(at(start + 10 * SECOND_NS))) == ["a"]
    assert source(world.identify(at(start + 60 * SECOND_NS))) == ["b"]
    assert world.gone == [("default", "a")]


def test_who_has_gone_is_not_who_comes_to_the_address_later():
    world, start = World(), time.time_ns() - 100 * SECOND_NS
    world.tell("pod/a", Fact(Address("10.0.0.1"), pod("a"), since_ns=start))
    world.identify(at(start))
    world.tell("pod/a")
    assert source(world.identify(at(time.time_ns() + SECOND_NS))) == ["reserved:world"]
    assert source(world.identify(at(start + SECOND_NS))) == ["a"]


@pytest.mark.parametrize("ahead_s", [2, 86_400])
def test_a_clock_that_is_ahead_costs_no_name(ahead_s):
    world, now = World(), time.time_ns()
    world.tell("pod/a", Fact(Address("10.0.0.1"), pod("a"), since_ns=now + ahead_s * SECOND_NS))
    assert source(world.identify(at(now))) == ["a"]


def test_a_clock_that_is_put_back_costs_no_name(monkeypatch):
    world, now = World(), [time.time_ns()]
    monkeypatch.setattr(time, "time_ns", lambda: now[0])
    for name in ("a", "b"):  # b took the address over
        world.tell("pod", Fact(Address("10.0.0.1"), pod(name), since_ns=now[0]))
        assert source(world.identify(at(now[0] + SECOND_NS))) == [name]
    now[0] -= 86_400 * SECOND_NS
    world.now[0] += 1
    assert source(world.identify(at(now[0]))) == ["b"]
    world.tell("pod", Fact(Address("10.0.0.1"), pod("c"), since_ns=now[0]))
    assert source(world.identify(at(now[0] + SECOND_NS))) == ["c"]
    world.tell("pod")
    now[0] -= 600 * SECOND_NS
    world.now[0] += 1
    assert source(world.identify(at(now[0] + SECOND_NS))) == ["reserved:world"]


def test_a_flow_that_came_before_the_name_has_it_when_it_is_read():
    world, then = World(), time.time_ns()
    early = world.identify(at(then))
    assert source(early) == ["reserved:world"]
    world.tell("pod/a", Fact(Address("10.0.0.1"), pod("a"), since_ns=then - SECOND_NS))
    world.identify(at(then))
    assert source(world.names.again(early)) == ["a"]
    assert source(early) == ["reserved:world"]  # what stands in the ring never changes


def test_asked_again_an_old_flow_does_not_get_the_name_of_a_newcomer():
    world, then = World(), time.time_ns() - 60 * SECOND_NS
    early = world.identify(at(then))
    world.tell("pod/a", Fact(Address("10.0.0.1"), pod("a"), since_ns=then + 50 * SECOND_NS))
    world.identify(at(then))
    assert source(world.names.again(early)) == ["reserved:world"]


def test_a_name_that_is_told_a_second_time_changes_from_then_on():
    world, before = World(), time.time_ns()
    world.tell("pod/a", Fact(Address("10.0.0.1"), pod("a")))
    assert source(world.identify(at(before))) == ["a"]
    world.tell("pod/a", Fact(Address("10.0.0.1"), pod("a", unit="more")))
    (early,), (late,) = (
        world.identify(at(when)).rows("source_endpoint") for when in (before, time.time_ns() + SECOND_NS)
    )
    assert (early.unit, late.unit) == ("", "more")
    assert world.gone == []


def test_many_changes_leave_no_more_than_is_told():
    world = World()
    for number in range(60_000):
        place = Address(f"10.1.{number >> 8 & 255}.{number & 255}")
        world.provider.told.tell(f"pod/{number}", [Fact(place, pod(f"p{number}"))])
        world.provider.told.tell(f"pod/{number - 100}", ())
        if number % 1000 == 999:
            world.now[0] += 61
            world.identify(at(time.time_ns()))
    assert len(world.names.endpoints()) == 100
    assert world.names.who("10.1.234.95").pod_name == "p59999"
    assert len(world.names._endpoints) < 60_000


def test_whole_columns_of_several_moments_are_named_row_by_row():
    world, start = World(), time.time_ns() - 100 * SECOND_NS
    world.tell("pod/a", Fact(Address("10.0.0.1"), pod("a"), since_ns=start))
    world.tell("pod/b", Fact(Address("10.0.0.1"), pod("b"), since_ns=start + 50 * SECOND_NS))
    batch = at(start, "src dst\n" + "10.0.0.1 10.0.0.9\n" * 100)
    times = start + np.arange(100) * SECOND_NS
    assert source(world.identify(batch.with_columns(time_ns=times))) == ["a"] * 50 + ["b"] * 50
