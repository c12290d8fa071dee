"""`python -m bench [GROUP…] [--json]`: run groups of measurements and tell their figures."""

import argparse
import importlib
import os
import platform
import sys
import time

from bench.figures import Figures

GROUPS = ("kernel", "line", "api", "cli", "identity", "l7", "ui", "relay")


def main() -> int:
    """Run what was asked for; exit 1 when a figure misses what is asked of it."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument(
        "groups", nargs="*", metavar="GROUP", choices=[*GROUPS, []], help=f"one of {', '.join(GROUPS)}; default all"
    )
    parser.add_argument("--json", action="store_true", help="end with one flat object of figures")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, for a look while you work")
    arguments = parser.parse_args()
    figures = Figures()
    print(f"{_machine()}\n", flush=True)
    try:
        for group in arguments.groups or GROUPS:
            print(f"{group}:", flush=True)
            importlib.import_module(f"bench.{group}").measure(figures, quick=arguments.quick)
    finally:  # what was measured before something failed, too
        print(f"\n{figures.table()}", flush=True)
    if arguments.json:
        print(figures.as_json())
    return 1 if "MISSED" in figures.table() else 0


def _machine() -> str:
    cpu = "unknown CPU"
    with open("/proc/cpuinfo") as lines:
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    system = f"Linux {platform.release()}  {os.cpu_count()} x {cpu}  Python {platform.python_version()}"
    return f"{time.strftime('%Y-%m-%d')}  {system}"


if __name__ == "__main__":
    sys.exit(main())
