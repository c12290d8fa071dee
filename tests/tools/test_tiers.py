"""What `./dev test` makes of what pytest reports."""

from tools.dev import tiers
from tools.dev.tiers import Result, Tier

REPORT = """\
<testsuites><testsuite>
  <testcase classname="tests.kernel.test_a" name="test_1" />
  <testcase classname="tests.kernel.test_a" name="test_2"><failure message="no" /></testcase>
  <testcase classname="tests.kernel.test_a" name="test_3"><error message="no" /></testcase>
  <testcase classname="tests.kernel.test_a" name="test_4"><skipped message="no tcx here" /></testcase>
</testsuite></testsuites>
"""


def test_passed_failed_and_skipped_are_counted_with_the_reasons(tmp_path):
    path = tmp_path / "report.xml"
    path.write_text(REPORT)
    assert tiers._counts(path) == (1, 2, (("tests.kernel.test_a.test_4", "no tcx here"),))


def test_a_tier_is_good_when_all_passed_in_time(capsys):
    def result(exit_code=0, seconds=1.0, passed=1):
        return Result("unit", exit_code, seconds, 10, passed, 0, ())

    cases = [
        ([result()], 0),
        ([result(), result(exit_code=1)], 1),
        ([result(seconds=11)], 1),
        ([result(exit_code=5, passed=0)], 1),  # nothing ran
        ([result(), result(exit_code=5, passed=0)], 0),
        ([], 1),
    ]
    assert [tiers.report(results) for results, _ in cases] == [code for _, code in cases]
    assert "over its 10 s" in capsys.readouterr().out


def test_what_was_skipped_is_said_at_the_end(capsys):
    tiers.report([Result("kernel", 0, 1.0, 10, 3, 0, (("test_tcx", "no tcx here"),))])
    out = capsys.readouterr().out
    assert "skipped: kernel: test_tcx: no tcx here\n" in out
    assert out.endswith("3 passed, 0 failed, 1 skipped\n")


def test_why_a_tier_did_not_run_is_said_at_the_end(tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    arguments = ["-q", "-p", "no:cacheprovider", "-p", "no:junitxml"]
    no_kernel = Tier("guest", (str(empty),), 60, kernel="2.4")
    assert tiers.report([tiers.run(no_kernel, []), tiers.run(Tier("crashed", (str(empty),), 60), arguments)]) == 1
    out = capsys.readouterr().out
    assert "FAILED guest" in out
    assert "there is no kernel series '2.4' here" in out
    assert "pytest ended with 4 and has left no report" in out


WAITS = """\
import time
from pathlib import Path

def test_the_other_runs_too():
    here, ends = Path(__file__).parent, time.monotonic() + 30
    (here / "{own}").touch()
    while not (here / "{other}").exists():
        assert time.monotonic() < ends
        time.sleep(0.01)
"""


def test_tiers_that_may_run_beside_others_do(tmp_path, capfd):
    both = []
    for own, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"test_{own}.py").write_text(WAITS.format(own=own, other=other))
        both.append(Tier(f"beside-{own}", (str(tmp_path / f"test_{own}.py"),), 60, beside=True))
    results = tiers.run_all(both, ["-q", "-p", "no:cacheprovider"])
    assert [(result.name, result.passed, result.good) for result in results] == [
        ("beside-a", 1, True), ("beside-b", 1, True)
    ]  # fmt: skip
    assert capfd.readouterr().out.count("1 passed") == 2
