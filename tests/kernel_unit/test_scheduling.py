"""The threads that give way, and no others; while there is time to spare."""

import os
import threading
import time

import pytest

from rubin.kernel import privileges, scheduling
from rubin.kernel.scheduling import Manners, whole_process
from rubin.kernel.turns import LONG_NS, SHORT_NS, Turns

MAY_COME_BACK = privileges.SYS_NICE in privileges.held()


@pytest.fixture
def stat(tmp_path):
    class Stat:
        """/proc/stat of a machine whose processors have done this much."""

        path = tmp_path / "stat"
        used = idle = 0

        def passes(self, used: int, idle: int) -> None:
            self.used, self.idle = self.used + used, self.idle + idle
            self.path.write_text(f"cpu  {self.used} 0 0 {self.idle} 0 0 0 0 0 0\ncpu0 1 2 3\n")

    made = Stat()
    made.passes(0, 0)
    return made


def in_a_thread(of):
    found = []
    thread = threading.Thread(target=lambda: found.append(of()))
    thread.start()
    thread.join()
    return found[0]


def own():
    return os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_a_thread_begins_as_a_batch_of_lower_priority_and_no_other_does():
    def run():
        assert not Manners().gives_way
        return own()

    before = own()
    assert in_a_thread(run) == (os.SCHED_BATCH, 5)
    assert own() == before


@pytest.mark.skipif(not MAY_COME_BACK, reason="without CAP_SYS_NICE nobody comes back from SCHED_IDLE")
def test_it_gives_way_to_everybody_while_there_is_time_to_spare(stat, monkeypatch):
    to_all: list[bool] = []
    monkeypatch.setattr(scheduling, "give_way", to_all.append)

    def run():
        manners, seen = Manners(stat=stat.path), []
        start = manners._looked_s
        for second, (used, idle) in enumerate([(150, 50), (195, 5), (190, 10), (150, 50)], 1):
            stat.passes(used, idle)
            manners.look(0.0, start + second)
            seen.append((own()[0], manners.is_busy))
        return seen

    idle, batch = (os.SCHED_IDLE, False), (os.SCHED_BATCH, True)
    assert in_a_thread(run) == [idle, batch, batch, idle]
    assert to_all == [False, True, False, True]


@pytest.mark.skipif(not MAY_COME_BACK, reason="without CAP_SYS_NICE nobody comes back from SCHED_IDLE")
def test_others_are_as_the_thread_is_and_one_that_is_gone_is_passed_over(stat):
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    number = other.native_id
    assert number is not None
    gone = in_a_thread(threading.get_native_id)

    def run():
        manners = Manners(lambda: [gone, number], stat.path)
        seen = [os.sched_getscheduler(number)]
        stat.passes(150, 50)
        manners.look(0.0, manners._looked_s + 1)
        return [*seen, os.sched_getscheduler(number)]

    try:
        assert in_a_thread(run) == [os.SCHED_BATCH, os.SCHED_IDLE]
    finally:
        over.set()
        other.join()


def test_of_a_process_all_threads_are_meant():
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    try:
        assert {threading.get_native_id(), other.native_id} <= set(whole_process())
    finally:
        over.set()
        other.join()
    assert other.native_id not in whole_process()


@pytest.mark.skipif(not MAY_COME_BACK, reason="without CAP_SYS_NICE nobody comes back from SCHED_IDLE")
def test_who_is_late_takes_turns_at_once_and_for_a_second(stat):
    def run():
        manners = Manners(stat=stat.path)
        start = manners._looked_s
        stat.passes(0, 200)
        found = []
        for late, second in ((0.0, 1.0), (0.2, 1.2), (0.0, 2.1), (0.0, 2.3)):
            manners.look(late, start + second)
            found.append((manners.gives_way, manners.is_busy))
            stat.passes(0, 200)
        return found

    assert in_a_thread(run) == [(True, False), (False, False), (False, False), (True, False)]


def test_what_the_process_itself_has_used_is_to_spare_for_it(stat, monkeypatch):
    used_s = iter([1.0, 1.25, 1.25])

    def run():
        monkeypatch.setattr(time, "process_time", lambda: next(used_s))
        manners = Manners(stat=stat.path)
        start, seen = manners._looked_s, [manners.spare]
        for second, (used, idle) in enumerate([(150, 50), (190, 10)], 1):
            stat.passes(used, idle)
            manners.look(0.0, start + second)
            seen.append(manners.spare)
        manners.close()
        return seen

    assert in_a_thread(run) == [1.0, (50 + 0.25 * os.sysconf("SC_CLK_TCK")) / 200, 10 / 200]


@pytest.mark.parametrize(("used", "idle", "every_ns"), [(20, 180, LONG_NS), (120, 80, SHORT_NS)])
def test_where_little_is_left_over_turns_are_shorter(stat, monkeypatch, used, idle, every_ns):
    begun = []
    monkeypatch.setattr(Turns, "begin", lambda _self, every_ns: begun.append(every_ns))
    monkeypatch.setattr(time, "process_time", lambda: 0.0)

    def run():
        manners = Manners(stat=stat.path)
        start = manners._looked_s
        stat.passes(used, idle)
        for second in (1, 1.1):
            manners.rest()
            manners.look(0.0, start + second)
        manners.close()

    in_a_thread(run)
    assert begun == [LONG_NS, every_ns]


def test_who_could_not_come_back_does_not_go(stat, monkeypatch):
    monkeypatch.setattr(privileges, "held", lambda: frozenset())

    def run():
        manners = Manners(stat=stat.path)
        stat.passes(0, 200)
        manners.look(0.0, manners._looked_s + 1)
        return own()[0], manners.is_busy

    assert in_a_thread(run) == (os.SCHED_BATCH, False)
