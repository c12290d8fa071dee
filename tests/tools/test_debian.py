"""Debian's packages: what is missing is named, with the command that mends it."""

import pytest

from tools.dev import debian
from tools.dev.say import ROOT, Stop


def test_a_package_is_missing_when_its_witness_is(monkeypatch):
    monkeypatch.setitem(
        debian.PACKAGES, "test", {"dash": "sh", "unheard-of": "no-such-command", "neither": "/no/such*"}
    )
    assert debian.missing(("test",)) == ["unheard-of", "neither"]


def test_who_is_not_root_is_told_the_command(monkeypatch):
    monkeypatch.setitem(debian.PACKAGES, "test", {"unheard-of": "no-such-command"})
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(Stop) as stop:
        debian.need("test")
    assert stop.value.way_on == "sudo apt-get install unheard-of"


def test_a_machine_without_apt_is_told_the_names(monkeypatch):
    monkeypatch.setitem(debian.PACKAGES, "test", {"unheard-of": "no-such-command"})
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    with pytest.raises(Stop, match="lacks unheard-of .* has no apt-get"):
        debian.need("test")


def test_no_lock_file_names_a_registry():
    locks = sorted(ROOT.glob("requirements*.lock"))
    assert locks
    assert [lock.name for lock in locks if "://" in lock.read_text()] == []
