"""Flows for programs and spreadsheets: JSON lines and CSV, whole, bounded, and with a way on where nothing can come."""

import asyncio
import csv
import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rubin.model.batch import FlowBatch, Lost
from rubin.model.enums import LostSource
from rubin.model.tables import Endpoint
from rubin.store.ring import Ring
from rubin.ui.answers import csv_rows
from rubin.ui.answers.lines import asked_format, lines, selection
from tests.asked import shop
from tests.exchanges import Said, http, stored
from tests.flows import generate
from tests.ui.tabs import Browser, got, lately, looking
from tests.waiting import wait_for

ALL = "all=1"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    ring = shop()
    ring.append(lately(generate(3_000, endpoints=60, pairs=200), time.time_ns()))
    with looking(ring, tmp_path_factory.mktemp("lines")) as found:
        yield found


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("query", [ALL, "last=7", "first=3", f"{ALL}&verdict=DROPPED", f"{ALL}&to-port=80,443",
                                   f"{ALL}&not.port=53&protocol=http", f"{ALL}&pod=no/body"])  # fmt: skip
def test_a_row_is_a_flow_and_says_what_the_line_says(browser: Browser, query: str) -> None:
    answer = browser.client.get(f"/api/v1/flows?{query}&format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.text.startswith(",".join(csv_rows.HEADER) + "\r\n")
    flows = [json.loads(line)["flow"] for line in browser.client.get(f"/api/v1/flows?{query}").text.splitlines()]
    rows = table(answer.text)
    assert [row["uuid"] for row in rows] == [flow.get("uuid", "") for flow in flows]
    for row, flow in zip(rows, flows, strict=True):
        assert row["verdict"] == flow["verdict"]
        assert row["node"] == flow.get("node_name", "")
        assert row["source_ip"] == flow.get("IP", {}).get("source", "")
        seconds, _, fraction = flow["time"].rstrip("Z").partition(".")
        assert row["time"] == f"{seconds}.{fraction:0<9}Z"
        assert row["reply"] == {None: "", True: "true", False: "false"}[flow.get("is_reply")]


def test_the_columns_are_those_of_the_table(browser: Browser) -> None:
    assert [*(one["name"] for one in got(browser, "meta")["columns"]), "uuid"] == list(csv_rows.HEADER)


def test_words_stand_where_the_table_has_numbers() -> None:
    message = replace(http("/pay", 503), error='out, of "stock"')
    failed = Said(message, whom=Endpoint(namespace="shop", pod_name="web"))
    (row,) = table(csv_rows.header() + csv_rows.rows(stored(failed)))
    assert (row["type"], row["direction"], row["reply"], row["latency_ms"]) == ("l7", "ingress", "true", "4")
    assert (row["source"], row["source_port"], row["bytes"]) == ("shop/web", "80", "")
    assert row["l7"].endswith('out, of "stock"')
    assert row["time"] == "2023-11-14T22:13:20.004000000Z"


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-2", "@SUM(A1)"])
def test_what_a_spreadsheet_would_take_for_a_formula_is_text(name: str) -> None:
    evil = Said(http("/"), who=Endpoint(names=(name,)))
    (row,) = table(csv_rows.header() + csv_rows.rows(stored(evil)))
    assert row["destination"] == f"'{name}"


def test_a_name_makes_no_row_of_its_own() -> None:
    evil = Said(http("/"), who=Endpoint(names=('a"\r\nb,c',)))
    assert len(table(csv_rows.header() + csv_rows.rows(stored(evil)))) == 1


def test_what_was_lost_is_a_row() -> None:
    lost = Lost(LostSource.HUBBLE_RING_BUFFER, 42, 1_700_000_000_000_000_000, node_name="node-1")
    *_, row = table(csv_rows.header() + csv_rows.rows(generate(3).with_lost((lost,))))
    assert row["summary"] == "42 events lost: hubble ring buffer"
    assert (row["node"], row["time"], row["uuid"]) == ("node-1", "2023-11-14T22:13:20.000000000Z", "")


def test_rows_go_on_with_what_comes(tmp_path: Path) -> None:
    ring = Ring()
    with looking(ring, tmp_path) as browser, browser.client.stream("GET", "/api/v1/flows?follow&format=csv") as answer:
        wait_for(lambda: browser.app.state.desk.wakes.followers, "the follower")
        ring.append(lately(generate(10), time.time_ns()))
        rows = answer.iter_lines()
        assert next(rows) == ",".join(csv_rows.HEADER)
        assert all(next(rows).count(",") >= len(csv_rows.HEADER) - 1 for _ in range(10))


def test_a_long_answer_comes_in_small_pieces(browser: Browser) -> None:
    async def sizes() -> list[int]:
        chosen = selection(ALL, time.time_ns())
        return [len(part) async for part in lines(browser.app.state.desk, chosen, "csv")]

    found = asyncio.run(sizes())
    assert sum(found) > 500_000
    assert max(found) < 400_000


def test_twenty_thousand_rows_take_a_few_seconds_at_most() -> None:
    batch = generate(20_000, endpoints=200, pairs=2_000)
    start = time.process_time()
    for at in range(0, len(batch), 512):
        csv_rows.rows(FlowBatch({name: batch[name][at : at + 512] for name in batch.names()}, batch.tables))
    assert time.process_time() - start < 4  # half a second where it was written


WRONG = [
    ("format=xml", "format 'xml' does not exist", "one of jsonl, csv"),
    ("format=csv&to-port=x", "port 'x'", ""),
    ("format=csv&to-port=443,", "--to-port cannot be '443,'", "before and after each comma"),
    ("format=csv&frm-pod=a", "'frm-pod' is no filter", "from-pod"),
    ("to-prt=443", "'to-prt' is no filter", "to-port"),
    ("limit=5", "'limit' is no filter", "last"),
    ("since=yesterday", "yesterday", ""),
    ("since=1h&until=2h", "the time ends before it begins", "since before until"),
    ("last=5x", "last '5x' is no number", "last=100"),
    ("encrypted=0", "encrypted takes no value", "not.encrypted=1"),
    ("reply=maybe", "reply takes no value", "reply=1"),
    ("to-port", "to-port needs a value", "to-port=PORT"),
    ("namespace=", "namespace needs a value", "namespace=NAME"),
    ("last=-1", "last '-1' is no number", ""),
    ("all=maybe", "all cannot be 'maybe'", "all=1"),
    ("follow=perhaps", "follow cannot be 'perhaps'", "follow=1"),
    ("verdict=DROPED", "DROPED", "DROPPED"),
    ("http-path=(", "(", ""),
    ("port=80&to-port=443", "cannot be combined", ""),
    ("cel-expression=%7B", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("query", "sentence", "way_on"), WRONG)
def test_wrong_input_is_a_sentence_and_a_way_on(browser: Browser, query: str, sentence: str, way_on: str) -> None:
    answer = browser.client.get(f"/api/v1/flows?{query}")
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]
    assert answer.json()["way_on"]
    assert way_on in answer.json()["way_on"]


def test_only_reading_is_answered(browser: Browser) -> None:
    answer = browser.client.post("/api/v1/flows?last=1")
    assert (answer.status_code, answer.json()["way_on"]) == (405, "GET /api/v1/flows")


def test_a_switch_that_is_off_is_off(browser: Browser) -> None:
    assert len(browser.client.get("/api/v1/flows?all=0&follow=false&last=3").text.splitlines()) == 3
    assert asked_format("format=") == "jsonl"
