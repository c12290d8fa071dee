"""One tier of tests is one run of pytest with a time it may take; what was skipped is said at the end."""

import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from threading import Event
from typing import TextIO

from tools.dev import environment, guest
from tools.dev.say import BUILD, ROOT, Stop, say

STOPPED_AFTER = 2  # times its budget
NO_TESTS = 5  # pytest's exit code where nothing was collected


@dataclass(frozen=True)
class Tier:
    """Directories of tests, what they may take, and what they need; `kernel`: in a guest of that series."""

    name: str
    folders: tuple[str, ...]
    budget_s: int
    root: bool = False
    packages: tuple[str, ...] = ()
    kernel: str = ""


@dataclass(frozen=True)
class Result:
    """What a tier did; `skipped` are (test, reason)."""

    name: str
    exit_code: int
    seconds: float
    budget_s: int
    passed: int
    failed: int
    skipped: tuple[tuple[str, str], ...]

    @property
    def good(self) -> bool:
        """True when all its tests passed, in time."""
        return self.exit_code in (0, NO_TESTS) and self.seconds <= self.budget_s


def run_all(tiers: list[Tier], arguments: list[str]) -> list[Result]:
    """One after the other; those in guests side by side, because each keeps little more than one processor busy."""
    results = [run(tier, arguments) for tier in tiers if not tier.kernel]
    guests, over = [tier for tier in tiers if tier.kernel], Event()
    if len(guests) < 2:
        return results + [run(tier, arguments) for tier in guests]
    with ThreadPoolExecutor(len(guests)) as pool:
        outputs = [StringIO() for _ in guests]
        running = [pool.submit(run, tier, arguments, out, over) for tier, out in zip(guests, outputs, strict=True)]
        try:
            for one, out in zip(running, outputs, strict=True):
                results.append(one.result())
                print(out.getvalue(), flush=True)
        finally:
            over.set()  # an interrupt ends the guests, too
    return results


def run(tier: Tier, arguments: list[str], out: TextIO = sys.stdout, over: Event | None = None) -> Result:
    """Runs pytest over the tier's folders, its output going to `out` where it is in a guest."""
    say(f"tier {tier.name} (at most {tier.budget_s} s)")
    report = BUILD / "tests" / f"{tier.name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    words = [*tier.folders, f"--junitxml={report}", *arguments]
    begin = time.monotonic()
    try:
        exit_code = _pytest(tier, words, out, over)
    except Stop as stop:  # what keeps one tier from running must not hide what the others found
        print(stop, file=sys.stderr)
        exit_code = stop.exit_code
    return Result(tier.name, exit_code, time.monotonic() - begin, tier.budget_s, *_counts(report))


def report(results: list[Result]) -> int:
    """Prints what was skipped and why, what took too long, and the sum; gives the exit code."""
    for result in results:
        for test, reason in result.skipped:
            print(f"skipped: {result.name}: {test}: {reason}")
    for result in results:
        late = "" if result.seconds <= result.budget_s else f", over its {result.budget_s} s"
        print(f"{'ok    ' if result.good else 'FAILED'} {result.name:<12}{result.seconds:6.1f} s{late}")
    passed, failed = sum(result.passed for result in results), sum(result.failed for result in results)
    print(f"{passed} passed, {failed} failed, {sum(len(result.skipped) for result in results)} skipped")
    return 0 if passed and all(result.good for result in results) else 1


def _pytest(tier: Tier, words: list[str], out: TextIO, over: Event | None) -> int:
    if tier.kernel:
        return guest.run(tier.kernel, guest.pytest_command(*words), tier.budget_s, out, over)
    command = [environment.command("pytest"), "-o", f"cache_dir=build/pytest-{tier.name}", *words]
    return _call(command, tier.budget_s * STOPPED_AFTER)


def _call(command: list[str], limit_s: float) -> int:
    """The exit code. A run past its limit is asked to stop, then ended; its children are its own group."""
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, env=os.environ, start_new_session=True)
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        say(f"stopping pytest: {limit_s} s are over")
        return _end(process)
    except KeyboardInterrupt:
        _end(process)
        raise


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
