"""what it costs [GROUP…] [--json]: kernel, line, api, cli, identity, l7; beside softflowd, tshark, Envoy, mitmproxy"""

import os

from tools.dev import environment, machine, setup


def main(arguments: list[str]) -> int:
    """Becomes `python -m bench`."""
    machine.need_root()
    setup.need("dev", "world", "test", "shop", "bench")
    python = str(environment.PYTHON)
    os.execv(python, [python, "-m", "bench", *arguments])
