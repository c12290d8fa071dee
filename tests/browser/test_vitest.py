"""The application's own tests: frames, layout, camera, URL, units, the table."""

from tools import build_web


def test_the_applications_own_tests_pass():
    build_web.packages()
    told = build_web.npm("run", "test")
    assert "passed" in told
