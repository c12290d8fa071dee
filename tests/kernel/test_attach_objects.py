"""Objects are loaded with shared maps; what the kernel refuses is left out and said."""

import struct
from collections.abc import Iterator

import pytest

from rubin.errors import RubinError
from rubin.kernel import objects, syscall
from rubin.kernel.objects import Objects
from tests.kernel.programs import programs

PACKET = bytes(12) + b"\x08\x00" + bytes(50)


@pytest.fixture
def loaded(tiny: bytes) -> Iterator[Objects]:
    items = Objects({"discard_every": 3, "seed": b"ab"}, {"flows": 1 << 17}, source=lambda _: tiny)
    assert items.load("one", {"count_tc": "not wanted"})
    assert items.load("two")
    yield items
    items.close()


def test_refused_programs_are_named_with_the_reason_and_the_rest_is_loaded(loaded: Objects) -> None:
    assert sorted(loaded.programs()) == ["count_egress", "count_tc"]
    assert loaded.refused["count_tc"] == "not wanted"
    assert "invalid mem access" in loaded.refused["refused"]
    assert "no_such_tracepoint" in loaded.refused["absent"]


def test_maps_are_shared_and_sized(loaded: Objects) -> None:
    fd = loaded.loaded["two"].program_fd("count_tc")
    syscall.run(fd, PACKET, repeat=5)
    assert struct.unpack("=Q", loaded.map("made").lookup(bytes(4)) or b"") == (5,)
    assert loaded.map("flows").max_entries == 1 << 17
    assert {item.name for item in loaded.maps} == {"flows", "losses", "made", "words"}


def test_settings_reach_every_object(loaded: Objects) -> None:
    for item in loaded.loaded.values():
        name = next(name for name in item.maps if name.endswith(".rodata"))
        assert item.map(name).lookup(bytes(4)) == struct.pack("=IH2s", 3, 0, b"ab")


def test_a_setting_that_the_object_has_not_is_an_error(tiny: bytes) -> None:
    with pytest.raises(RubinError, match="no setting 'discards'"):
        Objects({"discards": 1}, source=lambda _: tiny).load("one")


def test_an_object_of_which_nothing_is_left_is_not_loaded(tiny: bytes) -> None:
    items = Objects(source=lambda _: tiny)
    assert not items.load("one", dict.fromkeys(("count_egress", "count_tc", "refused"), "not wanted"))
    assert not items.programs()


def test_an_object_that_was_not_built_says_how_to_build_it() -> None:
    with pytest.raises(RubinError, match=r"'nonsense' is not built\n  try: ./dev run"):
        objects.image("nonsense")


def test_infos_tell_each_program(loaded: Objects) -> None:
    assert {info.name for info in loaded.infos()} == {"count_egress", "count_tc"}


def test_no_program_asks_the_verifier_for_more_than_a_tenth_of_its_patience() -> None:
    with programs("sockets", "interfaces", "tcp", "drops") as loaded:
        asked = {info.name: info.verified_instructions for info in loaded.objects.infos()}
    assert {name: number for name, number in asked.items() if not 0 < number < 100_000} == {}
