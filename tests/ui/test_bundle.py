"""A bundle: what it holds is what was asked for; one that hides something is refused with a sentence."""

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZipFile

import numpy as np
import pytest

from rubin import __version__
from rubin.errors import RubinError
from rubin.ui.bundle import COLUMNS, LINES, VIEW, Bundle
from rubin.ui.file import Recorded
from rubin.wire import frames
from tests.asked import shop
from tests.ui.tabs import Browser, looking

SPAN = "since=2023-11-14T22:13:00Z&until=2023-11-14T22:14:00Z"
PAGE = "/map?since=5m&v.scope=pod"
PARTS: dict[str, str | bytes] = {
    VIEW: json.dumps(
        {"format": 1, "rubin": "1", "columns": frames.VERSION, "page": "/map", "since_ns": 1, "until_ns": 2}
    ),
    COLUMNS: b"",
    LINES: b"",
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with looking(shop(), tmp_path_factory.mktemp("bundle")) as found:
        yield found


def saved(browser: Browser, path: Path, query: str) -> Path:
    """The bundle of a query, at the path."""
    answer = browser.client.get(f"/api/v1/bundle?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert ".rubinz" in answer.headers["content-disposition"]
    path.write_bytes(answer.content)
    return path


def zipped(path: Path, parts: dict[str, str | bytes], packing: int = ZIP_DEFLATED) -> Path:
    with ZipFile(path, "w", packing) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return path


def view(**changes: object) -> dict[str, str | bytes]:
    """The parts, with another view."""
    return {**PARTS, VIEW: json.dumps(json.loads(PARTS[VIEW]) | changes)}


@pytest.mark.parametrize("query", ["all=1", SPAN, f"{SPAN}&to-namespace=shop&not.http-status=503", "all=1&to-port=1"])
def test_it_holds_what_was_asked_for(browser: Browser, tmp_path: Path, query: str) -> None:
    count = browser.client.get(f"/api/v1/count?{query}").json()
    path = saved(browser, tmp_path / "b.rubinz", f"{query}&page={PAGE.replace('?', '%3F').replace('&', '%26')}")
    with ZipFile(path) as file:
        assert file.testzip() is None
        assert file.namelist() == [VIEW, COLUMNS, LINES]
        lines = file.read(LINES)
        told = json.loads(file.read(VIEW))
    assert lines == browser.client.get(f"/api/v1/flows?{query}").content
    assert (told["format"], told["rubin"], told["page"]) == (1, __version__, PAGE)
    bundle = Bundle(str(path))
    assert bundle.view.page == PAGE
    assert bundle.view.since_ns / 1e6 == count["since_ms"]
    assert sum(map(len, bundle.flows())) == len(lines.splitlines()) == count["flows"]
    assert 0.3 * path.stat().st_size < count["bytes"] + 700 < 3 * path.stat().st_size


def test_what_is_read_is_what_was_held(browser: Browser, tmp_path: Path) -> None:
    path = saved(browser, tmp_path / "b.rubinz", "all=1")
    recorded = Recorded(str(path), span_ns=Bundle(str(path)).view[1:])
    recorded.read(Bundle(str(path)).flows())
    held, read = (next(iter(ring.scan())) for ring in (browser.feed.ring, recorded.ring))
    for name in ("time_ns", "uuid_low", "bytes", "verdict", "source_low"):
        np.testing.assert_array_equal(held[name], read[name])
    assert held.rows("source_endpoint") == read.rows("source_endpoint")
    assert recorded.oldest_ns() == browser.feed.oldest_ns()


def test_of_another_rubin_the_lines_are_read_and_that_is_said(browser: Browser, tmp_path: Path) -> None:
    path = saved(browser, tmp_path / "b.rubinz", "all=1")
    with ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    parts[VIEW] = json.dumps(json.loads(parts[VIEW]) | {"columns": frames.VERSION + 1}).encode()
    bundle = Bundle(str(zipped(tmp_path / "old.rubinz", dict(parts))))
    recorded = Recorded("old.rubinz", span_ns=bundle.view[1:])
    recorded.read(bundle.flows())
    assert recorded.flows == browser.feed.flows
    assert "read without bytes and processes" in recorded.state.sentence


BAD_VIEWS: list[tuple[dict[str, object], str]] = [
    ({"format": 2, "rubin": "9.9"}, r"is of a newer rubin \(9.9\), in format 2"),
    ({"format": "1"}, "says no format"),
    ({"page": "//evil.example/map"}, "says no page"),
    ({"page": "https://evil.example/map"}, "says no page"),
    ({"page": "/map?x=\r\nset-cookie: a=b"}, "says no page"),
    ({"page": "/api/v1/flows"}, "says no page"),
    ({"page": 7}, "says no page"),
    ({"since_ns": "1"}, "says no times"),
    ({"until_ns": 1 << 80}, "says no times"),
]


@pytest.mark.parametrize(("changes", "sentence"), BAD_VIEWS)
def test_a_view_that_leads_elsewhere_is_refused(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(RubinError, match=sentence) as raised:
        Bundle(str(zipped(tmp_path / "b.rubinz", view(**changes))))
    assert raised.value.way_on


def bomb() -> bytes:
    return b"\0" * (80 << 20)


BAD_ZIPS = [
    ({}, "does not hold"),
    ({**PARTS, "../../etc/passwd": b"x"}, r"it holds '../../etc/passwd'"),
    ({VIEW: PARTS[VIEW], LINES: b""}, "does not hold"),
    ({**PARTS, VIEW: b"{"}, "is no JSON"),
    ({**PARTS, VIEW: b"[" * 60_000}, "is no JSON"),
    ({**PARTS, VIEW: b" " * 70_000}, "is of 70,000 bytes"),
    ({**PARTS, VIEW: b"[]"}, "says no format"),
    ({**PARTS, COLUMNS: bomb()}, "bytes would become 83,886,"),
    ({**PARTS, LINES: bomb()}, "bytes would become 83,886,"),
]


@pytest.mark.parametrize(("parts", "sentence"), BAD_ZIPS, ids=[sentence for _, sentence in BAD_ZIPS])
def test_a_zip_that_is_no_bundle_is_refused(tmp_path: Path, parts: dict[str, str | bytes], sentence: str) -> None:
    path = zipped(tmp_path / "b.rubinz", parts)
    with pytest.raises(RubinError, match=sentence):
        Bundle(str(path))
    assert [each.name for each in tmp_path.iterdir()] == ["b.rubinz"]


def test_other_ways_to_pack_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RubinError, match="packed in a way of its own"):
        Bundle(str(zipped(tmp_path / "b.rubinz", PARTS, ZIP_BZIP2)))
    path = zipped(tmp_path / "secret.rubinz", PARTS)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\x01\x02")
    raw[at + 8] |= 1  # the flag of a password (APPNOTE 4.4.4)
    path.write_bytes(raw)
    with pytest.raises(RubinError, match="packed in a way of its own"):
        Bundle(str(path))


def test_an_endless_list_of_files_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "b.rubinz"
    path.write_bytes(
        zipped(path, PARTS).read_bytes()[:-22] + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, 1 << 30, 0, 0)
    )
    with pytest.raises(RubinError, match="it lists 9 files or more"):
        Bundle(str(path))


def test_wherever_it_is_cut_or_changed_a_sentence_says_so(browser: Browser, tmp_path: Path) -> None:
    whole = saved(browser, tmp_path / "b.rubinz", SPAN).read_bytes()
    path = tmp_path / "cut.rubinz"
    for end in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:end])
        with pytest.raises(RubinError, match="is cut or broken"):
            Bundle(str(path))
    random, said = np.random.default_rng(1), set()
    for _ in range(150):
        raw = bytearray(whole)
        raw[random.integers(len(raw))] ^= int(random.integers(1, 256))
        path.write_bytes(raw)
        try:
            sum(map(len, Bundle(str(path)).flows()))
        except RubinError as error:
            said.add(error.sentence.removeprefix(f"{path} "))
    assert "is cut or broken" in said
    assert all(re.match("is |of ", sentence) for sentence in said)


def test_a_frame_that_is_too_long_or_makes_no_sense_is_refused(tmp_path: Path) -> None:
    for body in (b"\xff\xff\xff\xff", b"\1\0\0\0x", b"\1"):
        bundle = Bundle(str(zipped(tmp_path / "b.rubinz", {**PARTS, COLUMNS: body})))
        with pytest.raises(RubinError, match="is cut or broken"):
            list(bundle.flows())


def test_one_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RubinError, match="cannot be read: No such file"):
        Bundle(str(tmp_path / "none"))


WRONG = [
    ("bundle?page=//evil/map", "is no page"), ("bundle?foo=1", "'foo' is no filter"),
    ("count?page=/map&to-port=x", "port"), ("count?since=soon", "is no time"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "sentence"), WRONG)
def test_what_makes_no_sense_is_said_before_a_byte_is_sent(browser: Browser, path: str, sentence: str) -> None:
    answer = browser.client.get(f"/api/v1/{path}")
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]
