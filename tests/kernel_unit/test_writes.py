"""Who writes to a watched file is noticed at once, and who only reads it is not."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rubin.kernel.writes import Writes

SOON, NEVER = 0.01, 60.0


@pytest.fixture
def writes() -> Iterator[Writes]:
    with closing(Writes()) as made:
        yield made


def test_files_that_are_written_to_or_cut(writes: Writes, tmp_path: Path) -> None:
    names = ("written", "cut", "read", "forgotten")
    for name in names:
        (tmp_path / name).write_bytes(b"something")
    numbers = {name: writes.watch(str(tmp_path / name)) for name in names}
    writes.forget(numbers["forgotten"])
    writes.wait(SOON)  # which tells of what is forgotten, too
    with (tmp_path / "written").open("r+b") as file:
        file.write(b"S")
    (tmp_path / "cut").write_bytes(b"")
    assert (tmp_path / "read").read_bytes()
    (tmp_path / "forgotten").write_bytes(b"")
    begun_s = time.monotonic()
    assert writes.wait(NEVER) == {numbers["written"], numbers["cut"]}
    assert time.monotonic() - begun_s < NEVER / 2
    assert writes.wait(SOON) == set()


def test_a_file_that_is_not_there_is_not_watched(writes: Writes, tmp_path: Path) -> None:
    assert writes.watch(str(tmp_path / "none")) == -1
    writes.forget(-1)


def test_whoever_waits_can_be_woken(writes: Writes) -> None:
    begun_s = time.monotonic()
    waking = threading.Thread(target=writes.wake)
    waking.start()
    assert writes.wait(NEVER) == set()
    waking.join()
    assert time.monotonic() - begun_s < NEVER / 2
