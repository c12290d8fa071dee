"""Frames: what is encoded is decoded, texts travel once, numbers are never used again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.ui import frames
from rubin.ui.frames import Body, Dictionary, Known, Table, Texts, Type, decode, frame, texts_used

KINDS = ("u1", "u2", "u4", "i4", "f4", "f8")


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 9)), max_size=6), st.text(max_size=40))
def test_what_is_encoded_is_decoded(columns: list[tuple[str, int]], word: str) -> None:
    tables = {
        f"table {at}": Table({"a": (kind, np.arange(count)), "b": ("u1", np.arange(count))})
        for at, (kind, count) in enumerate(columns)
    }
    body = Body(Type.MAP, 1.5, head={"word": word}, tables=tables, is_snapshot=True)
    data = frame(body, 65_535, 7, Known(), {"more": 1})
    head, found = decode(data)
    assert {name: head[name] for name in ("type", "snapshot", "sub", "seq", "tick_ms", "more")} == {
        "type": 1, "snapshot": True, "sub": 65_535, "seq": 7, "tick_ms": 1.5, "more": 1,
    }  # fmt: skip
    assert head["word"] == word.encode(errors="replace").decode()
    assert list(found) == list(tables)
    for name, table in tables.items():
        for column, (kind, values) in table.columns.items():
            assert found[name][column].tolist() == values.tolist()
            assert found[name][column].dtype == np.dtype(f"<{kind}")
    assert len(data) % 8 == 0


def test_every_column_begins_at_a_multiple_of_eight() -> None:
    body = Body(Type.MAP, 0, head={"x": "é"}, tables={"t": Table({"a": ("u1", np.ones(3)), "b": ("f8", np.ones(3))})})
    data = frame(body, 1, 1, Known())
    assert data[-24:] == np.ones(3).tobytes()
    assert data[-32:-24] == b"\1\1\1\0\0\0\0\0"


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="no frame"):
        decode(b"RU02" + bytes(40))


def sent(texts: Texts, known: Known, *words: str) -> list[list[object]]:
    numbers = np.array([texts.number(word) for word in words])
    body = Body(Type.FLOWS, 0, texts, used=texts_used([numbers]))
    found: list[list[object]] = decode(frame(body, 1, 1, known))[0].get("strings", [])
    return found


def test_each_tab_is_told_a_text_once() -> None:
    texts, one, other = Texts(1), Known(), Known()
    assert sent(texts, one, "a", "b", "", "a") == [[1, "a"], [2, "b"]]
    assert sent(texts, one, "b", "c") == [[3, "c"]]
    assert sent(texts, one, "a", "b", "c") == []
    assert sent(texts, other, "c") == [[3, "c"]]


def test_too_many_texts_make_room_for_others_with_other_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_MOST_TEXTS", 3)
    dictionary, known = Dictionary(), Known()
    first = dictionary.texts()
    assert sent(first, known, *"abcd") == [[1, "a"], [2, "b"], [3, "c"], [4, "d"]]
    second = dictionary.texts()
    assert second is not first
    assert sent(second, known, "a") == [[5, "a"]]
    assert dictionary.texts() is second


HOSTILE = [
    ("a\x1b[31mb", "a^[[31mb"),
    ("two\nlines", "two\\nlines"),
    ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ("\ud800", "?"),
    ("x" * 1_500, "x" * 999 + "…"),
    ("\u202etxt.exe", "\\u202etxt.exe"),
]


@pytest.mark.parametrize(("text", "told"), HOSTILE)
def test_texts_are_texts_whatever_they_hold(text: str, told: str) -> None:
    assert sent(Texts(1), Known(), text) == [[1, told]]


def test_many_threads_give_one_number_to_one_text() -> None:
    from concurrent.futures import ThreadPoolExecutor

    texts = Texts(1)
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda at: (at % 500, texts.number(str(at % 500))), range(20_000)))
    assert len(dict(numbers)) == len(set(numbers)) == len(texts.texts) == 500
    assert all(texts.texts[number - 1] == str(at) for at, number in numbers)
