"""One tier of tests is one run of pytest with a time it may take; what was skipped is said at the end."""

import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event
from typing import TextIO

from tools.dev import environment, guest
from tools.dev.say import BUILD, ROOT, Stop, say

STOPPED_AFTER = 2  # times its budget
_LOOK_S = 1.0  # whether all is over
NO_TESTS = 5  # pytest's exit code where nothing was collected


@dataclass(frozen=True)
class Tier:
    """Directories of tests, what they may take, and what they need; `kernel`: in a guest of that series. `beside`: it
    measures nothing, and may run with others.
    """

    name: str
    folders: tuple[str, ...]
    budget_s: int
    root: bool = False
    packages: tuple[str, ...] = ()
    kernel: str = ""
    beside: bool = False


@dataclass(frozen=True)
class Result:
    """What a tier did; `skipped` are (test, reason). `stopped`: what kept it from running, or ended it early."""

    name: str
    exit_code: int
    seconds: float
    budget_s: int
    passed: int
    failed: int
    skipped: tuple[tuple[str, str], ...]
    stopped: str = ""

    @property
    def good(self) -> bool:
        """True when all its tests passed, in time."""
        return self.exit_code in (0, NO_TESTS) and self.seconds <= self.budget_s


def run_all(tiers: list[Tier], arguments: list[str]) -> list[Result]:
    """First those that may run beside others, then the rest one after the other, at last those in guests, side by side
    again: each of these keeps little more than one processor busy.
    """
    quick = [tier for tier in tiers if tier.beside and not tier.kernel]
    alone = [tier for tier in tiers if not tier.beside and not tier.kernel]
    results = _side_by_side(quick, arguments) + [run(tier, arguments) for tier in alone]
    return results + _side_by_side([tier for tier in tiers if tier.kernel], arguments)


def _side_by_side(tiers: list[Tier], arguments: list[str]) -> list[Result]:
    if len(tiers) < 2:
        return [run(tier, arguments) for tier in tiers]
    results, over = list[Result](), Event()
    with ExitStack() as stack:
        outputs = [stack.enter_context(TemporaryFile("w+")) for _ in tiers]
        pool = stack.enter_context(ThreadPoolExecutor(len(tiers)))
        running = [pool.submit(run, tier, arguments, out, over) for tier, out in zip(tiers, outputs, strict=True)]
        try:
            for one, out in zip(running, outputs, strict=True):
                results.append(one.result())
                out.seek(0)
                print(out.read(), flush=True)
        finally:
            over.set()  # an interrupt ends them, too
    return results


def run(tier: Tier, arguments: list[str], out: TextIO = sys.stdout, over: Event | None = None) -> Result:
    """Runs pytest over the tier's folders, its output going to `out`, until all is `over`."""
    say(f"tier {tier.name} (at most {tier.budget_s} s)")
    report = BUILD / "tests" / f"{tier.name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    words = [*tier.folders, f"--junitxml={report}", *arguments]
    begin, stopped = time.monotonic(), ""
    try:
        exit_code = _pytest(tier, words, out, over)
    except Stop as stop:  # what keeps one tier from running must not hide what the others found
        stopped, exit_code = str(stop), stop.exit_code
        print(stopped, file=sys.stderr)
    if not stopped and not report.exists():
        stopped = f"pytest ended with {exit_code} and has left no report"
    return Result(tier.name, exit_code, time.monotonic() - begin, tier.budget_s, *_counts(report), stopped)


def report(results: list[Result]) -> int:
    """Prints what was skipped and why, what took too long, what ended early, and the sum; gives the exit code."""
    for result in results:
        for test, reason in result.skipped:
            print(f"skipped: {result.name}: {test}: {reason}")
    for result in results:
        late = "" if result.seconds <= result.budget_s else f", over its {result.budget_s} s"
        print(f"{'ok    ' if result.good else 'FAILED'} {result.name:<12}{result.seconds:6.1f} s{late}")
        if result.stopped:  # once more, where nobody has to look for it
            print(result.stopped)
    passed, failed = sum(result.passed for result in results), sum(result.failed for result in results)
    print(f"{passed} passed, {failed} failed, {sum(len(result.skipped) for result in results)} skipped")
    return 0 if passed and all(result.good for result in results) else 1


def _pytest(tier: Tier, words: list[str], out: TextIO, over: Event | None) -> int:
    if tier.kernel:
        return guest.run(tier.kernel, guest.pytest_command(*words), tier.budget_s, out, over)
    command = [environment.command("pytest"), "-o", f"cache_dir=build/pytest-{tier.name}", *words]
    return _call(command, tier.budget_s * STOPPED_AFTER, out, over or Event())


def _call(command: list[str], limit_s: float, out: TextIO, over: Event) -> int:
    """The exit code. A run past its limit, or when all is `over`, is asked to stop, then ended; its children are its
    own group.
    """
    output = None if out is sys.stdout else out
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=os.environ,
        start_new_session=True,
    )
    ends = time.monotonic() + limit_s
    try:
        while not over.is_set() and time.monotonic() < ends:
            try:
                return process.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                continue
    except KeyboardInterrupt:
        _end(process)
        raise
    say("stopping pytest" if over.is_set() else f"stopping pytest: {limit_s} s are over")
    return _end(process)


def _end(process: subprocess.Popen[bytes]) -> int:
    """SIGINT first: pytest then runs its fixtures' ends and says where it was."""
    for number, patience_s in ((signal.SIGINT, 30), (signal.SIGKILL, 10)):
        os.killpg(process.pid, number)
        try:
            process.wait(patience_s)
            break
        except subprocess.TimeoutExpired:
            say(f"pytest did not end with signal {number}")
    return 124


def _counts(report: Path) -> tuple[int, int, tuple[tuple[str, str], ...]]:
    if not report.exists():
        return 0, 0, ()
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = tuple(
        (f"{case.get('classname')}.{case.get('name')}", mark.get("message", ""))
        for case in cases
        if (mark := case.find("skipped")) is not None
    )
    return len(cases) - len(failed) - len(skipped), len(failed), skipped
