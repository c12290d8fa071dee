"""the agent and the web UI on this machine; arguments go to `rubin agent`"""

import subprocess

from tools.dev import environment, machine, setup, web
from tools.dev.say import say

UI = "127.0.0.1:12000"


def main(arguments: list[str]) -> int:
    """The exit code of `rubin agent`; `rubin ui` beside it ends with it."""
    machine.need_agent()
    setup.need("run")
    web.need()
    rubin = environment.command("rubin")
    if "--help" in arguments or "-h" in arguments:
        return subprocess.call([rubin, "agent", *arguments])
    say(f"look at http://{UI}/, or from another terminal:")
    for look in ("tui", "observe --follow", "observe --last 20 -o json", "status"):
        say(f"  ./dev rubin {look}")
    say("  curl -s http://127.0.0.1:9965/metrics")
    say("Ctrl-C ends both; nothing stays attached")
    with subprocess.Popen([rubin, "agent", *arguments]) as agent:
        ui = subprocess.Popen([rubin, "ui", "--listen", UI])
        try:
            return _ended(agent)
        finally:
            ui.terminate()
            ui.wait()


def _ended(agent: "subprocess.Popen[bytes]") -> int:
    """Its exit code, also where Ctrl-C has reached both it and us, or SIGTERM us alone."""
    try:
        return agent.wait()
    except KeyboardInterrupt:
        agent.terminate()
        return agent.wait()
