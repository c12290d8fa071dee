"""hatchling's hook: a wheel carries BPF objects and a web application of the sources it was built from."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # hatchling runs this file from wherever it likes

from tools import build_bpf, build_web


class BuildHook(BuildHookInterface[BuilderConfig]):
    """Compiles before a wheel is packed; an editable install and an sdist take the tree as it is."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Called by hatchling with "standard" or "editable"."""
        if self.target_name != "wheel" or version == "editable":
            return
        if build_bpf.stale():
            build_bpf.build()
        if build_web.stale():
            build_web.build()
