"""The dispatcher and its verbs."""

import importlib
import os
import subprocess

import pytest

from tools.dev.__main__ import verbs
from tools.dev.say import ROOT


def _dev(*words: str, cwd=ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([ROOT / "dev", *words], capture_output=True, text=True, cwd=cwd, check=False)


def test_without_a_verb_all_verbs_are_listed():
    done = _dev()
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == sorted(verbs())


def test_an_unknown_verb_is_refused_with_the_known_ones(tmp_path):
    done = _dev("tets", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("rubin: there is no verb 'tets'\n  try: one of bench, check,")


@pytest.mark.parametrize("name", verbs())
def test_every_verb_can_be_called_and_is_described_for_who_works_on_rubin(name):
    assert callable(importlib.import_module(f"tools.dev.verbs.{name}").main)
    assert f"| `{name}" in (ROOT / "CONTRIBUTING.md").read_text()


def test_the_dispatcher_finds_another_python_where_the_first_is_too_old(tmp_path):
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([ROOT / "dev"], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
