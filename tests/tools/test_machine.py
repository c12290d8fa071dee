"""What a machine lacks is said before anything is started."""

import pytest

from tools.dev import machine
from tools.dev.say import Stop


@pytest.fixture
def good(monkeypatch, tmp_path):
    """A machine that has everything, as files."""
    (tmp_path / "btf").touch()
    (tmp_path / "mounts").write_text("none /sys/fs/cgroup cgroup2 rw 0 0\n")
    monkeypatch.setattr(machine, "BTF", tmp_path / "btf")
    monkeypatch.setattr(machine, "MOUNTS", tmp_path / "mounts")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return tmp_path


def test_a_machine_that_has_everything_will_do(good):
    machine.need_agent()


def _no_btf(folder, monkeypatch):
    (folder / "btf").unlink()


def _no_cgroup2(folder, monkeypatch):
    (folder / "mounts").write_text("cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n")


def _no_root(folder, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)


def _no_linux(folder, monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Darwin")


@pytest.mark.parametrize(
    ("spoil", "sentence", "way_on"),
    [
        (_no_btf, "has no type information", "CONFIG_DEBUG_INFO_BTF"),
        (_no_cgroup2, "no cgroup2 file system is mounted", "mount -t cgroup2"),
        (_no_root, "this needs root", "sudo ./dev"),
        (_no_linux, "Rubin observes Linux; this is Darwin", "rubin replay"),
    ],
)
def test_what_is_missing_is_said_with_a_way_on(good, monkeypatch, spoil, sentence, way_on):
    spoil(good, monkeypatch)
    with pytest.raises(Stop, match=sentence) as stop:
        machine.need_agent()
    assert way_on in stop.value.way_on
