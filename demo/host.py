"""A plain host, this machine itself: containers, a service in a scope as systemd makes them, and a process.

shop ── a cable ──> stock            two containers with a network of their own
report ──> orders.scope (nginx)      a container in the machine's network
curl ──> web                         a process, and a container that serves it
"""

from demo import containers
from demo.pods import nginx, saying
from demo.processes import start as start_process
from demo.prometheus import free_port

CURL = "while true; do curl -s -o /dev/null -m 5 http://127.0.0.1:{}/passwd; sleep 1; done"


def start() -> None:
    """All of it, on addresses that only this machine has."""
    orders_port, web_port = free_port(), free_port()
    start_process("orders.scope", nginx("orders", saying("no orders", f"127.0.0.1:{orders_port}")))
    containers.start(web_port, orders_port)
    start_process("shell", ["sh", "-c", CURL.format(web_port)])
