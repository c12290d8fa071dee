"""libbpf by ctypes: objects load, refusals say why, maps are read and written."""

import os
import struct
from collections.abc import Iterator

import numpy as np
import pytest

from rubin.errors import RubinError
from rubin.kernel import syscall
from rubin.kernel.libbpf import Object, RefusedError
from rubin.kernel.maps import possible_cpus

PACKET = bytes(12) + b"\x08\x00" + bytes(50)


@pytest.fixture
def loaded(tiny: bytes) -> Iterator[Object]:
    item = Object(tiny, "tiny")
    item.skip("refused")
    item.skip("absent")
    item.load()
    yield item
    item.close()


def test_the_names_and_sections_of_programs_are_told(tiny: bytes) -> None:
    item = Object(tiny, "tiny")
    assert {name: item.section(name) for name in item.programs} == {
        "count_egress": "cgroup_skb/egress",
        "count_tc": "tc",
        "refused": "cgroup_skb/ingress",
        "absent": "tp_btf/no_such_tracepoint",
    }
    item.close()


@pytest.mark.parametrize(
    ("skipped", "program", "word"),
    [("absent", "refused", "invalid mem access"), ("refused", "absent", "no_such_tracepoint")],
)
def test_a_refusal_names_the_program_and_ends_with_the_log(tiny: bytes, skipped: str, program: str, word: str) -> None:
    item = Object(tiny, "tiny")
    item.skip(skipped)
    with pytest.raises(RefusedError, match=word) as caught:
        item.load()
    assert caught.value.program == program
    assert "\n" not in caught.value.sentence
    assert word in caught.value.log
    item.close()


def test_bytes_that_are_no_object_are_refused() -> None:
    with pytest.raises(RubinError, match="cannot be opened"):
        Object(b"not an object", "nonsense")


def test_a_program_runs_on_a_packet(loaded: Object) -> None:
    assert syscall.run(loaded.program_fd("count_tc"), PACKET, repeat=3)[0] == 0xFFFFFFFF
    assert struct.unpack("=Q", loaded.map("made").lookup(bytes(4)) or b"") == (3,)


def test_info_names_the_program(loaded: Object) -> None:
    info = syscall.program_info(loaded.program_fd("count_tc"))
    assert (info.name, info.type) == ("count_tc", 3)
    assert info.id in syscall.program_ids()


def test_runs_are_timed_while_statistics_are_on(loaded: Object) -> None:
    fd = syscall.enable_stats()
    syscall.run(loaded.program_fd("count_tc"), PACKET, repeat=100)
    os.close(fd)
    info = syscall.program_info(loaded.program_fd("count_tc"))
    assert info.run_count >= 100
    assert info.run_time_ns > 0


def test_constants_are_set_before_loading(tiny: bytes) -> None:
    item = Object(tiny, "tiny")
    rodata = item.rodata()
    assert rodata is not None
    assert bytes(rodata)[:8] == bytes(8)
    struct.pack_into("=I", rodata, 0, 7)
    item.skip("refused")
    item.skip("absent")
    item.load()
    value = item.map(next(name for name in item.maps if name.endswith(".rodata"))).lookup(bytes(4)) or b""
    assert struct.unpack_from("=I", value) == (7,)
    item.close()


def test_maps_are_shared_between_objects(tiny: bytes, loaded: Object) -> None:
    other = Object(tiny, "other")
    for name in ("flows", "losses", "made", "words"):
        other.share(name, loaded.map(name).fd)
    other.skip("refused")
    other.skip("absent")
    other.load()
    syscall.run(other.program_fd("count_tc"), PACKET, repeat=2)
    assert struct.unpack("=Q", loaded.map("made").lookup(bytes(4)) or b"") == (2,)
    other.close()


def test_elements_come_and_go(loaded: Object) -> None:
    words = loaded.map("words")
    assert words.lookup(b"aaaa") is None
    assert not words.delete(b"aaaa")
    words.update(b"aaaa", b"12345678")
    assert words.lookup(b"aaaa") == b"12345678"
    assert list(words) == [b"aaaa"]
    assert words.delete(b"aaaa")
    assert not list(words)


def test_a_whole_map_is_read_in_batches(loaded: Object) -> None:
    words = loaded.map("words")
    for number in range(10_000):
        words.update(struct.pack("=I", number), struct.pack("=Q", number * 2))
    keys, values = map(np.concatenate, zip(*words.batches(1024), strict=True))
    numbers = keys.view(np.uint32).ravel()
    assert sorted(numbers) == list(range(10_000))
    assert (values.view(np.uint64).ravel() == numbers * 2).all()


def test_per_cpu_counters_are_summed_by_place(loaded: Object) -> None:
    losses = loaded.map("losses")
    losses.update(struct.pack("=I", 2), b"".join(struct.pack("=Q", 5) for _ in range(losses.element_bytes // 8)))
    counters = losses.counters()
    assert counters.shape == (4, possible_cpus(), 3)
    assert (counters[2] == 5).all()
    assert not counters[[0, 1, 3]].any()


def test_the_memory_of_a_map_is_known(loaded: Object) -> None:
    assert loaded.map("flows").memory_bytes() >= 1 << 16


def test_a_wrong_size_is_said_at_once(loaded: Object) -> None:
    with pytest.raises(ValueError, match="keys of 4 bytes, not 2"):
        loaded.map("words").lookup(b"aa")
