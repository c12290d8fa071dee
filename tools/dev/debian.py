"""The one list of Debian packages, and how what is missing of it gets onto the machine."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path

from tools.dev.say import Stop, quietly, step

# Package and its witness: a command, or a file, by which one sees at a glance that it is there,
# from whatever source it came. What for: the verbs name the groups they need.
PACKAGES: dict[str, dict[str, str]] = {
    "python": {"python3-venv": "/usr/lib/python3*/ensurepip/__main__.py"},
    "load": {"libbpf1": "/usr/lib/*/libbpf.so.1"},
    "build": {
        "clang": "clang",
        "llvm": "llvm-strip",
        "libbpf-dev": "/usr/include/bpf/bpf_helpers.h",
        "linux-libc-dev": "/usr/include/linux/bpf.h",
    },
    "world": {
        "iproute2": "ip",
        "iputils-ping": "ping",
        "curl": "curl",
        "nginx-light": "nginx",
        "dnsmasq-base": "dnsmasq",
        "nftables": "nft",
        "prometheus": "prometheus",
        "procps": "sysctl",
    },
    "test": {
        "bpftool": "bpftool",
        "ethtool": "ethtool",
        "socat": "socat",
        "tcpdump": "tcpdump",
        "netcat-openbsd": "nc",
        "iptables": "iptables",
        "util-linux": "setpriv",
        "openssl": "openssl",
        "wrk": "wrk",
    },
    "deploy": {"kubernetes-client": "kubectl", "openssl": "openssl", "systemd": "systemd-analyze"},
    "containers": {
        "containerd": "containerd",
        "runc": "runc",
        "busybox-static": "/usr/share/doc/busybox-static",
    },
    "shop": {
        "postgresql": "/usr/lib/postgresql/*/bin/postgres",
        "redis-server": "redis-server",
        "openssl": "openssl",
    },
    "runtimes": {
        "containernetworking-plugins": "/usr/lib/cni/ptp",
        "podman": "podman",
        "conmon": "conmon",
        "docker.io": "dockerd",
    },
    "browser": {"chromium": "chromium"},
    "terminal": {"tmux": "tmux"},
    "bench": {"iperf3": "iperf3", "wrk": "wrk", "softflowd": "softflowd", "tshark": "tshark"},
    "vm": {
        "e2fsprogs": "mke2fs",
        "qemu-system-x86": "qemu-system-x86_64",
        "kmod": "depmod",
        "busybox-static": "/usr/share/doc/busybox-static",
        "cpio": "cpio",
        "zstd": "zstd",
    },
}

# Daemons that we start ourselves, with our own configuration, and never as services of the machine.
SERVICES = {
    "nginx-light": ("nginx",),
    "prometheus": ("prometheus",),
    "softflowd": ("softflowd",),
    "containerd": ("containerd",),
    "postgresql": ("postgresql",),
    "redis-server": ("redis-server",),
    "docker.io": ("docker", "docker.socket"),
    "podman": ("podman", "podman.socket", "podman-restart"),
}
POLICY = Path("/usr/sbin/policy-rc.d")
SYSTEM_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def present(witness: str) -> bool:
    """True when the command or file is on this machine."""
    return bool(glob(witness)) if witness.startswith("/") else shutil.which(witness, path=SYSTEM_PATH) is not None


def missing(groups: tuple[str, ...]) -> list[str]:
    """The packages of these groups whose witness is not there."""
    return [name for group in groups for name, witness in PACKAGES[group].items() if not present(witness)]


def need(*groups: str) -> None:
    """Installs what is missing of these groups; raises Stop with the command where it may not or cannot."""
    absent = missing(groups)
    if not absent:
        return
    command = f"apt-get install {' '.join(absent)}"
    if shutil.which("apt-get") is None:
        raise Stop(
            f"this machine lacks {', '.join(absent)} (Debian's names) and has no apt-get", "install them by hand"
        )
    if os.geteuid() != 0:
        raise Stop(f"this machine lacks {', '.join(absent)}", f"sudo {command}")
    with step(f"installing Debian's {', '.join(absent)}"), _no_services(absent):
        install(absent)
    still = missing(groups)
    if still:
        raise Stop(f"{', '.join(still)} was installed but is not where it is looked for", f"look at: {command}")


def install(packages: list[str]) -> None:
    """apt-get install; with fresh lists where the lists at hand do not do."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", *packages]
    problem = Stop(f"Debian's packages cannot be installed: {' '.join(packages)}", "is the package registry reachable?")
    try:
        quietly(command, problem, environment)
    except Stop:
        refresh()
        quietly(command, problem, environment)


def refresh() -> None:
    """Fetches the lists of packages; what fails of it shows when something is installed."""
    subprocess.run(
        ["apt-get", "update", "-qq", "-o", "DPkg::Lock::Timeout=300"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


@contextmanager
def _no_services(packages: list[str]) -> Iterator[None]:
    """Packages of daemons neither start them now nor at the next boot; a policy that is there stays."""
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)
    for package in packages:
        if package in SERVICES and shutil.which("systemctl"):
            for unit in SERVICES[package]:
                subprocess.run(["systemctl", "disable", "--quiet", unit], capture_output=True, check=False)
