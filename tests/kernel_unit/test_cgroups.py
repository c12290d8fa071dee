"""The mount is found wherever it is, and a cgroup's path by its id."""

from pathlib import Path

import pytest

from rubin.errors import UnsupportedError
from rubin.kernel.cgroups import V1, Cgroups, mount, mount_v1

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:5 - cgroup cgroup rw,cpu
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
PURE = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 master:2 - cgroup2 cgroup2 rw,nsdelegate\n"
BLANK = "30 23 0:26 / /mnt/c\\040g rw - cgroup2 cgroup2 rw\n"
ABOVE = "31 23 0:26 /../../.. /host/cgroup rw - cgroup2 cgroup2 rw\n"
PART = "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (HYBRID, "/sys/fs/cgroup/unified"),
        (PURE, "/sys/fs/cgroup"),
        (BLANK, "/mnt/c g"),
        (PART, "/sys/fs/cgroup"),
        (PART + HYBRID, "/sys/fs/cgroup/unified"),  # the whole hierarchy is better than a part
        (PURE + ABOVE, "/host/cgroup"),  # and what lies above a namespace's root better than that
    ],
)
def test_the_mount_is_the_one_of_cgroup2(tmp_path: Path, text: str, path: str) -> None:
    file = tmp_path / "mountinfo"
    file.write_text(text)
    assert mount(str(file)) == path


def test_without_a_mount_it_says_how_to_make_one(tmp_path: Path) -> None:
    file = tmp_path / "mountinfo"
    file.write_text("")
    with pytest.raises(UnsupportedError, match="mount -t cgroup2"):
        mount(str(file))


def test_a_path_is_found_by_the_inode_also_when_it_is_new(tmp_path: Path) -> None:
    (tmp_path / "a.slice" / "b.service").mkdir(parents=True)
    cgroups = Cgroups(str(tmp_path), pause_s=0)
    assert cgroups.path(tmp_path.stat().st_ino) == "/"
    assert cgroups.path((tmp_path / "a.slice" / "b.service").stat().st_ino) == "/a.slice/b.service"
    (tmp_path / "c").mkdir()
    assert cgroups.path((tmp_path / "c").stat().st_ino) == "/c"
    assert cgroups.path(0) == ""


def test_an_unknown_id_does_not_walk_the_tree_each_time(tmp_path: Path) -> None:
    cgroups = Cgroups(str(tmp_path), pause_s=60)
    assert cgroups.path(1) == ""
    (tmp_path / "c").mkdir()
    assert cgroups.path((tmp_path / "c").stat().st_ino) == ""


def test_the_v1_hierarchy_of_pids_is_found_and_its_ids_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "mountinfo"
    file.write_text(HYBRID + "42 31 0:39 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n")
    assert mount_v1(str(file)) == "/sys/fs/cgroup/pids"
    file.write_text(PURE)
    assert mount_v1(str(file)) == ""
    for name in ("v2", "v1"):
        (tmp_path / name / f"of-{name}").mkdir(parents=True)
    cgroups = Cgroups(str(tmp_path / "v2"), str(tmp_path / "v1"), pause_s=0)
    assert cgroups.path((tmp_path / "v1" / "of-v1").stat().st_ino | V1) == "/of-v1"
    assert cgroups.path((tmp_path / "v2" / "of-v2").stat().st_ino) == "/of-v2"


def test_a_cgroup_that_has_gone_has_the_path_with_which_it_was_made(tmp_path: Path) -> None:
    made = {7: "/gone"}
    cgroups = Cgroups(str(tmp_path), made=lambda number: made.get(number, ""), pause_s=60)
    assert cgroups.path(7) == "/gone"
    made.clear()
    assert cgroups.path(7) == "/gone"
