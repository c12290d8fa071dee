"""The agents, what they observe, and the relay: each in its host's namespace and cgroup.

An agent sees the sockets of the cgroups below the root that it finds mounted. A node's agent finds its own
cgroup there, in a cgroup namespace, as on a machine of its own: so none sees another's sockets.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from demo import processes
from demo.nodes import trust
from demo.nodes.network import RELAY, Host
from demo.place import FOLDER
from rubin.errors import RubinError

AGENT_PORT, RELAY_PORT, WORK_PORT = 4244, 4245, 8000
START_S, END_S = 60.0, 10.0
NAMES, PEERS = FOLDER / "names.toml", FOLDER / "peers"
SOCKET = FOLDER / "relay" / "relay.sock"
WORK = Path(__file__).with_name("work.py")
# `ip netns exec` has mounted a fresh /sys, below which nothing of the machine's cgroups is left.
ENTER = 'mount -t cgroup2 none /sys/fs/cgroup && mkdir -p "$0" && echo $$ >"$0/cgroup.procs" && exec "$@"'
AGENTS_CGROUP = "/sys/fs/cgroup/agent.scope"


class Process:
    """A program that says that it has started."""

    def __init__(self, name: str, started: str, command: Sequence[str]) -> None:
        """`started` is what its log says then."""
        self.name = name
        self._started, self._command = started, command
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Begin, also once more."""
        self._said = len(self._log())
        self._began_s = time.monotonic()
        self._process = processes.start(self.name, self._command)

    def wait(self) -> None:
        """Returns when it has started; raises RubinError with its last words where it does not."""
        while self._started not in self.words():
            self.check()
            if time.monotonic() - self._began_s > START_S:
                raise RubinError(f"{self.name} does not start", self.words() or "it said nothing")
            time.sleep(0.02)

    def check(self) -> None:
        """Raises RubinError where it has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise RubinError(f"{self.name} has ended", self.words() or "it said nothing")

    def end(self, number: int = signal.SIGTERM) -> None:
        """Ends it by this signal."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired as error:
            raise RubinError(f"{self.name} does not end", self.words()) from error

    def words(self) -> str:
        """What it said since it began."""
        return self._log()[self._said :].strip()

    def _log(self) -> str:
        path = processes.log_of(self.name)
        return path.read_text() if path.exists() else ""


def write_names(hosts: Sequence[Host]) -> None:
    """Who is who, for the agents; where who is, for the relay."""
    tables = (f'[[nodes]]\nname = "{host.name}"\naddresses = ["{host.address}"]\n' for host in (*hosts, RELAY))
    NAMES.write_text("\n".join(tables))
    PEERS.write_text("".join(f"{host.name}={host.address}:{AGENT_PORT}\n" for host in hosts))
    for host in (*hosts, RELAY):
        (FOLDER / host.name).mkdir(exist_ok=True)


def agent(rubin: str, host: Host) -> Process:
    """The agent of a node, which shows its certificate to whoever asks and wants to see one."""
    certificate, key, authority = trust.files(host.name)
    command = [
        *("unshare", "--cgroup", "sh", "-c", ENTER, AGENTS_CGROUP),
        *(rubin, "agent", "--node-name", host.name, "--names", str(NAMES)),
        *("--listen", str(FOLDER / host.name / "rubin.sock"), "--listen-address", f":{AGENT_PORT}"),
        *("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-client-ca-files", str(authority)),
        *("--metrics-address", "", "--container-runtimes", "", "--messages=false", "--ring-capacity", "200000"),
    ]
    return Process(host.name, "agent=started", host.inside(*command))


def relay(rubin: str) -> Process:
    """The relay, with one certificate for both of its sides."""
    certificate, key, authority = trust.files(RELAY.name)
    command = [
        *(rubin, "relay", "--node-name", RELAY.name, "--peers", f"@{PEERS}", "--listen", str(SOCKET)),
        *("--listen-address", f"{RELAY.address}:{RELAY_PORT}", "--tls-crl-file", str(trust.REVOKED)),
        *("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-client-ca-files", str(authority)),
        *("--tls-node-client-cert-file", str(certificate), "--tls-node-client-key-file", str(key)),
        *("--tls-node-ca-files", str(authority), "--tls-node-crl-file", str(trust.REVOKED)),
    ]
    return Process(RELAY.name, "relay=started", RELAY.inside(*command))


def work(host: Host, others: Sequence[Host], per_second: float) -> None:
    """A service on the node, and who asks those of the others."""
    python = [sys.executable, "-S", str(WORK)]
    processes.start(f"{host.name}/orders.scope", host.inside(*python, "serve", host.address, str(WORK_PORT)))
    asking = [
        "ask",
        str(per_second),
        str(WORK_PORT),
        str(made(host)),
        host.address,
        *(other.address for other in others),
    ]
    processes.start(f"{host.name}/shop.scope", host.inside(*python, *asking))


def made(host: Host) -> Path:
    """Where the connections of a node are written down."""
    return FOLDER / host.name / "made"
