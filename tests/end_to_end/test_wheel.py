"""Who installs the wheel needs no compiler."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.dev.say import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder into which a wheel of this tree was installed."""
    wheels: Path = tmp_path_factory.mktemp("wheels")
    folder: Path = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, ROOT], check=True, cwd=wheels
    )
    (wheel,) = wheels.glob("rubin-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", folder, wheel], check=True)
    return folder


def _python(installed: Path, *arguments: str) -> str:
    """The output of a Python that finds Rubin in the wheel alone and no program at all."""
    environment = {"PATH": "/nonexistent", "PYTHONPATH": str(installed), "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        [sys.executable, "-P", *arguments], env=environment, cwd=installed, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_wheel_carries_every_compiled_object(installed):
    sources = {f"{path.stem}.o" for path in (ROOT / "bpf").glob("*.bpf.c")}
    objects = {path.name for path in (installed / "rubin" / "kernel" / "objects").glob("*.bpf.o")}
    assert sources
    assert objects == sources


def test_rubin_of_the_wheel_says_its_version(installed):
    out = _python(installed, "-c", "import rubin; print(rubin.__file__)")
    assert out.strip() == str(installed / "rubin" / "__init__.py")
    assert "0.1.0" in _python(installed, "-m", "rubin", "version")


def test_the_wheel_says_its_licences(installed):
    (information,) = installed.glob("rubin-*.dist-info")
    assert {path.name for path in (information / "licenses").rglob("LICENSE*") if path.is_file()} == {
        "LICENSE",
        "LICENSE.BSD-2-Clause",
        "LICENSE.GPL-2.0",
    }
    assert shutil.which("rubin", path=installed / "bin")
