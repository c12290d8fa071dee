"""The live part: frames of each view, shared between tabs, for slow ones, for those that talk nonsense."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rubin.api.target import ClientSettings
from rubin.model.batch import Lost, empty
from rubin.model.enums import LostSource, Verdict
from rubin.store.ring import Ring
from rubin.ui.feed import Feed, Gap
from rubin.ui.frames import Type, decode
from rubin.ui.live import Hub
from rubin.ui.tab import Tab
from rubin.ui.views.asked import Asked
from rubin.ui.views.rows import KINDS
from tests.asked import shop
from tests.flows import flows, generate
from tests.ui.tabs import Browser, Page, lately, looking, page
from tests.waiting import wait_for


@pytest.fixture
def ring() -> Ring:
    made = Ring()
    made.append(lately(generate(3_000, endpoints=40, pairs=100), time.time_ns()))
    return made


@pytest.fixture
def browser(ring: Ring, tmp_path: Path) -> Iterator[Browser]:
    with looking(ring, tmp_path) as found:
        yield found


def more(ring: Ring, count: int = 200, verdict: Verdict | None = None, seed: int = 2) -> None:
    batch = lately(generate(count, seed=seed, endpoints=40, pairs=100), time.time_ns())
    ring.append(batch if verdict is None else batch.with_columns(verdict=np.full(count, verdict)))


def test_the_map_has_all_there_is_in_each_frame(browser: Browser) -> None:
    with page(browser) as tab:
        tab.sub(1, "map", scope="namespace")
        for _ in range(2):
            head, tables = tab.until(Type.MAP)
            nodes, edges = tables["nodes"], tables["edges"]
            assert sorted(tab.words(nodes["name"])) == ["default", "kube-system", "monitoring", "shop"]
            assert set(edges["source"]) | set(edges["destination"]) <= set(nodes["id"])
            assert head["window_ms"] == 60_000
            assert head["summary"].startswith("4 namespaces, ")
            assert tab.words(nodes["query"]) == [f"namespace={name}" for name in tab.words(nodes["name"])]
            assert np.isnan(edges["p50_ms"]).all()


def test_flows_are_held_ones_first_then_new_ones(browser: Browser, ring: Ring) -> None:
    with page(browser) as tab:
        tab.sub(1, "flows", max_rows=100)
        head, tables = tab.until(Type.FLOWS)
        assert head["snapshot"]
        rows = tables["rows"]
        assert list(rows) == list(KINDS)
        assert len(rows["time"]) == 2_000, "twenty times as many rows as a frame has"
        assert (np.diff(rows["time"]) >= 0).all()
        words = dict(zip(tab.words(rows["source"]), tab.words(rows["source_filter"]), strict=True))
        assert set(words.values()) == {"from-pod"}
        more(ring, 40, Verdict.FORWARDED)
        head, tables = wait_for(lambda: seen(tab), "the new ones")
        assert (head["seen"], head["snapshot"]) == (40, False)


def seen(tab: Page):
    head, tables = tab.until(Type.FLOWS)
    return (head, tables) if head["seen"] else None


def test_many_flows_are_sampled_drops_never(browser: Browser, ring: Ring) -> None:
    with page(browser) as tab:
        tab.sub(1, "flows", max_rows=100)
        tab.until(Type.FLOWS)
        batch = lately(generate(5_000, seed=3), time.time_ns())
        verdicts = np.full(5_000, Verdict.FORWARDED)
        verdicts[::100] = Verdict.DROPPED
        ring.append(batch.with_columns(verdict=verdicts))
        total = drops = sent = 0
        while total < 5_000:
            head, tables = tab.until(Type.FLOWS)
            total, sent = total + head["seen"], sent + head["sent"]
            drops += int((tables["rows"]["verdict"] == Verdict.DROPPED).sum())
            assert head["sampled"] == (head["sent"] < head["seen"])
        assert (total, drops) == (5_000, 50)
        assert sent < 500


def test_flows_that_come_late_together_are_shown_whole(browser: Browser, ring: Ring) -> None:
    with page(browser) as tab:
        tab.sub(1, "flows", max_rows=100)
        tab.until(Type.FLOWS)
        more(ring, 200, Verdict.FORWARDED)
        seen_of_all = sent = 0
        while seen_of_all < 200:
            head, _ = tab.until(Type.FLOWS)
            seen_of_all, sent = seen_of_all + head["seen"], sent + head["sent"]
        assert sent == 200


def test_losses_are_rows_of_their_own(browser: Browser, ring: Ring) -> None:
    with page(browser) as tab:
        tab.sub(1, "flows")
        tab.until(Type.FLOWS)
        ring.append(empty(lost=(Lost(LostSource.PERF_EVENT_RING_BUFFER, 1_234, time.time_ns(), place="flow ring"),)))
        while True:
            head, tables = tab.until(Type.FLOWS)
            if head["lost_kernel"]:
                break
        rows = tables["rows"]
        assert head["lost_kernel"] == 1_234
        assert rows["is_loss"].tolist() == [1]
        assert tab.words(rows["summary"]) == ["1,234 events lost: flow ring"]


def test_series_and_stats(browser: Browser, ring: Ring) -> None:
    with page(browser) as tab:
        tab.sub(1, "series")
        head, tables = tab.until(Type.SERIES)
        assert head["snapshot"]
        assert int(sum(tables["buckets"][name].sum() for name in ("forwarded", "dropped"))) == 3_000
        tab.sub(2, "stats")
        tab.until(Type.STATS)
        more(ring, 500)
        while not tab.until(Type.STATS)[0]["per_second"]:
            continue
        head, _ = tab.until(Type.STATS)
        assert (head["following"], head["nodes"], head["missed"]) == (True, 1, 0)


def test_filters_and_times_choose(browser: Browser) -> None:
    with page(browser) as tab:
        tab.sub(1, "flows", query="verdict=DROPPED")
        rows = tab.until(Type.FLOWS)[1]["rows"]
        assert set(rows["verdict"]) == {Verdict.DROPPED}
        newest = float(rows["time"].max())
        tab.sub(2, "flows", time={"mode": "range", "since_ms": 0, "until_ms": newest + 1})
        assert 0 < len(tab.until(Type.FLOWS, 2)[1]["rows"]["time"]) <= 3_000
        tab.sub(3, "map", time={"mode": "at", "at_ms": newest, "window_ms": 60_000})
        head, tables = tab.until(Type.MAP, 3)
        assert len(tables["edges"]["id"])
        assert head["tick_ms"] == pytest.approx(newest)


def test_what_was_asked_together_is_told_in_all_words(tmp_path: Path) -> None:
    with looking(shop(), tmp_path) as browser, page(browser) as tab:
        when = {"mode": "range", "since_ms": 1.6e12, "until_ms": 1.8e12}
        tab.sub(1, "flows", time=when)
        rows = tab.until(Type.FLOWS)[1]["rows"]
        said = set(tab.words(rows["l7"]))
        assert {"http GET /pay 503", "http GET /missing 404", "http GET /items/1 200"} <= said
        assert "nginx/1234" in tab.words(rows["process"])
        assert float(np.nanmax(rows["latency_ms"])) == pytest.approx(1_200)
        tab.sub(2, "map", time=when)
        edges = tab.until(Type.MAP)[1]["edges"]
        assert set(tab.words(edges["protocol"])) >= {"http", "postgresql", "dns"}


def test_tabs_that_look_at_the_same_share_one_computation(browser: Browser) -> None:
    with page(browser) as one, page(browser) as two:
        one.sub(1, "map", query="to-port=443&verdict=FORWARDED")
        one.until(Type.MAP)
        two.sub(7, "map", query="verdict=FORWARDED&to-port=443")
        two.until(Type.MAP)
        (asked,) = browser.hub.views
        assert asked.query == "to-port=443&verdict=FORWARDED"
        shared = browser.hub.views[asked]
        before = shared.ticks
        for _ in range(3):
            one.until(Type.MAP)
            two.until(Type.MAP)
        assert shared.ticks - before <= 5, "one a tick, however many tabs"
        two.sub(7, "map", query="to-port=80")
        two.until(Type.MAP)
        assert len(browser.hub.views) == 2


def test_a_tab_without_credit_gets_the_latest_and_no_backlog(browser: Browser, ring: Ring) -> None:
    with page(browser) as tab:
        tab.sub(1, "flows", max_rows=50, query="verdict=DROPPED&verdict=FORWARDED")
        first = [decode(tab.session.recv(30, decode=False))[0] for _ in range(2)]
        assert [head["seq"] for head in first] == [1, 2]
        for seed in range(10):
            more(ring, 100, Verdict.DROPPED if seed == 3 else Verdict.FORWARDED, seed)
            time.sleep(0.05)
        wait_for(lambda: browser.feed.flows == 4_000, "the flows")
        with pytest.raises(TimeoutError):
            tab.session.recv(1)
        tab.say(op="credit", n=1)
        head, tables = decode(tab.session.recv(30, decode=False))
        assert head["seen"] + first[1]["seen"] == 1_000
        assert len(tables["rows"]["time"]) <= 50
        assert (tables["rows"]["verdict"] == Verdict.DROPPED).any(), "drops are kept first"
        assert head["seq"] == 3


def test_a_pause_keeps_counting(browser: Browser, ring: Ring) -> None:
    with page(browser) as tab:
        tab.sub(1, "flows")
        tab.sub(2, "stats")
        tab.until(Type.FLOWS)
        tab.until(Type.STATS)
        tab.say(op="pause", id=1, on=True)
        more(ring, 300, Verdict.FORWARDED)
        more(ring, 20, Verdict.DROPPED)
        while (head := tab.take()[0]).get("missed") != 320:
            assert head["type"] == Type.STATS or not head.get("missed")
        assert head["missed_drops"] == 20
        tab.say(op="pause", id=1, on=False)
        assert tab.until(Type.FLOWS)[0]["snapshot"]
        assert tab.until(Type.STATS)[0]["missed"] == 0


NONSENSE = [
    ("", "a message is no JSON"),
    ("{", "a message is no JSON"),
    ("[1]", "a message is a JSON object"),
    ("[" * 30_000, "a message is no JSON"),
    ('{"op":"drop"}', "op 'drop' does not exist"),
    ('{"op":["sub"]}', "does not exist"),
    ('{"op":"sub"}', "id is no number"),
    ('{"op":"sub","id":70000,"view":"map"}', "id is no number"),
    ('{"op":"sub","id":true,"view":"map"}', "id is no number"),
    ('{"op":"sub","id":1}', "view '' does not exist"),
    ('{"op":"sub","id":1,"view":"secrets"}', "view 'secrets' does not exist"),
    ('{"op":"sub","id":1,"view":7}', "view is no text"),
    ('{"op":"sub","id":1,"view":"map","scope":"zone"}', "scope 'zone' does not exist"),
    ('{"op":"sub","id":1,"view":"flows","query":"to-port=a"}', "port"),
    ('{"op":"sub","id":1,"view":"flows","max_rows":"many"}', "max_rows is no number"),
    ('{"op":"sub","id":1,"view":"flows","max_rows":NaN}', "max_rows is no number"),
    ('{"op":"sub","id":1,"view":"map","time":[]}', "time is no object"),
    ('{"op":"sub","id":1,"view":"map","time":{"mode":"then"}}', "time mode 'then' does not exist"),
    ('{"op":"sub","id":1,"view":"map","time":{"mode":"range","since_ms":2,"until_ms":1}}', "ends before it begins"),
    ('{"op":"pause","id":9,"on":true}', "there is no subscription 9"),
    ('{"op":"credit","n":-1}', "n is no number of frames"),
]


def test_nonsense_is_answered_and_the_tab_lives_on(browser: Browser) -> None:
    with page(browser) as tab:
        for message, sentence in NONSENSE:
            tab.session.send(message)
            head, _ = tab.until(Type.ERROR)
            assert sentence in head["error"], message
            assert isinstance(head["way_on"], str)
        tab.sub(1, "map")
        tab.until(Type.MAP)


def test_huge_numbers_are_cut_to_what_is_possible(browser: Browser) -> None:
    with page(browser) as tab:
        tab.say(op="credit", n=10**30)
        tab.sub(1, "flows", max_rows=10**30, time={"mode": "at", "at_ms": 1e300, "window_ms": 1e300})
        tab.until(Type.FLOWS)
        tab.sub(2, "map", time={"mode": "range", "since_ms": -1e300, "until_ms": 1e300})
        tab.until(Type.MAP)
        tab.sub(3, "series", time={"mode": "range", "since_ms": 0, "until_ms": 1e18})
        tab.until(Type.SERIES)
        for number in range(4, 33):
            tab.sub(number, "stats", query=f"to-port={number}")
        tab.sub(33, "stats", query="to-port=33")
        assert "32 subscriptions" in tab.until(Type.ERROR)[0]["error"]


def test_hostile_names_are_texts(tmp_path: Path) -> None:
    ring = Ring()
    evil = "<script>alert(1)" + "é" * 500
    batch = lately(flows(f"src dst from to\n10.0.0.1:1 10.0.0.2:80 shop/{evil} shop/b"), time.time_ns())
    ring.append(batch)
    with looking(ring, tmp_path) as browser, page(browser) as tab:
        tab.sub(1, "map", scope="pod")
        assert evil in tab.words(tab.until(Type.MAP)[1]["nodes"]["name"])
        tab.sub(2, "flows")
        assert f"shop/{evil}" in tab.words(tab.until(Type.FLOWS)[1]["rows"]["source"])


def test_a_break_and_the_end_are_told(browser: Browser) -> None:
    with page(browser) as tab:
        tab.sub(1, "stats")
        tab.until(Type.STATS)
        browser.feed.gaps.append(Gap(1_000_000, 2_000_000, "it was away"))
        head, _ = tab.until(Type.GAP)
        assert (head["from_ms"], head["until_ms"], head["why"]) == (1, 2, "it was away")
        browser.hub.bye()
        assert "ended" in tab.until(Type.BYE)[0]["why"]


def test_a_view_that_nobody_looks_at_ends(browser: Browser) -> None:
    with page(browser) as tab:
        tab.sub(1, "map")
        tab.until(Type.MAP)
        assert Asked("map") in browser.hub.views
    wait_for(lambda: not browser.hub.views, "its end")


def test_a_view_that_fails_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing() -> list[bytes]:
        sent: list[bytes] = []
        done = asyncio.Event()

        async def send(data: bytes) -> None:
            sent.append(data)
            done.set()

        async with Hub(Feed(ClientSettings(server=f"unix://{tmp_path}/s"))) as hub:
            tab = Tab(hub, send)
            running = asyncio.create_task(tab.run())
            monkeypatch.setattr("rubin.ui.views.map.Map.prepare", lambda _self: 1 / 0)
            tab.heard(json.dumps({"op": "sub", "id": 3, "view": "map"}))
            await asyncio.wait_for(done.wait(), 10)
            tab.close()
            running.cancel()
        return sent

    (data,) = asyncio.run(failing())
    assert decode(data)[0]["error"] == "the view map failed"
    assert threading.active_count() < 50
