"""Headers of HTTP/1 requests: each head is read once, and of ever new ones no more than is affordable."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.dissect.protocols import http1_headers
from rubin.dissect.protocols.headers import kept
from rubin.dissect.protocols.http1_headers import MOST_BYTES, MOST_NEW, Headers, fields
from rubin.dissect.redaction import REDACTED, Redaction
from rubin.model.messages import Attributes, Messages

SECOND = 1_000_000_000
SECRET = "hunter2"


class Reading:
    """Heads as packets bring them, each with something behind it."""

    def __init__(self, redaction: Redaction | None = None) -> None:
        self.headers = Headers(redaction or Redaction())
        self.messages = Messages()

    def read(self, *blocks: bytes, time_ns: int | list[int] = 5 * SECOND) -> list[Attributes]:
        """The headers of each."""
        sizes = np.array([len(block) for block in blocks], np.int64)
        data = np.frombuffer(b"".join(block + b"X-Behind: 1\n" for block in blocks) + bytes(16), np.uint8)
        start = np.cumsum(sizes + 12) - sizes - 12
        times = np.full(len(blocks), time_ns) if isinstance(time_ns, int) else np.array(time_ns)
        codes = self.headers.codes(data, start, sizes, times, self.messages)
        assert codes.dtype == np.uint32
        return self.messages.attributes.read(codes)


def block(*lines: str, end: str = "\r\n") -> bytes:
    return end.join(["", *lines, "", ""]).encode()


def test_names_are_told_and_harmless_values():
    (told,) = Reading().read(block("User-Agent: curl/8", "Host: shop", f"Cookie: a={SECRET}", "X-Tenant:acme"))
    assert told == (("cookie", REDACTED), ("host", "shop"), ("user-agent", "curl/8"), ("x-tenant", REDACTED))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"", []),
        (b"\r\n", []),
        (b"\r\n\r\n", []),
        (b"\r\na: b\r\n\r\n", [("a", "b")]),
        (b"\na: b\n\n", [("a", "b")]),
        (b"\r\na: b\n\nc: d\n", [("a", "b")]),  # behind the blank line is the body
        (b"\r\na:\r\nB:\t b c \t\r\n\r\n", [("a", ""), ("B", "b c")]),
        (b"\r\na: b\r\n c\r\n\td\r\n\r\n", [("a", "b c d")]),
        (b"\r\n a: b\r\nc: d\r\n\r\n", [("c", "d")]),  # goes on with nothing
        (b"\r\na: b\r\nno colon\r\n e: f\r\nc: d\r\n\r\n", [("a", "b"), ("c", "d")]),
        (b"\r\nword\r\nc: d\r\n\r\n", [("c", "d")]),
        (b"\r\n: b\r\na b: c\r\n\xff: d\r\nok : e\r\n\r\n", [("ok", "e")]),
        (b"\r\na: b\r\nc: d", [("a", "b")]),  # cut: the line may go on
        (b"\r\na: b\r", []),
        (b"\r\na: \xff\x00\r\n\r\n", [("a", "\ufffd\0")]),
        (b"HTTP/1.1\r\na: b\r\n\r\n", [("a", "b")]),  # what is left of the first line
    ],
)
def test_fields_are_read_as_far_as_they_make_sense(said, told):
    assert list(fields(said)) == told


_line_end = st.sampled_from([b"\r\n", b"\n"])
_name = st.text("abcXYZ-09_!", min_size=1, max_size=8).map(str.encode)
_word = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12).map(
    lambda text: text.strip(" \t")
)
_field = st.tuples(_name, st.lists(_word, min_size=1, max_size=3), st.sampled_from([b"", b" ", b"\t "]), _line_end)


@given(st.lists(_field, max_size=8), _line_end, st.data())
def test_what_is_whole_is_told_wherever_a_head_is_cut(said, end, data):
    wire, ends, told = end, [], []
    for name, words, blank, line_end in said:
        wire += name + b":" + (line_end + blank + b" ").join(blank + word.encode() + blank for word in words) + line_end
        ends.append(len(wire))
        told.append((name.decode(), " ".join(words).strip(" \t")))
    wire += end
    found = [(name, value.strip(" \t")) for name, value in fields(wire)]
    assert found == told
    cut = data.draw(st.integers(0, len(wire)))
    before = list(fields(wire[:cut]))
    whole = sum(at <= cut for at in ends)
    assert [(name, value.strip(" \t")) for name, value in before[:whole]] == told[:whole]
    assert [name for name, _ in before[whole:]] in ([], [told[whole][0]] if whole < len(told) else [])


@given(st.lists(st.binary(max_size=200), max_size=5), st.booleans())
def test_no_bytes_do_harm_and_many_are_told_as_each_alone(blocks, again):
    reading = Reading(Redaction(http_headers_deny=frozenset({"x"})))
    alone = [kept(fields(one), Redaction(http_headers_deny=frozenset({"x"}))) for one in blocks]
    assert reading.read(*blocks) == alone
    assert not again or reading.read(*blocks[::-1]) == alone[::-1]


def test_what_is_known_is_not_read_again(monkeypatch):
    reading, said = Reading(), [block(f"Host: h{number}") for number in range(MOST_NEW)]
    first = reading.read(*said)
    monkeypatch.setattr(http1_headers, "fields", lambda _: [("read", "again")])
    assert reading.read(*said, time_ns=9 * SECOND) == first
    assert reading.headers.unread == 0


def test_of_ever_new_heads_a_part_is_told_each_second_and_the_rest_is_counted():
    reading = Reading()
    said = [block(f"Host: h{number}") for number in range(2 * MOST_NEW)]
    assert [bool(told) for told in reading.read(*said)] == [True] * MOST_NEW + [False] * MOST_NEW
    assert reading.headers.unread == MOST_NEW
    assert reading.read(said[0], b"\r\n\r\n") == [(), ()]  # not even looked at in this second
    assert reading.headers.unread == MOST_NEW + 2
    assert all(reading.read(*said, time_ns=6 * SECOND))
    assert reading.headers.unread == MOST_NEW + 2


def test_each_second_of_a_batch_counts_for_itself():
    reading = Reading()
    said = [block(f"Host: h{number}") for number in range(3 * MOST_NEW)]
    assert all(reading.read(*said, time_ns=[number % 3 * SECOND + number for number in range(3 * MOST_NEW)]))


def test_the_same_head_twice_in_a_batch_is_read_once():
    reading = Reading()
    assert all(reading.read(*[block("Host: shop")] * 3 * MOST_NEW))


def test_another_table_begins_anew():
    reading, said = Reading(), block("Host: shop")
    before = reading.read(said)
    reading.messages = Messages()
    reading.messages.attributes.code((("another", "row"),))
    assert reading.read(said) == before


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(http1_headers, "MOST_KNOWN", 10)
    reading = Reading()
    said = [block(f"Host: h{number}") for number in range(100)]
    assert len(set(reading.read(*said))) == 100
    assert len(reading.headers._codes) <= 10
    (told,) = reading.read(block(*["Host: shop"] * MOST_BYTES))
    assert len(told) == 64


def test_bytes_are_not_remembered():
    reading = Reading()
    reading.read(block(f"Authorization: Bearer {SECRET}", "Host: shop"))
    assert SECRET not in repr([vars(reading.headers), reading.messages.attributes.rows])


def test_a_credential_is_told_whatever_is_asked_for_as_redacted():
    for redaction in (
        Redaction(http_headers_deny=frozenset({"x"})),
        Redaction(http_headers_allow=frozenset({"cookie", "x-token"})),
    ):
        said = block(f"Cookie: {SECRET}", f"X-Token : {SECRET}", f"AUTHORIZATION: Basic\r\n {SECRET}")
        (told,) = Reading(redaction).read(said)
        assert told == (("authorization", REDACTED), ("cookie", REDACTED), ("x-token", REDACTED))


def test_no_heads_no_codes():
    assert Reading().read() == []
