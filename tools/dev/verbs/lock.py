"""chooses new versions of the Python packages and writes the lock files"""

from tools.dev import environment
from tools.dev.say import BUILD, Stop, quietly, step

GROUPS = {
    "run": ("pyproject.toml", "--group", "build"),
    "dev": ("pyproject.toml", "--group", "build", "--group", "dev"),
    "vm": ("--group", "vm"),
    "fuzz": ("--group", "fuzz"),
    "bench": ("bench/alternatives.in",),
}
OPTIONS = "--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade"


def main(arguments: list[str]) -> int:
    """Rewrites all of them; no registry's address gets into them."""
    del arguments
    environment.need("run")
    uv = BUILD / "uv"
    unreachable = Stop("no versions can be chosen", "is the package index reachable?")
    with step("fetching uv"):
        quietly([environment.PYTHON, "-m", "pip", "install", "--quiet", "--target", uv, "uv"], unreachable)
    for kind, words in GROUPS.items():
        lock = environment.LOCKS[kind]
        command = [str(uv / "bin" / "uv"), "pip", "compile", *words, *OPTIONS.split(), "--quiet", "--output-file", lock]
        with step(f"writing {lock}"):
            quietly(command, unreachable)
    return 0
