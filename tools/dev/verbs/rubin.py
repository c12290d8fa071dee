"""the command `rubin` of this tree, e.g. ./dev rubin observe --follow"""

import os

from tools.dev import environment, objects


def main(arguments: list[str]) -> int:
    """Becomes `rubin`, in the directory from which `./dev` was called."""
    environment.need("run")
    if arguments[:1] == ["agent"]:
        objects.need()
    os.chdir(os.environ.pop("DEV_CALLED_FROM", "."))
    rubin = environment.command("rubin")
    os.execv(rubin, [rubin, *arguments])
