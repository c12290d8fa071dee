"""the agent on a small world of its own [--once] [--seconds N], or many hosts behind a relay [--nodes N] [--quick]"""

import os
import sys

from tools.dev import debian, environment, machine, setup
from tools.dev.say import Stop


def main(arguments: list[str]) -> int:
    """Becomes `python -m demo`."""
    machine.need_agent()
    if any(word.startswith("--nodes") for word in arguments):
        setup.need("run", "world")
    else:
        setup.need("run", "world", "containers")
        try:
            debian.need("shop")
        except Stop as stop:  # the demo says what it leaves out for it
            print(stop, file=sys.stderr)
    python = str(environment.PYTHON)
    os.execv(python, [python, "-m", "demo", *arguments])
