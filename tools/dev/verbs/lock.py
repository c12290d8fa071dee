"""chooses new versions of the Python packages and writes the lock files"""

from tools.dev import environment
from tools.dev.say import BUILD, ROOT, Stop, quietly, step

GROUPS = {"run": ("build",), "dev": ("build", "dev")}
OPTIONS = "--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade"


def main(arguments: list[str]) -> int:
    """Rewrites requirements.lock and requirements-dev.lock; no registry's address gets into them."""
    del arguments
    environment.need("run")
    uv = BUILD / "uv"
    unreachable = Stop("no versions can be chosen", "is the package index reachable?")
    with step("fetching uv"):
        quietly([environment.PYTHON, "-m", "pip", "install", "--quiet", "--target", uv, "uv"], unreachable)
    for kind, groups in GROUPS.items():
        lock = environment.LOCKS[kind]
        words = [word for group in groups for word in ("--group", group)]
        with step(f"writing {lock}"):
            quietly(
                [
                    uv / "bin" / "uv",
                    "pip",
                    "compile",
                    ROOT / "pyproject.toml",
                    *words,
                    *OPTIONS.split(),
                    "-q",
                    "-o",
                    lock,
                ],
                unreachable,
            )
    return 0
