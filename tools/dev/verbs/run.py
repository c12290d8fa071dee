"""the agent on this machine; arguments go to `rubin agent`"""

import os

from tools.dev import environment, machine, setup
from tools.dev.say import say


def main(arguments: list[str]) -> int:
    """Becomes `rubin agent`."""
    machine.need_agent()
    setup.need("run")
    say("look from another terminal:")
    for look in ("observe --follow", "observe --last 20 -o json", "status"):
        say(f"  ./dev rubin {look}")
    say("  curl -s http://127.0.0.1:9965/metrics")
    say("Ctrl-C ends the agent; nothing stays attached")
    rubin = environment.command("rubin")
    os.execv(rubin, [rubin, "agent", *arguments])
