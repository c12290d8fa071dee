"""The web application, built where a source changed."""

from tools import build_web
from tools.dev import environment
from tools.dev.say import Stop, quietly, step


def need() -> None:
    """Makes src/rubin/ui/static/ hold the application of these sources."""
    if not build_web.stale():
        return
    unbuilt = Stop("the web application cannot be built", "is npm's registry reachable? its words are above")
    with step("building the web application"):
        quietly([environment.PYTHON, "tools/build_web.py"], unbuilt)
