"""the agent on a small world of its own [--once] [--seconds N]: flows, metrics, Prometheus's answers"""

import os

from tools.dev import environment, machine, setup


def main(arguments: list[str]) -> int:
    """Becomes `python -m demo`."""
    machine.need_agent()
    setup.need("run", "world", "containers")
    python = str(environment.PYTHON)
    os.execv(python, [python, "-m", "demo", *arguments])
