"""The hosts and the network between them.

  node-1 ──┐   rubin-demo-network
  node-2 ──┼── routes, and may drop what goes ── relay
  node-3 ──┘   between the relay and a node; the readers sit here

Each is a network namespace with one address. Nothing leads to the machine itself.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from demo.place import PREFIX
from demo.world import ip
from rubin.errors import RubinError

NETWORK = f"{PREFIX}network"
GATEWAY = "10.77.0.1"
# A packet that is dropped is neither refused nor answered: both ends wait, as at a cable that is cut.
CUT = """
table inet cut {{
    chain forward {{
        type filter hook forward priority 0;
        ip saddr {one} ip daddr {other} drop
        ip saddr {other} ip daddr {one} drop
    }}
}}
"""


@dataclass(frozen=True)
class Host:
    """A host by its name and its address."""

    name: str
    address: str

    @property
    def namespace(self) -> str:
        """Its network namespace."""
        return f"{PREFIX}{self.name}"

    def inside(self, *command: str) -> list[str]:
        """The words of a command that runs there."""
        return inside(self.namespace, *command)


RELAY = Host("relay", "10.77.0.2")


def nodes(count: int) -> tuple[Host, ...]:
    """So many hosts: node-1 and on."""
    return tuple(Host(f"node-{number}", f"10.77.0.{10 + number}") for number in range(1, count + 1))


def inside(namespace: str, *command: str) -> list[str]:
    """The words of a command that runs in a network namespace."""
    return ["ip", "netns", "exec", namespace, *command]


def build(hosts: Sequence[Host]) -> None:
    """Makes them all and what joins them; raises RubinError where the kernel refuses."""
    for name in (NETWORK, *(host.namespace for host in hosts)):
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
    ip("-n", NETWORK, "address", "add", f"{GATEWAY}/32", "dev", "lo")
    for host in hosts:
        _connect(host)
    _change("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")


def cut(one: Host, other: Host) -> None:
    """Lets nothing pass between the two any more, and tells neither."""
    _change("nft", "-f", "-", text=CUT.format(one=one.address, other=other.address))


def heal() -> None:
    """All passes again."""
    _change("nft", "delete", "table", "inet", "cut")


def _connect(host: Host) -> None:
    link, there = host.name, host.namespace
    ip("link", "add", "eth0", "netns", there, "type", "veth", "peer", "name", link, "netns", NETWORK)
    ip("-n", NETWORK, "link", "set", link, "up")
    ip("-n", NETWORK, "route", "add", host.address, "dev", link, "src", GATEWAY)
    ip("-n", there, "address", "add", f"{host.address}/32", "dev", "eth0")
    ip("-n", there, "link", "set", "eth0", "up")
    ip("-n", there, "route", "add", GATEWAY, "dev", "eth0", "scope", "link")
    ip("-n", there, "route", "add", "default", "via", GATEWAY)


def _change(*command: str, text: str = "") -> None:
    done = subprocess.run(inside(NETWORK, *command), input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RubinError(
            f"the demo's network cannot be changed: {' '.join(command)}: {done.stderr.strip()}",
            "routing and nftables need root and a kernel that has them",
        )
