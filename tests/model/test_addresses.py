"""Addresses as two halves go back to their text, and lie in networks as ipaddress says."""

from ipaddress import ip_address, ip_network

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.model import addresses


@given(st.ip_addresses())
def test_text_round_trip(address):
    mapped = getattr(address, "ipv4_mapped", None)
    assert addresses.text(*addresses.pair(str(address))) == str(mapped or address)


@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 128))
def test_networks_agree_with_ipaddress(member, base, length):
    network = ip_network((base, min(length, 32 if base.version == 4 else 128)), strict=False)
    if member.version != base.version:
        return
    high, low = (np.array([half], np.uint64) for half in addresses.pair(str(member)))
    assert addresses.Network(str(network)).contains(high, low).tolist() == [member in network]


def test_raw_bytes_become_halves():
    raw = np.frombuffer(ip_address("::ffff:10.0.0.1").packed + ip_address("2001:db8::1").packed, np.uint8)
    high, low = addresses.mapped(raw.reshape(2, 16))
    assert [addresses.text(*halves) for halves in zip(high, low, strict=True)] == ["10.0.0.1", "2001:db8::1"]
    assert addresses.is_v4(high, low).tolist() == [True, False]


@pytest.mark.parametrize("wrong", ["", "10.0.0", "10.0.0.0/40", "example.com"])
def test_what_is_no_network_is_refused(wrong):
    with pytest.raises(ValueError):
        addresses.Network(wrong)
