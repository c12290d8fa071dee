"""Keys are found by the column, also where they collide and after the table has grown."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rubin.model.codes import Codes, mix


@given(st.lists(st.integers(1, 2**64 - 1), unique=True), st.lists(st.integers(1, 2**64 - 1)))
def test_find_agrees_with_a_dictionary(known, asked):
    codes, plain = Codes(size=8), {}
    for number, key in enumerate(known):
        codes.add(key, number)
        plain[key] = number
    keys = np.array(known + asked, np.uint64)
    assert codes.find(keys).tolist() == [plain.get(key, -1) for key in known + asked]
    assert len(codes) == len(known)


@given(
    st.integers(0, 50),
    st.lists(st.integers(1, 2**64 - 1), unique=True),
    st.lists(st.integers(1, 2**64 - 1)),
)
def test_all_at_once_is_the_same_as_one_by_one(size, known, asked):
    codes = Codes(size)
    codes.add_all(np.array(known[:3], np.uint64), np.arange(3)[: len(known)])
    codes.add_all(np.array(known[3:], np.uint64), np.arange(3, max(3, len(known))))
    plain = {key: number for number, key in enumerate(known)}
    assert codes.find(np.array(known + asked, np.uint64)).tolist() == [plain.get(key, -1) for key in known + asked]
    assert len(codes) == len(known)


def test_keys_that_share_a_slot_are_told_apart():
    codes = Codes(size=16)
    keys = [1 + 16**i for i in range(7)]
    for number, key in enumerate(keys):
        codes.add(key, number)
    assert codes.find(np.array([*keys, 99], np.uint64)).tolist() == [*range(7), -1]


def test_mixed_keys_differ_by_row_and_order():
    left, right = np.meshgrid(np.arange(500), np.arange(500))
    keys = mix(left.ravel(), right.ravel())
    assert len(np.unique(keys)) == 250_000
    assert (keys != 0).all()
