"""Debian's kernels, fetched into build/vm/ and unpacked there: nothing is installed."""

import re
import shutil
import subprocess
from pathlib import Path

from tools.dev.say import BUILD, Stop, quietly, step

# Series and the suite that has it. The generic flavour: the cloud one lacks 9p.
SUITES = {"6.1": "bookworm", "6.12": "bookworm-backports"}
FOLDER = BUILD / "vm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def image(series: str) -> Path:
    """The vmlinuz of the newest kernel of `series`, its modules beside it; raises Stop where none is to be had."""
    if series not in SUITES:
        raise Stop(f"there is no kernel series {series!r} here", f"one of {', '.join(SUITES)}", 2)
    found = sorted((FOLDER / series).glob("boot/vmlinuz-*"))
    return found[-1] if found else _fetch(series)


def _fetch(series: str) -> Path:
    options = _apt_options(SUITES[series])
    unreachable = Stop(f"Debian's kernel {series} cannot be fetched", "is the package registry reachable?")
    with step(f"fetching Debian's kernel {series}"):
        quietly(["apt-get", *options, "update", "-qq"], unreachable)
        package = _newest(
            series, quietly(["apt-cache", *options, "search", "--names-only", "^linux-image-6"], unreachable)
        )
        downloads = FOLDER / "downloads"
        downloads.mkdir(exist_ok=True)
        subprocess.run(
            ["apt-get", *options, "download", "-qq", package], cwd=downloads, capture_output=True, check=False
        )
        archives = sorted(downloads.glob(f"{package}_*.deb"))
        if not archives:
            raise unreachable
    unpacked = FOLDER / f"{series}.part"
    shutil.rmtree(unpacked, ignore_errors=True)
    with step(f"unpacking {package}"):
        quietly(["dpkg", "-x", archives[-1], unpacked], unreachable)
        quietly(["depmod", "-b", unpacked, package.removeprefix("linux-image-")], unreachable)
        archives[-1].unlink()
        unpacked.rename(FOLDER / series)
    return image(series)


def _newest(series: str, listing: str) -> str:
    """Of lines `linux-image-6.1.0-56-amd64 - …` the highest signed generic one of the series."""
    pattern = rf"^(linux-image-{re.escape(series)}\.[0-9][0-9a-z.+-]*-amd64) - "
    names: list[str] = [
        name for name in re.findall(pattern, listing, re.MULTILINE) if not re.search(r"-(cloud|rt)-amd64$", name)
    ]
    if not names:
        raise Stop(f"the package registry has no kernel {series} ({SUITES[series]})", f"one of {', '.join(SUITES)}")
    return max(names, key=_version)


def _version(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _apt_options(suite: str) -> list[str]:
    """apt with lists of its own, from the mirror that this machine uses anyway."""
    mirror = _mirror()
    for name in ("lists/partial", "cache/archives/partial"):
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
    sources = FOLDER / "sources.list"
    suites = [suite] if suite.endswith("-backports") else [suite, f"{suite}-updates"]
    sources.write_text("".join(f"deb [signed-by={KEYRING}] {mirror} {name} main\n" for name in suites))
    settings = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": FOLDER / "lists",
        "Dir::Cache": FOLDER / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Retries": 3,
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _mirror() -> str:
    problem = Stop("apt-get says no mirror of Debian", "a Debian machine with its usual sources")
    lines = quietly(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(LABEL)", "Created-By: Packages"], problem
    )
    for line in lines.splitlines():
        uri, _, rest = line.partition(" ")
        if rest == "Debian Debian":
            return uri
    raise problem
