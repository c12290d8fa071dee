"""the tests [unit golden kernel end_to_end] [-- pytest's arguments]; all tiers by default"""

import os
import sys
from dataclasses import dataclass

from tools.dev import debian, machine, setup, tiers
from tools.dev.say import ROOT, Stop


@dataclass(frozen=True)
class Tier:
    """A directory of tests, what it may take, and what it needs."""

    folders: tuple[str, ...]
    budget_s: int
    root: bool = False
    packages: tuple[str, ...] = ()


APART = ("golden", "kernel", "end_to_end")


def _unit_folders() -> tuple[str, ...]:
    return tuple(
        f"tests/{path.name}"
        for path in sorted((ROOT / "tests").iterdir())
        if path.name not in APART and _has_tests(path.name)
    )


def _has_tests(name: str) -> bool:
    path = ROOT / "tests" / name
    return path.name.startswith("test_") if path.is_file() else any(path.rglob("test_*.py"))


TIERS = {
    "unit": Tier(_unit_folders(), budget_s=240),
    "golden": Tier(("tests/golden",), budget_s=120),
    "kernel": Tier(("tests/kernel",), budget_s=420, root=True, packages=("world", "test")),
    "end_to_end": Tier(("tests/end_to_end",), budget_s=600, root=True, packages=("world", "test")),
}


def main(arguments: list[str]) -> int:
    """0 when every test of every tier asked for passed, within the tiers' times."""
    names, pytest_arguments = _parse(arguments)
    chosen = {name: TIERS[name] for name in names}
    if any(tier.root for tier in chosen.values()) and os.geteuid() != 0:
        raise Stop("the tiers kernel and end_to_end need root", "sudo ./dev test, or: ./dev test unit golden")
    if any(tier.root for tier in chosen.values()):
        machine.need_agent()
    setup.need("dev", *dict.fromkeys(group for tier in chosen.values() for group in tier.packages))
    os.environ["PATH"] = debian.SYSTEM_PATH
    results = [
        tiers.run(name, tier.folders, tier.budget_s, pytest_arguments)
        for name, tier in chosen.items()
        if tier.folders and any(_has_tests(folder.removeprefix("tests/")) for folder in tier.folders)
    ]
    return tiers.report(results)


def _parse(arguments: list[str]) -> tuple[list[str], list[str]]:
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    names, rest = arguments[:cut], arguments[cut + 1 :]
    for name in names:
        if name not in TIERS:
            raise Stop(f"there is no tier {name!r}", f"some of {', '.join(TIERS)}; pytest's arguments after --", 2)
    return names or list(TIERS), rest


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
