"""The numpy dtype of a record is the C struct, member by member, as BTF tells it."""

from rubin.kernel import btf
from rubin.kernel.libbpf import Object
from rubin.kernel.records import RECORD


def test_every_member_has_the_name_place_and_size_of_the_kernels(tiny: bytes) -> None:
    item = Object(tiny, "tiny")
    types = btf.of_object(item)
    ours = {name: (place[1], place[0].itemsize) for name, place in (RECORD.fields or {}).items()}
    assert types.members("flow_record") == ours
    assert types.size("flow_record") == RECORD.itemsize
    item.close()


def test_the_running_kernel_tells_names_arguments_and_functions() -> None:
    with btf.of_kernel() as types:
        assert types.enum("skb_drop_reason")[1] == "SKB_CONSUMED"
        assert types.tracepoint_arguments("kfree_skb") >= 2
        assert types.tracepoint_arguments("no_such_tracepoint") == -1
        assert types.has_tracepoint("tcp_retransmit_skb")
        assert types.has_struct("sk_buff")
        assert types.has_function("tcp_v4_rcv")
        assert not types.has_function("no_such_function")
        assert types.enum("no_such_enum") == {} == types.members("no_such_struct")
