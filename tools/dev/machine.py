"""What the agent needs of the machine, looked at before anything is started."""

import os
import platform
from pathlib import Path

from tools.dev.say import Stop

MOUNTS = Path("/proc/self/mounts")
BTF = Path("/sys/kernel/btf/vmlinux")


def need_agent() -> None:
    """Raises Stop with the first thing that keeps an agent from running here."""
    if platform.system() != "Linux":
        raise Stop(
            "Rubin observes Linux; this is " + platform.system(), "a Linux machine, or `rubin replay` of a capture"
        )
    need_root()
    if not BTF.exists():
        raise Stop(
            f"this kernel ({platform.release()}) has no type information ({BTF})",
            "a kernel with CONFIG_DEBUG_INFO_BTF=y",
        )
    if " cgroup2 " not in MOUNTS.read_text():
        raise Stop("no cgroup2 file system is mounted", "mount -t cgroup2 none /sys/fs/cgroup/unified")


def need_root() -> None:
    """Raises Stop where the verb's caller is not root."""
    if os.geteuid() != 0:
        raise Stop("this needs root: it loads programs into the kernel and makes network namespaces", "sudo ./dev …")
