"""`rubin version`."""

import platform
import sys

from rubin import __version__
from rubin.cli.command import Arguments, Command
from rubin.cli.settings import GLOBAL


def command() -> Command:
    """The command."""
    return Command("version", "Print the version", GLOBAL, run)


def run(_arguments: Arguments) -> int:
    """One line: what we are, and on what we run."""
    python = ".".join(map(str, sys.version_info[:3]))
    system = f"{platform.system().lower()}/{platform.machine()} {platform.release()}"
    print(f"rubin v{__version__} with python {python} on {system}")
    return 0
