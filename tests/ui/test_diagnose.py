"""Why there is nothing to see: each cause is brought about, and what is offered against it leads out of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import parse_qsl

import grpc
import numpy as np
import pytest

from rubin.api.listen import ListenSettings
from rubin.api.server import Server, ServerThread
from rubin.model.batch import FlowBatch, Lost, empty
from rubin.model.enums import LostSource, Verdict
from rubin.store.ring import Ring
from rubin.wire.pb import observer_pb2 as pb
from tests.api.hubble import flow_response, hubble
from tests.asked import shop
from tests.flows import generate
from tests.ui.tabs import Browser, browsing, got, lately, looking
from tests.waiting import wait_for

HOUR = {"since": "1h"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A shop of two years ago, and packets of this minute of which nothing is dropped."""
    ring = shop()
    ring.append(quiet(lately(generate(2_000, endpoints=60, pairs=200), time.time_ns())))
    with looking(ring, tmp_path_factory.mktemp("diagnose")) as found:
        yield found


def quiet(batch: FlowBatch) -> FlowBatch:
    """The same packets, all forwarded."""
    return batch.with_columns(verdict=np.full(len(batch), Verdict.FORWARDED, batch["verdict"].dtype))


@contextmanager
def observed(ring: Ring, directory: Path, **status: Any) -> Iterator[Browser]:
    """A browser before our own server, whose agent says this of itself."""
    thread = ServerThread(Server(ring, ListenSettings(str(directory / "s"), ""), "node-1", status=lambda: status))
    thread.start()
    try:
        with browsing(f"unix://{directory}/s") as browser:
            wait_for(lambda: browser.feed.state.phase == "following", "the server")
            wait_for(lambda: browser.feed.flows >= ring.held_flows, "the flows that are held")
            yield browser
    finally:
        thread.close()


def cause(browser: Browser, asked: dict[str, str] | None = None) -> tuple[str, str]:
    """The cause and what can be clicked against it, which must lead to where flows are."""
    found = got(browser, "diagnose", **(asked or {}))
    remedy = found["remedy"] or {}
    if "query" in remedy:
        assert got(browser, "diagnose", **dict(parse_qsl(remedy["query"])))["cause"] == ""
    return found["cause"], remedy.get("label", "")


def sentence(browser: Browser, asked: dict[str, str] | None = None) -> str:
    """What is said."""
    found = got(browser, "diagnose", **(asked or {}))
    assert found["way_on"] or not found["cause"]
    return str(found["sentence"])


def test_there_is_no_server(tmp_path: Path) -> None:
    with browsing(f"unix://{tmp_path}/s") as browser:
        wait_for(lambda: browser.feed.state.phase == "waiting", "the first failure")
        assert cause(browser) == ("not-connected", "")
        assert "there is no socket" in sentence(browser)


def test_the_server_has_gone(tmp_path: Path) -> None:
    with browsing(f"unix://{tmp_path}/s") as browser:
        with looking(shop(), tmp_path):
            wait_for(lambda: browser.feed.flows, "the flows")
        wait_for(lambda: browser.feed.state.phase != "following", "the end of the server")
        assert cause(browser) == ("not-connected", "")


@pytest.mark.parametrize("code", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED])
def test_the_server_lets_nobody_in(code: grpc.StatusCode) -> None:
    def answer(_method: str, _request: bytes, context: Any) -> object:
        context.abort(code, "may not list flows")
        raise AssertionError

    with hubble(answer) as address, browsing(address) as browser:
        wait_for(lambda: browser.feed.state.phase == "waiting", "the refusal")
        assert cause(browser) == ("no-permission", "")
        assert "may not list flows" in sentence(browser)


def test_the_agent_is_attached_to_nothing(tmp_path: Path) -> None:
    missing = "cgroup_skb: no packets are seen (without CAP_BPF the kernel loads nothing)"
    kernel = {"attached": [], "missing": [missing], "refused": {}}
    with observed(Ring(), tmp_path, kernel=kernel) as browser:
        assert cause(browser) == ("not-attached", "Health")
        assert "without CAP_BPF" in sentence(browser)
        kernel["refused"] = {"rubin_ingress": "the verifier says no"}
        assert "rubin_ingress: the verifier says no" in sentence(browser)


def test_nothing_has_happened_yet(tmp_path: Path) -> None:
    with observed(Ring(), tmp_path, kernel={"attached": ["rubin_ingress at cgroup"]}) as browser:
        assert cause(browser) == ("no-events", "Health")
        assert "no flow yet" in sentence(browser)


def test_nothing_happens_any_more(tmp_path: Path) -> None:
    ring = Ring()
    ring.append(lately(generate(100), time.time_ns() - 600 * 10**9))
    with looking(ring, tmp_path) as browser:
        assert cause(browser, {"view": "map"}) == ("no-events", "show the last flows")
        assert "no flow has come for 6" in sentence(browser, {"view": "map"})
        assert cause(browser, {"view": "drops"})[0] == ""  # a list is of all that is held


EXCLUDED = [
    ({"namespace": "shopp"}, "take shop", "the nearest name is shop"),
    ({"not.namespace": "", "to-port": "9"}, "remove to-port=9", "none of them with to-port=9"),
    ({"to-port": "9", "verdict": "FORWARDED"}, "remove to-port=9", "none of them with to-port=9"),
    ({"to-port": "9", "from-port": "9"}, "remove all filters", "none of them passes all filters"),
]


@pytest.mark.parametrize(("terms", "label", "words"), EXCLUDED)
def test_the_filter_passes_nothing(browser: Browser, terms: dict[str, str], label: str, words: str) -> None:
    asked = HOUR | {name: value for name, value in terms.items() if value}
    assert cause(browser, asked) == ("all-excluded", label)
    assert words in sentence(browser, asked)


def test_a_remedy_leaves_the_time_as_it_is(browser: Browser) -> None:
    remedy = got(browser, "diagnose", since="1h", namespace="shopp", view="flows")["remedy"]
    assert dict(parse_qsl(remedy["query"])) == {"namespace": "shop", "since": "1h"}


@pytest.mark.parametrize("key", ["abnormal", "found", "focus"])
def test_the_page_itself_hides_it(browser: Browser, key: str) -> None:
    asked = HOUR | {f"v.{key}": "1", "view": "flows"}
    found = got(browser, "diagnose", **asked)
    assert (found["cause"], found["remedy"]["view"]) == ("hidden-by-view", [key])
    assert got(browser, "diagnose", **HOUR)["cause"] == ""


def test_the_time_is_before_what_is_held(browser: Browser) -> None:
    early = {"since": "2020-01-01T00:00:00Z", "until": "2020-01-01T00:01:00Z"}
    assert cause(browser, early) == ("outside-retention", "the oldest that is held")
    assert "the oldest flow is of 2023-11-14 22:13:" in sentence(browser, early)
    between = {"since": "2024-01-01T00:00:00Z", "until": "2024-01-01T00:01:00Z"}
    assert cause(browser, between) == ("outside-retention", "now")
    assert got(browser, "diagnose", at="2023-11-14T22:14:00Z", window="1m")["cause"] == ""
    assert cause(browser, {"at": "2024-01-01T00:00:00Z", "window": "5m"}) == ("outside-retention", "now")
    answer = browser.client.get("/api/v1/diagnose?at=2024-01-01T00:00:00Z&window=long")
    assert (answer.status_code, answer.json()["error"]) == (400, "window 'long' is no duration")


HEARD: list[tuple[dict[str, Any], str]] = [
    ({"messages": {}}, "told not to"),
    ({"messages": {"connections": 3, "tls_libraries_refused": 2}}, "2 TLS libraries cannot be read"),
    ({"messages": {"connections": 3}}, "protocol is not known, or it is encrypted"),
]


@pytest.mark.parametrize(("status", "words"), HEARD)
def test_nothing_of_what_was_said_is_read(status: dict[str, Any], words: str, tmp_path: Path) -> None:
    ring = Ring()
    ring.append(quiet(lately(generate(500), time.time_ns())))
    with observed(ring, tmp_path, **status) as browser:
        for view in ("services", "dns"):
            found = got(browser, "diagnose", view=view)
            assert (found["cause"], found["remedy"]["path"]) == ("not-read", "/flows?")
            assert words in f"{found['sentence']} {found['way_on']}"
        found = got(browser, "diagnose", view="flows")
        assert (found["cause"], found["sentence"]) == ("", "")


def test_nothing_is_read_of_a_port(tmp_path: Path) -> None:
    ring = Ring()
    ring.append(lately(generate(500), time.time_ns()))
    port = str(next(ring.scan())["destination_port"][0])
    with observed(ring, tmp_path, messages={"connections": 3}) as browser:
        found = got(browser, "diagnose", view="services", **{"to-port": port})
        assert f"flows of port {port} are there, and nothing of what they said was read" in found["sentence"]
        assert found["remedy"]["path"] == f"/flows?to-port={port}"


def test_a_hubble_server_tells_no_requests() -> None:
    ending = Event()

    def followed() -> Iterator[pb.GetFlowsResponse]:
        yield from (flow_response(number) for number in range(1, 11))
        ending.wait(60)

    def answer(method: str, _request: bytes, _context: object) -> object:
        return pb.ServerStatusResponse(version="hubble v1.17.0") if method == "ServerStatus" else followed()

    with hubble(answer) as address, browsing(address) as browser:
        wait_for(lambda: browser.feed.flows == 10, "the flows")
        found = got(browser, "diagnose", view="services")
        ending.set()
        assert found["cause"] == "not-read"
        assert "a policy of layer 7" in found["way_on"]


def test_what_happened_was_lost(tmp_path: Path) -> None:
    ring = Ring()
    ring.append(lately(generate(100), time.time_ns() - 600 * 10**9))
    with looking(ring, tmp_path) as browser:
        now_ns = time.time_ns()
        lost = Lost(LostSource.PERF_EVENT_RING_BUFFER, 1234, now_ns, now_ns, now_ns, place="the ring is full")
        ring.append(empty(lost=(lost,)))
        wait_for(lambda: browser.feed.lost, "the loss")
        assert cause(browser, {"view": "map"}) == ("lost", "Health")
        assert "1,234 events were lost" in sentence(browser, {"view": "map"})


def test_nothing_is_wrong(browser: Browser) -> None:
    now = {"since": "5m"}
    assert "none of 2,000 flows was dropped" in sentence(browser, {"view": "drops", **now})
    assert cause(browser, {"view": "drops", **now}) == ("", "")
    span = {"since": "2023-11-14T22:13:00Z", "until": "2023-11-14T22:14:00Z"}
    assert cause(browser, {"view": "services", **span}) == ("", "")
    assert cause(browser, {"view": "dns", **span}) == ("", "")
    assert "no name was asked for" in sentence(browser, {"view": "dns", "protocol": "http", **span})
