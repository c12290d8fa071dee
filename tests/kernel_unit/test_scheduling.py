"""The thread that gives way, and no other."""

import os
import threading

from rubin.kernel.scheduling import give_way


def test_a_thread_that_gives_way_is_a_batch_of_lower_priority_and_no_other_is():
    found = []

    def run():
        give_way()
        found.append((os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))

    before = os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [(os.SCHED_BATCH, 5)]
    assert (os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, threading.get_native_id())) == before
