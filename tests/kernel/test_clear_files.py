"""Libraries that are replaced, overwritten and cut while they are used, and such as the kernel refuses to probe."""

import gc
import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from rubin.kernel import libraries, uprobes
from rubin.kernel.elf import Elf, Raw, UnfitError
from rubin.kernel.libraries import Mapped
from rubin.kernel.uprobes import Uprobes
from rubin.model.batch import FlowBatch
from rubin.model.enums import FlowType
from rubin.sources.clear import Clear
from tests.kernel.hearing import Ear, certificate, paths, running
from tests.kernel.live import script, watch
from tests.kernel.test_clear import libssl
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(bool(uprobes.skips()), reason="; ".join(filter(None, uprobes.skips().values())) or "-")

REFUSED = b"\xf0\x01\x00"  # lock add: of such a prefix the kernel takes no probe (is_prefix_bad, ENOTSUPP)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("files"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A library of OpenSSL that nobody else uses."""
    return Path(shutil.copy(libssl(), tmp_path / "libssl.so.3"))


def serving(copy: Path, folder: Path) -> Any:
    return running(["env", f"LD_LIBRARY_PATH={copy.parent}", *script("tls.py", "serve", folder, "127.0.0.1", 0)])


def ask(port: int, *asked: str) -> None:
    urls = (word for path in asked for word in (f"https://127.0.0.1:{port}{path}", "-o", "/dev/null"))
    subprocess.run(["curl", "-sk", "--http1.1", *urls], check=True, timeout=60)


def told(ear: Ear, port: int, count: int) -> list[str]:
    return paths(ear.heard(port, lambda found: len(paths(found)) >= count))


def attached(ear: Ear, path: Path) -> int:
    return sum(str(path) in one for one in ear.clear.attached)


def anew(copy: Path) -> None:
    """As a package manager does: another file takes the name, and who has the old one keeps it."""
    fresh = copy.with_suffix(".new")
    fresh.write_bytes(copy.read_bytes())
    fresh.replace(copy)


def offset_of(path: Path, name: str) -> int:
    lines = subprocess.run(["nm", "-D", str(path)], capture_output=True, text=True, check=True).stdout.splitlines()
    address = next(int(line.split()[0], 16) for line in lines if re.search(rf" T {name}(@|$)", line))
    with path.open("rb") as file:
        return Elf(Raw(file.fileno())).offset(address)


def changed_code(pid: int, path: Path) -> list[int]:
    """Offsets in a file at which a process executes something else than what is there."""
    raw, found = path.read_bytes(), list[int]()
    with open(f"/proc/{pid}/mem", "rb") as memory, open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            words = line.split()
            if words[-1] == str(path) and "x" in words[1]:
                first, end = (int(word, 16) for word in words[0].split("-"))
                start = int(words[2], 16)
                memory.seek(first)
                is_, said = memory.read(end - first), raw[start : start + end - first]
                found += [start + at for at, pair in enumerate(zip(is_, said, strict=False)) if pair[0] != pair[1]]
    return found


def test_after_a_library_is_replaced_the_old_and_the_new_one_are_read(ear: Ear, folder: Path, copy: Path) -> None:
    with ExitStack() as old, ExitStack() as new:
        old_port, _ = old.enter_context(serving(copy, folder))
        ear.follows(str(copy))
        ask(old_port, "/before")
        anew(copy)
        new_port, _ = new.enter_context(serving(copy, folder))
        wait_for(lambda: attached(ear, copy) == 2, "the new file, too")
        ask(old_port, "/old")
        ask(new_port, "/new")
        assert told(ear, old_port, 2) == ["/before", "/old"]
        assert told(ear, new_port, 1) == ["/new"]
        old.close()
        wait_for(lambda: attached(ear, copy) == 1, "the old file to be let go")
        ask(new_port, "/last")
        assert told(ear, new_port, 2) == ["/new", "/last"]
    assert not ear.clear.account()["tls_libraries_refused"]


def test_what_was_replaced_before_anybody_followed_it_is_read(ear: Ear, folder: Path, copy: Path) -> None:
    ear.clear.close()
    with serving(copy, folder) as (port, pid):
        anew(copy)
        ear.clear = Clear(ear.programs.objects)
        ear.follows(f"{copy} of process {pid}")
        ask(port, "/gone")
        assert told(ear, port, 1) == ["/gone"]
    wait_for(lambda: not attached(ear, copy), "it to be let go")


def test_by_another_name_of_a_library_nothing_is_told_twice(ear: Ear, folder: Path, copy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / copy.name
    other.parent.mkdir()
    with serving(copy, folder) as (port, _):
        ear.follows(str(copy))
        other.hardlink_to(copy)  # which changes the times of the file
        with serving(other, folder) as (other_port, _):
            looked_again(ear)
            ask(port, "/one")
            ask(other_port, "/two")
            assert told(ear, port, 1) == ["/one"]
            assert told(ear, other_port, 1) == ["/two"]
    assert attached(ear, tmp_path) == 1


def looked_again(ear: Ear) -> None:
    """What was before is known by now: it may still be attached to as it was."""
    before = ear.clear.looked
    wait_for(lambda: ear.clear.looked > before + 2, "all processes to be looked at")


@pytest.mark.parametrize("what", ["the same", "something else", "nothing"])
def test_a_library_that_is_overwritten_in_use_is_let_go_and_then_read_as_it_is(
    ear: Ear, folder: Path, copy: Path, what: str
) -> None:
    whole = copy.read_bytes()
    with serving(copy, folder) as (port, _):  # who goes on with such a library may well die of it
        ear.follows(str(copy))
        copy.write_bytes({"the same": whole, "something else": whole[:9000], "nothing": b""}[what])
        looked_again(ear)
        wait_for(lambda: attached(ear, copy) == (what == "the same"), "it to be known as it is now")
    copy.write_bytes(whole)
    with serving(copy, folder) as (port, _):
        looked_again(ear)
        ear.follows(str(copy))
        ask(port, "/again")
        assert told(ear, port, 1) == ["/again"]
    assert str(copy) not in ear.clear.refused


def test_what_is_put_into_the_file_of_a_library_is_executed_as_it_is(ear: Ear, folder: Path, copy: Path) -> None:
    """Old probes in new code would let a process execute what nobody has written."""
    with serving(copy, folder) as (_, pid):
        ear.follows(str(copy))
        assert changed_code(pid, copy), "the probes"
    other = copy.read_bytes().replace(b"SSL_read\0", b"SSL_reed\0")  # nothing to follow, and else the same
    copy.write_bytes(other)
    wait_for(lambda: not attached(ear, copy), "the probes to go")
    load = ["-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1]); print(0, flush=True); sys.stdin.read()", str(copy)]
    with subprocess.Popen([sys.executable, *load], stdin=PIPE, stdout=PIPE) as user:
        assert user.stdout is not None
        assert user.stdout.readline()
        assert not changed_code(user.pid, copy)
        user.communicate(b"")


def refusing(copy: Path) -> None:
    """Of a function that only clients call."""
    at = offset_of(copy, "SSL_set_connect_state")
    with copy.open("r+b") as file:
        file.seek(at)
        file.write(REFUSED)


def test_a_probe_that_the_kernel_refuses_is_told_once_and_others_are_read(
    folder: Path, copy: Path, tmp_path: Path
) -> None:
    refusing(copy)
    good = tmp_path / "good" / copy.name
    good.parent.mkdir()
    shutil.copy(libssl(), good)
    with serving(copy, folder) as (bad_port, _), watch() as watching:
        status = watching.live.status
        why = wait_for(lambda: status().refused.get(str(copy)), "the refusal")
        assert (
            why == "the kernel attaches nothing to it: it can neither emulate nor step an instruction there (ENOTSUPP)"
        )
        refusals = status().messages["tls_libraries_refused"]
        with serving(good, folder) as (port, _), serving(copy, folder):
            wait_for(lambda: any(str(good) in one for one in status().attached), "the other library")
            ask(port, "/good")
            ask(bad_port, "/unread")  # and it works

            def targets(flows: FlowBatch) -> list[str]:
                rows = flows.take((flows["flow_type"] == FlowType.L7) & (flows["is_reply"] == 1))
                return [one.target for one in rows.tables.messages.read(rows["message"]) if one.method == "GET"]

            flows = watching.until(lambda flows: "/good" in targets(flows))
            assert "/unread" not in targets(flows)
        assert status().messages["tls_libraries_refused"] == refusals
        assert not any(str(copy) in one for one in status().attached)


def test_of_an_attachment_that_is_refused_nothing_stays(ear: Ear, folder: Path, copy: Path) -> None:
    refusing(copy)
    ear.clear.close()
    places, probes = libraries.places(str(copy)), Uprobes(ear.programs.objects)
    with serving(copy, folder) as (port, pid):
        gc.collect()  # what earlier tests have left is closed now, and not meanwhile
        before = os.listdir("/proc/self/fd")
        for _ in range(20):
            with pytest.raises(UnfitError, match="ENOTSUPP"):
                probes.attach("it", str(copy), places)
        assert len(os.listdir("/proc/self/fd")) <= len(before)
        assert not changed_code(pid, copy)
        assert not len(probes)
        ask(port, "/lives")


def test_of_whom_nothing_could_be_seen_any_more_nothing_is_known(ear: Ear, copy: Path) -> None:
    """The next process that has the same file is looked at."""
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
        file = Mapped(b"fe:00", copy.stat().st_ino, str(copy), "1000-2000")
        name = (file.device, file.inode, file.path)
        ear.clear.close()
        ear.clear._know(name, gone.pid, file)
        assert name not in ear.clear._known
