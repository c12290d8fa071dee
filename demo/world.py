"""The world: pods of a cluster, the node that routes between them, and what lies outside.

                     rubin-demo-cluster                     rubin-demo-outside
  deployment-a ──┐   routes; 10.96.0.12:80  = deployment-b   a client of the load balancer
  deployment-b ──┼── the load balancer's 203.0.113.100:5678 ── google.com, and the DNS server that
  foo-app      ──┤                          = foo-app        says so
  test-conn…   ──┘   DNS server of the cluster

Every pod has one address and one way out, as most CNIs do it. Nothing leads to the machine itself.
"""

import subprocess
from dataclasses import dataclass

from demo.place import PREFIX
from rubin.errors import RubinError

CLUSTER, OUTSIDE = f"{PREFIX}cluster", f"{PREFIX}outside"
GATEWAY = "10.244.0.1"
SERVICE_B = "10.96.0.12"
OUTSIDE_GATEWAY, LOAD_BALANCER = "203.0.113.1", "203.0.113.100"
CLIENT, GOOGLE, OUTSIDE_DNS = "203.0.113.2", "198.51.100.8", "198.51.100.53"
HTTP_PORT, ECHO_PORT = 80, 5678


@dataclass(frozen=True)
class Pod:
    """A pod: its name, its address, and the DNS server it asks."""

    name: str
    address: str
    dns: str = GATEWAY

    @property
    def namespace(self) -> str:
        """Its network namespace."""
        return f"{PREFIX}{self.name}"


POD_A = Pod("pod-a", "10.244.0.10")
POD_B = Pod("pod-b", "10.244.0.11")
HTTP_ECHO = Pod("http-echo", "10.244.0.12")
TEST_CONNECTIVITY = Pod("test-connectivity", "10.244.0.13", OUTSIDE_DNS)
PODS = (POD_A, POD_B, HTTP_ECHO, TEST_CONNECTIVITY)

# What kube-proxy and a load balancer do, in the cluster's own namespace: the destination is translated.
TRANSLATION = f"""
table ip services {{
    chain prerouting {{
        type nat hook prerouting priority dstnat;
        ip daddr {SERVICE_B} tcp dport {HTTP_PORT} dnat to {POD_B.address}:{HTTP_PORT}
        ip daddr {LOAD_BALANCER} tcp dport {ECHO_PORT} dnat to {HTTP_ECHO.address}:{ECHO_PORT}
    }}
}}
"""


def build() -> None:
    """Makes the namespaces, the links between them and the translation; raises RubinError where the kernel refuses."""
    for name in (CLUSTER, OUTSIDE, *(pod.namespace for pod in PODS)):
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
    for pod in PODS:
        _connect_pod(pod)
    _connect_outside()
    _inside(CLUSTER, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
    _inside(CLUSTER, "nft", "-f", "-", text=TRANSLATION)


def _connect_pod(pod: Pod) -> None:
    link = f"pod{PODS.index(pod)}"
    ip("link", "add", "eth0", "netns", pod.namespace, "type", "veth", "peer", "name", link, "netns", CLUSTER)
    ip("-n", CLUSTER, "address", "add", f"{GATEWAY}/32", "dev", link)
    ip("-n", CLUSTER, "link", "set", link, "up")
    ip("-n", CLUSTER, "route", "add", pod.address, "dev", link)
    ip("-n", pod.namespace, "address", "add", f"{pod.address}/32", "dev", "eth0")
    ip("-n", pod.namespace, "link", "set", "eth0", "up")
    ip("-n", pod.namespace, "route", "add", GATEWAY, "dev", "eth0", "scope", "link")
    ip("-n", pod.namespace, "route", "add", "default", "via", GATEWAY)


def _connect_outside() -> None:
    ip("link", "add", "eth0", "netns", OUTSIDE, "type", "veth", "peer", "name", "outside", "netns", CLUSTER)
    for address in (OUTSIDE_GATEWAY, LOAD_BALANCER):
        ip("-n", CLUSTER, "address", "add", f"{address}/24", "dev", "outside")
    ip("-n", CLUSTER, "link", "set", "outside", "up")
    for address in (f"{CLIENT}/24", f"{GOOGLE}/32", f"{OUTSIDE_DNS}/32"):
        ip("-n", OUTSIDE, "address", "add", address, "dev", "eth0")
    ip("-n", OUTSIDE, "link", "set", "eth0", "up")
    ip("-n", OUTSIDE, "route", "add", "default", "via", OUTSIDE_GATEWAY)
    ip("-n", CLUSTER, "route", "add", "default", "via", CLIENT)


def ip(*words: str) -> None:
    """iproute2's `ip`; raises RubinError where it refuses."""
    _run(["ip", *words])


def _inside(namespace: str, *words: str, text: str = "") -> None:
    _run(["ip", "netns", "exec", namespace, *words], text)


def _run(command: list[str], text: str = "") -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RubinError(
            f"the demo's world cannot be made: {' '.join(command)}: {done.stderr.strip()}",
            "network namespaces, veth and nftables need root and a kernel that has them",
        )
