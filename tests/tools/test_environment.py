"""What makes .venv, with another command that makes it at the same time."""

import threading
import time

import pytest

from tools.dev import environment


@pytest.fixture
def made(tmp_path, monkeypatch):
    """What has been installed, by whom, as [(thread, begun), (thread, done), …]."""
    said = []

    def pip(_venv, *_arguments):
        said.append(threading.get_ident())
        time.sleep(0.05)
        said.append(threading.get_ident())

    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(environment, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(environment, "BUILD", tmp_path / "build")
    monkeypatch.setattr(environment, "_works", lambda _venv: True)
    monkeypatch.setattr(environment, "_pip", pip)
    return said


def at_once(*calls):
    threads = [threading.Thread(target=environment.need, args=(kind,)) for kind in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_that_install_do_so_one_after_the_other_which_says_that_it_waits(made, capsys):
    at_once("vm", "fuzz")
    assert len(made) == 8
    assert len(set(made[:4])) == len(set(made[4:])) == 1
    assert capsys.readouterr().err.count("waiting for another command") == 1


def test_what_another_has_just_installed_is_there(made):
    at_once("vm", "vm")
    assert len(made) == 4
