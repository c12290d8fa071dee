"""removes what the other verbs made: .venv, build/, compiled objects, caches"""

import shutil

from tools.build_bpf import OBJECTS
from tools.dev.say import ROOT, say

CACHES = (".mypy_cache", ".pytest_cache", ".ruff_cache", ".import_linter_cache", ".hypothesis")


def main(arguments: list[str]) -> int:
    """Leaves the tree as a clone has it; Debian's packages stay."""
    del arguments
    for name in (".venv", "build", "dist", *CACHES):
        if (ROOT / name).exists():
            say(f"removing {name}")
            shutil.rmtree(ROOT / name)
    for compiled in (*OBJECTS.glob("*.bpf.o"), *ROOT.glob("src/*.egg-info")):
        say(f"removing {compiled.relative_to(ROOT)}")
        compiled.unlink()
    return 0
