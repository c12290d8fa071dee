"""Every question of the API, before real servers: ours, one that is Hubble's, and none at all."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rubin.store.ring import Ring
from rubin.ui.answers.names import names
from rubin.wire.pb import observer_pb2 as pb
from rubin.words.filter_flags import filter_flags
from tests.api.hubble import flow_response, hubble
from tests.asked import TRACE, shop
from tests.flows import generate
from tests.ui.tabs import Browser, browsing, got, lately, looking
from tests.waiting import wait_for

SPAN = {"since": "2023-11-14T22:13:00Z", "until": "2023-11-14T22:14:00Z"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A shop of two years ago, and pods of this minute."""
    ring = shop()
    ring.append(lately(generate(20_000, endpoints=60, pairs=200), time.time_ns()))
    with looking(ring, tmp_path_factory.mktemp("answers")) as found:
        yield found


def test_meta_names_all_filters_columns_and_verdicts(browser: Browser) -> None:
    found = got(browser, "meta")
    assert (found["kind"], found["node"]) == ("rubin", "node-1")
    names = {one["name"]: one for one in found["filters"]}
    assert set(names) == {flag.name for flag in filter_flags()} - {"not"}
    assert (names["process"]["own"], names["verdict"]["own"], names["reply"]["metavar"]) == (True, False, "")
    assert "DROPPED" in names["verdict"]["choices"]
    assert all(one["filter"] in ("", *names) for one in found["columns"])
    assert [one["name"] for one in found["verdicts"]][2] == "DROPPED"


def test_a_flow_in_full_with_filters_that_are_some(browser: Browser) -> None:
    line = browser.client.get("/api/v1/flows", params={"last": 1, "verdict": "DROPPED"}).json()
    found = got(browser, "flow", uuid=line["flow"]["uuid"])
    assert found["json"]["flow"]["uuid"] == line["flow"]["uuid"]
    assert [one["title"] for one in found["sections"]][:3] == ["Flow", "Source", "Destination"]
    rows = [row for section in found["sections"] for row in section["rows"]]
    assert all(row["value"] for row in rows)
    for asked in (row["filter"] for row in rows if row["filter"]):
        text = f"{asked['name']}={asked['value']}" if asked["value"] else asked["name"]
        got(browser, "parse", text=json.dumps(text))


def test_what_was_said_is_in_a_flow(browser: Browser) -> None:
    lines = browser.client.get("/api/v1/flows", params={"http-status": "503", **SPAN}).text.splitlines()
    found = got(browser, "flow", uuid=json.loads(lines[0])["flow"]["uuid"])
    (said,) = (one["rows"] for one in found["sections"] if one["title"] == "Request")
    assert {row["title"]: row["value"] for row in said}.items() >= {"Status": "503", "Asked": "GET /pay"}.items()


def test_explanations_are_the_servers(browser: Browser) -> None:
    uuid = browser.client.get("/api/v1/flows", params={"last": 1, "verdict": "DROPPED"}).json()["flow"]["uuid"]
    found = got(browser, "explain", uuid=uuid)
    assert found["sections"][0]["title"] == "Verdict"
    assert found["text"].startswith("Verdict\n")
    pair = got(browser, "explain", source="192.0.2.1", destination="192.0.2.2", port="443")
    assert pair["sections"]
    assert browser.client.get("/api/v1/explain").status_code == 400


def test_drops_and_the_flows_of_a_group_are_the_same(browser: Browser) -> None:
    found = got(browser, "drops", since="1h")
    assert found["total"] == sum(group["count"] for group in found["groups"]) > 100
    for group in found["groups"][:5]:
        lines = browser.client.get(f"/api/v1/flows?all=1&{group['query']}").text.splitlines()
        assert len(lines) == group["count"]


def test_services_with_heat_and_exchanges_to_look_at(browser: Browser) -> None:
    found = got(browser, "services", **SPAN)
    (web,) = (row for row in found["rows"] if row.get("server") == "shop/web")
    heat = web["heat"]
    assert sum(map(sum, heat["counts"])) == 42
    assert len(heat["counts"]) * heat["bucket_ms"] == 60_000
    assert len(heat["counts"][0]) == len(heat["bounds_ns"]) + 1
    assert web["query"] == "to-namespace=shop&to-workload=web&protocol=http"
    exchange = got(browser, "exchange", uuid=web["uuid"])["exchanges"][0]
    assert exchange["status"] == 503
    assert len(got(browser, "exchange", trace_id=TRACE)["exchanges"]) == 2
    for by in ("endpoint", "client", "process", "protocol"):
        assert all("query" in row for row in got(browser, "services", by=by, **SPAN)["rows"])
    failing = got(browser, "services", by="endpoint", sort="failing", number="1", **SPAN)["rows"]
    assert [row["target"] for row in failing] == ["/pay"]


NAMES = [
    ("shop", "namespace", "shop", "namespace=shop"), ("WEB-", "pod", "web-7d4b", "pod=shop/web-7d4b"),
    ("GRES", "process", "postgres", "process=postgres"),
    ("app-1", "workload", "app-1", "namespace=shop&workload=Deployment/app-1"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "name", "query"), NAMES)
def test_names_are_found_by_a_part_of_them(browser: Browser, text: str, kind: str, name: str, query: str) -> None:
    found = got(browser, "names", text=text)["names"]
    assert (found[0]["kind"], found[0]["name"]) == (kind, name)
    assert found[0]["query"] == query
    assert all(text.lower() in one["name"].lower() for one in found)
    assert len(found) <= 20
    got(browser, "parse", query=found[0]["query"])


def test_who_begins_with_it_is_named_first_and_nobody_for_nothing(browser: Browser) -> None:
    starts = [one["name"].startswith("s") for one in got(browser, "names", text="s")["names"]]
    assert starts == sorted(starts, reverse=True) != []
    assert got(browser, "names", text=" ")["names"] == got(browser, "names", text="nobody")["names"] == []


def test_a_name_is_found_among_more_than_a_map_has_room_for() -> None:
    ring = Ring()
    ring.append(generate(10_000, endpoints=2_000, pairs=4_000))
    rows = next(iter(ring.scan())).tables.endpoints.rows
    called = {one.pod_name for one in rows if one.pod_name}
    assert len(called) > 1_000
    for name in sorted(called)[:: len(called) // 10]:
        assert name in [one["name"] for one in names(ring, name)["names"]]


def test_dns_and_status(browser: Browser) -> None:
    (name,) = got(browser, "dns", **SPAN)["rows"]
    assert (name["name"], name["count"], name["addresses"]) == ("db.shop", 1, ["10.0.0.3"])
    status = got(browser, "status")
    assert (status["feed"]["phase"], status["feed"]["flows"]) == ("following", browser.feed.ring.held_flows)
    assert status["agent"] == {"programs": 3}


LINES = [
    ("", 20), ("last=5", 5), ("first=3", 3), ("all=1&verdict=DROPPED&since=1h&last=7", 7),
    ("since=1h&uuid=" + "0" * 32, 0),
]  # fmt: skip


@pytest.mark.parametrize(("query", "count"), LINES)
def test_flows_are_lines(browser: Browser, query: str, count: int) -> None:
    answer = browser.client.get(f"/api/v1/flows?{query}")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert len([json.loads(line) for line in answer.text.splitlines()]) == count


def test_flows_go_on_with_what_comes(tmp_path: Path) -> None:
    ring = Ring()
    with looking(ring, tmp_path) as browser, browser.client.stream("GET", "/api/v1/flows?follow=1") as answer:
        wait_for(lambda: browser.app.state.desk.wakes.followers, "the follower")
        ring.append(lately(generate(10), time.time_ns()))
        lines = answer.iter_lines()
        assert len([json.loads(next(lines)) for _ in range(10)]) == 10


WRONG = [
    ("flows?to-port=a", 400, "port"), ("flows?foo=1", 400, "'foo' is no filter"), ("flows?since=soon", 400, "no time"),
    ("flows?first=1&last=1", 400, "first does not go"), ("flows?last=x", 400, "is no number"),
    ("flow", 400, "no UUID"), ("flow?uuid=xyz", 400, "no UUID"),
    ("flow?uuid=" + "0" * 32, 502, "no flow with the UUID"),
    ("exchange?uuid=<b>", 400, "no UUID"), ("services?by=cat", 400, "by 'cat' does not exist"),
    ("services?sort=cat", 400, "sort 'cat' does not exist"), ("services?number=-1", 400, "is no number"),
    ("drops?since=1", 400, "no time"), ("drops?since=nan", 400, "no time"), ("dns?ip=x", 400, "neither an IP address"),
    ("parse?text=" + "x" * 9_000, 400, "letters are too many"), ("nothing", 404, "there is no /api/v1/nothing"),
    ("services?since=5m&until=1h", 400, "ends before it begins"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "code", "sentence"), WRONG)
def test_what_makes_no_sense_is_a_sentence_and_a_way_on(browser: Browser, path: str, code: int, sentence: str) -> None:
    answer = browser.client.get(f"/api/v1/{path}")
    assert answer.status_code == code
    assert sentence in answer.json()["error"]
    assert answer.json()["way_on"]


def test_before_a_hubble_server_all_is_answered_from_what_is_held() -> None:
    def answer(method: str, _request: bytes, _context: object) -> object:
        if method == "ServerStatus":
            return pb.ServerStatusResponse(version="hubble v1.17.0")
        return (flow_response(number) for number in range(1, 101))

    with hubble(answer) as address, browsing(address) as browser:
        wait_for(lambda: browser.feed.flows == 100, "the flows")
        assert got(browser, "meta")["kind"] == "hubble"
        assert got(browser, "services", since=200_000_000_000)["rows"] == []
        assert got(browser, "explain", source="10.0.0.1", destination="10.0.0.2")["sections"]
        assert got(browser, "exchange", trace_id="none")["exchanges"] == []


def test_without_a_server_there_are_answers_too(tmp_path: Path) -> None:
    with browsing(f"unix://{tmp_path}/s") as browser:
        wait_for(lambda: browser.feed.state.phase == "waiting", "the first failure")
        status = got(browser, "status")
        assert (status["feed"]["phase"], status["nodes"], status["feed"]["oldest_ms"]) == ("waiting", [], None)
        assert got(browser, "drops")["groups"] == []
