"""The governor against a machine that costs what it hears."""

import pytest

from rubin.sources.governor import Governor


@pytest.mark.parametrize("cost", [0.05, 0.2, 0.5, 5.0, 40.0])
def test_what_is_heard_costs_no_more_than_the_limit(cost: float) -> None:
    """`cost`: processors that listening to all would take, beside 0.01 for the rest."""
    governor, used = Governor(10, processors=2), 0.0
    governor._wall_s = governor._used_s = 0.0
    spent = []
    for second in range(1, 61):
        spent.append(0.01 + cost * governor.share)
        used += spent[-1]
        governor.judge(float(second), used)
    steady = spent[20:]
    assert max(steady) <= 0.2 * 1.15
    assert min(steady) >= min(0.2 * 0.75, 0.01 + cost)


def test_without_a_limit_everything_is_heard() -> None:
    governor = Governor(100)
    assert not governor.judge(governor._wall_s + 5, governor._used_s + 1000)
    assert governor.share == 1.0


def test_it_looks_once_a_second() -> None:
    governor = Governor(10, processors=1)
    assert not governor.judge(governor._wall_s + 0.5, governor._used_s + 100)
    assert not governor.judge(governor._wall_s + 1.5, governor._used_s + 100)
    assert governor.share == 1.0  # one second may be a burst


def test_two_seconds_in_a_row_are_no_burst() -> None:
    governor = Governor(10, processors=1)
    governor.judge(governor._wall_s + 1, governor._used_s + 100)
    assert governor.judge(governor._wall_s + 1, governor._used_s + 100)
    assert governor.share == 1 / 256


def test_where_the_machine_has_nothing_left_a_third_is_enough() -> None:
    governor = Governor(9, processors=1)
    governor.is_busy = True
    for used in (0.6, 0.06):  # the first is more than it may take to begin with
        governor.judge(governor._wall_s + 1, governor._used_s + used)
    assert governor.share == pytest.approx(0.5)
    governor.is_busy = False
    assert governor.judge(governor._wall_s + 1, governor._used_s + 0.06)
    assert governor.share == pytest.approx(0.625)


MUTE, TO_FIND_OUT_S = 300, 0.0024  # servers, and what it takes of a processor to find out one


def found_out(governor: Governor, unheard: list[float]) -> int:
    """Seconds until all the servers are found out, a sixth of them in each while everything is heard."""
    left, used, second = MUTE * TO_FIND_OUT_S, 0.0, 0
    governor._wall_s = governor._used_s = 0.0
    while left > 0:
        second += 1
        spent = min(left, MUTE * TO_FIND_OUT_S / 6 * governor.share)
        left -= spent
        used += spent + 0.01
        governor.judge(float(second), used)
        unheard.append(1 - governor.share)
    return second


def test_while_it_finds_out_with_whom_nothing_can_be_read_others_are_heard() -> None:
    governor, unheard = Governor(10, processors=2), list[float]()
    governor.is_busy = True
    assert found_out(governor, unheard) == 6
    assert not any(unheard)


def test_it_takes_its_time_to_begin_with_once() -> None:
    governor, used, spent = Governor(10, processors=2), 0.0, list[float]()
    governor._wall_s = governor._used_s = 0.0
    for second in range(1, 61):
        spent.append(0.01 + 0.9 * governor.share)
        used += spent[-1]
        governor.judge(float(second), used)
    assert used <= 60 * 0.2 * 1.15 + 5 * 0.2 + 0.91
    assert spent[0] == spent[1] == 0.91
    assert max(spent[3:]) <= 0.2 * 1.15
