"""Which lines are shown: the flows that pass, losses where they were noticed, nothing that is no longer held."""

import numpy as np
import pytest

from rubin.model.batch import Lost
from rubin.model.enums import LostSource, Verdict
from rubin.model.filter import Filters, FlowFilter
from rubin.query.failing import went_wrong
from rubin.store.ring import Ring
from rubin.ui.terminal.conversations import put_together
from rubin.ui.terminal.matches import Matches, Wanted, rows_of
from rubin.ui.terminal.session import at_time, next_event, time_of
from tests.flows import flows, generate

DROPPED = Filters([FlowFilter(verdict=(Verdict.DROPPED,))])


def ring(*batches, capacity=100_000):
    made = Ring(capacity)
    for batch in batches:
        made.append(batch)
    return made


def loss(time_ns, events=7):
    return Lost(LostSource.PERF_EVENT_RING_BUFFER, events, time_ns)


def found(of, wanted=None):
    matches = Matches(of, wanted or Wanted())
    matches.extend()
    return matches


def test_lines_are_the_rows_that_pass():
    batch = generate(40_000)
    matches = found(ring(batch), Wanted(DROPPED))
    assert matches.lines.tolist() == np.flatnonzero(batch["verdict"] == Verdict.DROPPED).tolist()
    assert (matches.seen, matches.matched, matches.bad) == (40_000, len(matches), len(matches))


def test_what_comes_later_is_added_and_nothing_twice():
    first, then = generate(300), generate(200, seed=2)
    of = ring(first)
    matches = found(of)
    assert not matches.extend()
    of.append(then)
    assert matches.extend()
    assert matches.lines.tolist() == list(range(500))


def test_a_part_at_a_time_is_all_in_the_end():
    matches = Matches(ring(generate(100_000)), Wanted())
    steps = 0
    while matches.extend(32_768):
        steps += 1
    assert len(matches) == 100_000
    assert steps == 4


def test_a_loss_stands_where_it_was_noticed():
    batch = generate(10)
    times = batch["time_ns"]
    between = loss(int(times[4]), 3), loss(int(times[9]) + 1, 5)
    matches = found(ring(batch.with_lost(between)))
    assert matches.lines.tolist() == [0, 1, 2, 3, -1, 4, 5, 6, 7, 8, 9, -2]
    assert [matches.loss(-1).events, matches.loss(-2).events] == [3, 5]
    assert matches.lost_events == 8


def test_lines_whose_flows_are_gone_go_with_them():
    of = ring(generate(1_000), capacity=1_000)
    matches = found(of)
    of.append(generate(40_000, seed=2))
    assert matches.extend()
    assert matches.lines[0] >= of.first_row
    assert matches.lines[-1] == of.next_row - 1
    assert matches.dropped_lines + len(matches) + matches.overtaken == of.next_row


def test_flows_of_rows_come_in_their_order_across_tables():
    batches = [generate(100, seed=seed) for seed in range(3)]
    rows = np.array([5, 99, 100, 250])
    times = [int(batches[row // 100]["time_ns"][row % 100]) for row in rows]
    assert rows_of(ring(*batches), rows)["time_ns"].tolist() == times
    assert len(rows_of(ring(*batches), rows[:0])) == 0


def test_abnormal_is_what_was_dropped_refused_or_audited():
    batch = generate(2_000)
    matches = found(ring(batch), Wanted(abnormal=True))
    assert matches.lines.tolist() == np.flatnonzero(went_wrong(batch)).tolist()
    assert set(batch["verdict"][matches.lines].tolist()) == {Verdict.DROPPED}


def test_a_time_belongs_to_its_range():
    batch = generate(1_000)
    since, until = (int(batch["time_ns"][row]) for row in (100, 200))
    times = batch["time_ns"][found(ring(batch), Wanted(since_ns=since, until_ns=until)).lines]
    assert (times.min(), times.max()) == (since, until)


def test_a_line_is_found_by_its_time():
    batch = generate(1_000)
    matches = found(ring(batch))
    assert at_time(matches, int(batch["time_ns"][700])) == np.searchsorted(batch["time_ns"], batch["time_ns"][700])
    assert time_of(matches, 700) == batch["time_ns"][700]
    assert at_time(matches, 2**62) == 1_000


@pytest.mark.parametrize("step", [1, -1])
def test_the_next_event_is_the_nearest_drop(step):
    batch = generate(40_000)
    wrong = np.flatnonzero(batch["verdict"] == Verdict.DROPPED)
    matches = found(ring(batch))
    at = 20_000
    expected = wrong[wrong > at][0] if step > 0 else wrong[wrong < at][-1]
    assert next_event(matches, at, step) == expected
    assert next_event(matches, 39_999 if step > 0 else 0, step) is None


def test_a_conversation_has_both_directions_and_what_two_points_saw_once():
    batch = flows("""
        src           dst           is_reply trace_point bytes packets verdict
        10.0.0.1:4000 10.0.0.2:80   0        TO_STACK    100   1       FORWARDED
        10.0.0.1:4000 10.0.0.2:80   0        TO_ENDPOINT 100   1       FORWARDED
        10.0.0.2:80   10.0.0.1:4000 1        TO_STACK    900   3       FORWARDED
        10.0.0.2:80   10.0.0.1:4000 1        TO_ENDPOINT 900   3       FORWARDED
        10.0.0.3:4000 10.0.0.2:80   0        TO_ENDPOINT 60    1       DROPPED
    """)
    told = put_together(found(ring(batch)))
    assert told.bytes.tolist() == [1_000, 60]
    assert told.packets.tolist() == [4, 1]
    assert told.flows.tolist() == [4, 1]
    assert told.worst.tolist() == [Verdict.FORWARDED, Verdict.DROPPED]
    assert told.last.tolist() == [3, 4]


def test_rates_are_counted_by_the_second_of_the_flows():
    batch = generate(1_000)
    matches = found(ring(batch))
    assert sum(number for number, _ in matches.per_second.values()) == 1_000
    assert sum(bad for _, bad in matches.per_second.values()) == matches.bad
