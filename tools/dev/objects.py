"""The BPF objects, compiled where a source changed."""

import os

from tools import build_bpf
from tools.dev import debian
from tools.dev.say import Stop, step


def need() -> None:
    """Makes src/rubin/kernel/objects/ hold the objects of these sources, and libbpf be there to load them."""
    debian.need("load")
    if not build_bpf.stale():
        return
    debian.need("build")
    os.environ["PATH"] = debian.SYSTEM_PATH
    with step("compiling the BPF programs"):
        try:
            build_bpf.build()
        except build_bpf.CompileError as error:
            raise Stop(f"clang refused the BPF programs\n{error}") from error
