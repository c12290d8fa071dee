"""The same bytes have the same code, other bytes another, wherever they lie."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.model.texts import MOST_BYTES, Texts

LENGTHS = st.integers(0, 40) | st.sampled_from(
    [15, 16, 17, 63, 64, 65, 127, 128, 129, 511, 513, 2047, 2048, 2049, 4096]
)


@st.composite
def pieces(draw):
    """Bytes that often differ in the last one only, or in nothing but their length."""
    length, seed = draw(LENGTHS), draw(st.integers(0, 3))
    made = bytearray(np.random.default_rng(seed).bytes(length) if seed else bytes(length))
    if made:
        made[-1] = draw(st.integers(0, 2))
    return bytes(made)


def _laid_out(parts, gap):
    """The parts with `gap` bytes of something before each, and their places."""
    data, starts = b"", []
    for part in parts:
        data += b"\xa5" * gap
        starts.append(len(data))
        data += part
    lengths = np.array([len(part) for part in parts], np.int64)
    return np.frombuffer(data + b"\x5a" * 8, np.uint8), np.array(starts, np.int64), lengths


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(pieces(), max_size=20), max_size=4), st.integers(0, 9))
def test_codes_are_those_of_a_dictionary(rounds, gap):
    texts, plain = Texts(), {b"": 0}
    for parts in rounds:
        codes = texts.codes(*_laid_out(parts, gap)).tolist()
        for part, code in zip(parts, codes, strict=True):
            kept = part[:MOST_BYTES]
            assert plain.setdefault(kept, code) == code
            assert texts.raw(code) == kept
    assert len(texts) == len(plain)
    assert len(set(plain.values())) == len(plain)


@given(st.lists(st.text(max_size=30)))
def test_one_at_a_time_and_all_at_once_agree(words):
    texts = Texts()
    one = [texts.code(word) for word in words]
    assert texts.codes_of(words).tolist() == one
    assert texts.read(np.array(one, np.uint32)) == [texts[code] for code in one]
    assert [texts[code] for code in one] == [word.encode(errors="replace").decode() for word in words]


def test_many_stay_apart_while_the_tables_grow():
    texts, words = Texts(), [f"/shop/{number}" for number in range(50_000)]
    codes = texts.codes_of(words)
    assert len(np.unique(codes)) == len(words) == len(texts) - 1
    assert [texts[code] for code in codes.tolist()] == words
    assert (texts.codes_of(words) == codes).all()


def test_what_is_no_utf_8_reads_with_replacements():
    texts = Texts()
    (code,) = texts.codes(np.frombuffer(b"a\xffb" + bytes(8), np.uint8), np.array([0]), np.array([3])).tolist()
    assert texts[code] == "a\ufffdb"
    assert texts.raw(code) == b"a\xffb"


def test_a_short_text_takes_a_few_bytes_beside_its_own():
    texts, words = Texts(), [f"/api/v1/items/{number:020}/detail" for number in range(20_000)]
    texts.codes_of(words)
    assert texts.memory_bytes / len(words) <= len(words[0]) * 1.5 + 80


def test_texts_come_one_behind_the_other_with_a_byte_between():
    texts = Texts()
    codes = texts.codes_of(["a", "", "über", "bc", "a"])
    assert texts.joined(codes, 0) == "a\0\0über\0bc\0a\0".encode()
    assert texts.joined(codes[::-1].copy(), ord(",")).decode() == "a,bc,über,,a,"
    assert texts.joined(codes[:0], 0) == b""
