"""what it costs [GROUP…] [--json]: kernel, line, api, cli, identity, l7, ui; beside tshark, softflowd and others"""

import os

from tools.dev import environment, machine, setup, web


def main(arguments: list[str]) -> int:
    """Becomes `python -m bench`."""
    machine.need_root()
    setup.need("dev", "world", "test", "shop", "bench", "browser")
    web.need()
    python = str(environment.PYTHON)
    os.execv(python, [python, "-m", "bench", *arguments])
