"""all, or of [unit flows faces golden browser kernel containers end_to_end kernel_6.1 kernel_6.12] [-- for pytest]"""

import os
from pathlib import Path

from tools.dev import debian, environment, machine, setup, tiers, web
from tools.dev.say import ROOT, Stop
from tools.dev.tiers import Tier

FLOWS = ("dissect", "identity", "query", "wire")
FACES = ("cli", "tui", "ui")
APART = (*FLOWS, *FACES, "golden", "browser", "kernel", "containers", "end_to_end")
WITH_PAGES = ("browser", "end_to_end")


def main(arguments: list[str]) -> int:
    """0 when every test of every tier asked for passed, within the tiers' times."""
    names, pytest_arguments = _parse(arguments)
    chosen = [tier for tier in _tiers() if tier.name in names]
    if any(tier.root for tier in chosen):
        if os.geteuid() != 0:
            raise Stop(
                "the tiers kernel, containers and end_to_end need root",
                "sudo ./dev test, or: ./dev test unit flows faces golden browser",
            )
        machine.need_agent()
    setup.need("dev", *dict.fromkeys(group for tier in chosen for group in tier.packages))
    if any(tier.name in WITH_PAGES for tier in chosen):
        web.need()
    if any(tier.kernel for tier in chosen):
        environment.need("vm")
    os.environ["PATH"] = debian.SYSTEM_PATH
    return tiers.report(tiers.run_all([tier for tier in chosen if tier.folders], pytest_arguments))


def _tiers() -> list[Tier]:
    """The quick ones first, in three parts that take about as long; the faces are what people see. These wait half of
    their time, for programs that they start and for what must not come, so that two processors have enough to do.

    A guest boots in 20 to 50 s and then runs about ten times slower than this machine. The two guests share it, and so
    each has time for both.
    """
    world = ("world", "test")
    return [
        Tier("unit", _unit_folders(), budget_s=900, packages=("deploy",), beside=True),
        Tier("flows", _existing(*FLOWS), budget_s=900, beside=True),
        Tier("faces", _existing(*FACES), budget_s=900, packages=("terminal",), beside=True),
        Tier("golden", _existing("golden"), budget_s=120),
        Tier("browser", _existing("browser"), budget_s=720, packages=("browser",)),
        Tier("kernel", _existing("kernel"), budget_s=600, root=True, packages=world),
        Tier(
            "containers", _existing("containers"), budget_s=180, root=True, packages=(*world, "containers", "runtimes")
        ),
        Tier(
            "end_to_end",
            _existing("end_to_end"),
            budget_s=600,
            root=True,
            packages=(*world, "containers", "shop", "browser"),
        ),
        Tier("kernel_6.1", _existing("kernel"), budget_s=3600, root=True, packages=(*world, "vm"), kernel="6.1"),
        Tier("kernel_6.12", _existing("kernel"), budget_s=3600, root=True, packages=(*world, "vm"), kernel="6.12"),
    ]


def _unit_folders() -> tuple[str, ...]:
    names = sorted(path.name for path in (ROOT / "tests").iterdir() if path.name not in APART)
    return _existing(*names)


def _existing(*names: str) -> tuple[str, ...]:
    """Of `tests/name` those that are, or hold, a file of tests."""
    return tuple(f"tests/{name}" for name in names if _has_tests(ROOT / "tests" / name))


def _has_tests(path: Path) -> bool:
    return path.name.startswith("test_") if path.is_file() else any(path.rglob("test_*.py"))


def _parse(arguments: list[str]) -> tuple[list[str], list[str]]:
    known = [tier.name for tier in _tiers()]
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    names, rest = arguments[:cut], arguments[cut + 1 :]
    for name in names:
        if name not in known:
            raise Stop(f"there is no tier {name!r}", f"some of {', '.join(known)}; pytest's arguments after --", 2)
    return names or known, rest
