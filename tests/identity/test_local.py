import socket

from hypothesis import given
from hypothesis import strategies as st

from rubin.identity.local import Local, addresses_in, own_addresses
from rubin.identity.table import Names
from rubin.model.batch import empty


def test_the_kernel_tells_the_hosts_addresses():
    assert "127.0.0.1" in own_addresses()


def test_own_addresses_and_loopback_are_the_host():
    names = Names([Local(lambda: ["192.0.2.1", "2001:db8::1"])])
    for address in ("192.0.2.1", "2001:db8::1", "127.0.0.1", "127.9.9.9", "::1"):
        assert names.who(address).labels == ("reserved:host",)
    for address in ("192.0.2.2", "10.0.0.1", "::2"):
        assert names.who(address).labels == ("reserved:world",)


def test_an_address_that_comes_later_is_the_hosts_too():
    addresses, now = ["192.0.2.1"], [0.0]
    names = Names([Local(lambda: addresses, clock=lambda: now[0])], clock=lambda: now[0])
    addresses.append("192.0.2.2")
    now[0] += 2
    names.identify(empty())
    assert names.who("192.0.2.2").labels == ("reserved:host",)


def test_addresses_that_cannot_be_read_leave_the_last_ones():
    answers = [["192.0.2.1"], OSError(1, "refused")]

    def read():
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    now = [0.0]
    local = Local(read, clock=lambda: now[0])
    assert len(local.changes()[""]) == 3
    now[0] += 2
    assert not local.changes()
    assert "1 addresses" in local.status()
    assert "refused" in local.status()


@given(st.binary(max_size=200), st.booleans())
def test_any_answer_of_the_kernel_is_read_to_its_end(data, framed):
    found: set[str] = set()
    if framed:
        data = (len(data) + 16).to_bytes(4, "little") + (20).to_bytes(2, "little") + bytes(10) + data
    addresses_in(data, found)
    for address in found:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        socket.inet_pton(family, address)
