"""The numpy dtype of a record is the C struct, member by member, as BTF tells it."""

import os

import pytest

from rubin.kernel import btf
from rubin.kernel.drop_reasons import NEAREST
from rubin.kernel.libbpf import Object
from rubin.kernel.objects import image
from rubin.kernel.records import RECORD


def test_every_member_has_the_name_place_and_size_of_the_kernels() -> None:
    item = Object(image("sockets"), "sockets")
    types = btf.of_object(item)
    ours = {name: (place[1], place[0].itemsize) for name, place in (RECORD.fields or {}).items()}
    assert types.members("flow_record") == ours
    assert types.size("flow_record") == RECORD.itemsize
    item.close()


def test_the_running_kernel_tells_names_arguments_and_functions() -> None:
    with btf.of_kernel() as types:
        assert "SKB_DROP_REASON_NOT_SPECIFIED" in types.enum("skb_drop_reason").values()
        assert types.tracepoint_arguments("kfree_skb") >= 2
        assert types.tracepoint_arguments("no_such_tracepoint") == -1
        assert types.has_tracepoint("tcp_retransmit_skb")
        assert types.has_struct("sk_buff")
        assert types.has_function("tcp_v4_rcv")
        assert not types.has_function("no_such_function")
        assert types.enum("no_such_enum") == {} == types.members("no_such_struct")


def test_every_reason_with_a_nearest_one_is_spelt_as_the_kernel_spells_it() -> None:
    """The table was made for 6.18; older kernels have fewer reasons, later ones may have renamed some."""
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    if release != (6, 18):
        pytest.skip("another kernel has other reasons")
    with btf.of_kernel() as types:
        known = {name.removeprefix("SKB_DROP_REASON_") for name in types.enum("skb_drop_reason").values()}
    assert {name for names in NEAREST.values() for name in names} <= known
