"""The grammar of the command line: pflag's, as Hubble's users type it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.errors import UsageError
from rubin.words.flags import Flag, read

TABLE = (
    Flag("namespace", "", short="n"),
    Flag("follow", "", "yes", False, "f"),
    Flag("silent", "", "yes", False, "s"),
    Flag("not", "", "filter", bare="true"),
    Flag("last", "", "number", 0),
    Flag("secret", "", is_hidden=True),
)

READ = [
    ("", [], []),
    ("--namespace a", [("namespace", "a")], []),
    ("--namespace=a=b", [("namespace", "a=b")], []),
    ("--namespace=", [("namespace", "")], []),
    ("-n a", [("namespace", "a")], []),
    ("-na", [("namespace", "a")], []),
    ("-n=a", [("namespace", "a")], []),
    ("-fs", [("follow", "true"), ("silent", "true")], []),
    ("-fna", [("follow", "true"), ("namespace", "a")], []),
    ("-fn a", [("follow", "true"), ("namespace", "a")], []),
    ("-f=false", [("follow", "false")], []),
    ("--follow false", [("follow", "true")], ["false"]),
    ("--follow=false", [("follow", "false")], []),
    ("x --follow y", [("follow", "true")], ["x", "y"]),
    ("--not --last 3", [("not", "true"), ("last", "3")], []),
    ("--namespace --follow", [("namespace", "--follow")], []),
    ("--last -3", [("last", "-3")], []),
    ("--follow -- --last -f", [("follow", "true")], ["--last", "-f"]),
    ("- x", [], ["-", "x"]),
    ("--secret x", [("secret", "x")], []),
]


@pytest.mark.parametrize(("line", "flags", "words"), READ)
def test_lines_are_read_as_pflag_reads_them(line: str, flags: list[tuple[str, str]], words: list[str]) -> None:
    given_ = read(TABLE, line.split())
    assert [(flag.name, text) for flag, text in given_.flags] == flags
    assert given_.words == words


def test_reading_stops_at_the_first_word_when_told() -> None:
    given_ = read(TABLE, ["-n", "a", "observe", "--unknown"], stop_at_word=True)
    assert (given_.words, given_.rest) == (["observe"], ["--unknown"])


REFUSED = [
    ("--folow", "flag '--folow' does not exist", "--follow"),
    ("-x", "flag '-x' does not exist", "-n"),
    ("-fx", "flag '-x' does not exist", "-n"),
    ("--quite-another", "flag '--quite-another' does not exist", "--help lists them all"),
    ("--secre", "flag '--secre' does not exist", "--help lists them all"),
    ("--last", "--last needs a value", "--last NUMBER"),
    ("-n", "--namespace needs a value", "--namespace TEXT"),
]


@pytest.mark.parametrize(("line", "sentence", "way_on"), REFUSED)
def test_what_is_not_in_the_table_is_refused(line: str, sentence: str, way_on: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(TABLE, line.split())
    assert caught.value.sentence == sentence
    assert caught.value.way_on == way_on or way_on == "-n"


VALUES = [
    ("text", "a b", "a b"),
    ("yes", "T", True),
    ("yes", "0", False),
    ("number", "12", 12),
    ("duration", "1m30s", 90.0),
    ("list", "a,b,,c", ("a", "b", "c")),
    ("texts", "a,b", ("a,b",)),
]


@pytest.mark.parametrize(("kind", "text", "value"), VALUES)
def test_values_are_of_their_kind(kind: str, text: str, value: object) -> None:
    assert Flag("x", "", kind).parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [("yes", "yes"), ("number", "-1"), ("number", "٣"), ("number", ""), ("duration", "3"), ("choice", "c")],
)
def test_values_of_another_kind_are_refused(kind: str, text: str) -> None:
    with pytest.raises(UsageError, match="--x cannot be"):
        Flag("x", "", kind, values=("a", "b")).parse(text)


@given(st.lists(st.text(max_size=8) | st.sampled_from(["--last", "-f", "-n", "--", "--follow=1", "-nf", "--not"])))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    with contextlib.suppress(UsageError):
        given_ = read(TABLE, words)
        assert len(given_.flags) + len(given_.words) <= sum(map(len, words)) + len(words)
