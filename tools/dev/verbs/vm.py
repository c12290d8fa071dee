"""the kernel tests on another kernel, emulated: 6.1 or 6.12 [command to run there instead]"""

from tools.dev import environment, guest, setup
from tools.dev.kernels import SUITES
from tools.dev.say import Stop

LIMIT_S = 900


def main(arguments: list[str]) -> int:
    """The exit code of the command in the guest."""
    if not arguments:
        raise Stop("which kernel?", f"./dev vm {' | '.join(SUITES)} [command]", 2)
    series, command = arguments[0], arguments[1:]
    setup.need("dev", "world", "test", "vm")
    environment.need("vm")
    return guest.run(series, command or guest.pytest_command("tests/kernel"), LIMIT_S)
