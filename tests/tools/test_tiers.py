"""What `./dev test` makes of what pytest reports."""

from tools.dev import tiers
from tools.dev.tiers import Result

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
