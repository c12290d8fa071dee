"""The governor against a machine that costs what it hears."""

import pytest

from rubin.sources.governor import Governor


def passed(governor: Governor, seconds: float, used: float, listened: float | None = None) -> bool:
    """What the governor says when so many seconds, and so much of a processor, have passed."""
    listened = used if listened is None else listened
    return governor.judge(governor._wall_s + seconds, governor._used_s + used, governor._listened_s + listened)


@pytest.mark.parametrize("cost", [0.05, 0.2, 0.5, 5.0, 40.0])
def test_what_is_heard_costs_no_more_than_the_limit(cost: float) -> None:
    """`cost`: processors that listening to all would take, beside 0.01 for the rest."""
    governor, spent = Governor(10, processors=2), list[float]()
    for _ in range(60):
        spent.append(0.01 + cost * governor.share)
        passed(governor, 1, spent[-1])
    steady = spent[20:]
    assert max(steady) <= 0.2 * 1.15
    assert min(steady) >= min(0.2 * 0.75, 0.01 + cost)


def test_without_a_limit_everything_is_heard() -> None:
    governor = Governor(100)
    assert not passed(governor, 5, 1000)
    assert governor.share == 1.0


def test_it_looks_once_a_second() -> None:
    governor = Governor(10, processors=1)
    assert not passed(governor, 0.5, 100)
    assert not passed(governor, 1.5, 100)
    assert governor.share == 1.0  # one second may be a burst


def test_two_seconds_in_a_row_are_no_burst() -> None:
    governor = Governor(10, processors=1)
    passed(governor, 1, 100)
    assert passed(governor, 1, 100)
    assert governor.share == 1 / 256


@pytest.mark.parametrize(("spare", "part"), [(1.0, 1.0), (0.5, 1 / 8), (0.1, 1 / 16), (0.0, 1 / 16)])
def test_the_less_is_left_over_the_less_is_listened(spare: float, part: float) -> None:
    governor = Governor(8, processors=1)
    governor.spare = spare
    for used in (0.5, 2 * 0.08 * part):  # the first is more than it may take to begin with
        passed(governor, 1, used)
    assert governor.share == pytest.approx(0.5)
    governor.spare = 1.0
    assert passed(governor, 1, 0.02)
    assert governor.share == pytest.approx(0.625)


def test_what_else_the_agent_does_there_costs_nobody_a_hearing() -> None:
    governor = Governor(8, processors=1)
    governor.spare = 0.0
    for _ in range(20):
        passed(governor, 1, 0.079, listened=0.004)
    assert governor.share == 1.0
    for _ in range(2):
        passed(governor, 1, 0.9, listened=0.004)  # but not above its share
    assert governor.share < 0.1


MUTE, TO_FIND_OUT_S = 300, 0.0024  # servers, and what it takes of a processor to find out one


def found_out(governor: Governor, unheard: list[float]) -> int:
    """Seconds until all the servers are found out, a sixth of them in each while everything is heard."""
    left, second = MUTE * TO_FIND_OUT_S, 0
    while left > 0:
        second += 1
        spent = min(left, MUTE * TO_FIND_OUT_S / 6 * governor.share)
        left -= spent
        passed(governor, 1, spent + 0.01, spent)
        unheard.append(1 - governor.share)
    return second


def test_while_it_finds_out_with_whom_nothing_can_be_read_others_are_heard() -> None:
    governor, unheard = Governor(10, processors=2), list[float]()
    governor.spare = 0.0
    assert found_out(governor, unheard) == 6
    assert not any(unheard)


def test_it_takes_its_time_to_begin_with_once() -> None:
    governor, spent = Governor(10, processors=2), list[float]()
    for _ in range(60):
        spent.append(0.01 + 0.9 * governor.share)
        passed(governor, 1, spent[-1])
    assert sum(spent) <= 60 * 0.2 * 1.15 + 5 * 0.2 + 0.91
    assert spent[0] == spent[1] == 0.91
    assert max(spent[3:]) <= 0.2 * 1.15
