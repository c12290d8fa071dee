"""The command line, the terminal and the browser before a relay: what its nodes know together, and who is away."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rubin.relay.questions import evidence
from tests.cli.running import Call, Done, caller
from tests.exchanges import MS, TIME_NS
from tests.relay.questioned import TRACE, client_node, cluster, database_node, server_node, uuid
from tests.relay.relayed import Relayed
from tests.ui.tabs import browsing, got
from tests.waiting import wait_for

AWAY = "127.0.0.1:1"  # nobody listens at tcpmux
REFUSED = f"cannot reach {AWAY}: connection refused"
ALWAYS = ("--since", "")


@pytest.fixture(scope="module")
def relayed() -> Iterator[Relayed]:
    with cluster(client_node(), server_node(), database_node(), others=(AWAY,)) as made:
        wait_for(lambda: made.states().get(AWAY) == "TRANSIENT_FAILURE", "the node that is away")
        yield made


@pytest.fixture
def call(relayed: Relayed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    made = caller(capsys, monkeypatch, tmp_path)

    def call(*words: str, code: int = 0) -> Done:
        done = made(*words, "--server", relayed.relay.address)
        assert done.code == code, done.err
        return done

    return call


def lines(text: str) -> dict[str, list[str]]:
    """The words of a table's lines by their first, two blanks between cells."""
    return {line.split()[0]: re.split(r"  +", line.strip()) for line in text.splitlines() if line.strip()}


def test_nodes_and_how_they_are(call: Call) -> None:
    listed = lines(call("list", "nodes").out)
    assert [listed[name][1] for name in ("a", "b", "c", AWAY)] == ["Connected"] * 3 + ["Unavailable"]
    text = call("status").out
    assert "Connected Nodes: 3/4" in text
    assert "Relay: relay-1, version " in text
    assert "Completeness: 99.8501 % of 9,995 flows seen and lost" in text, "by flows: 9,995 of 10,010"
    assert "Lost at the nodes:\n  map: 5\n  ring: 10\n" in text
    assert f"\n{AWAY}: {REFUSED}\n  try: " in text
    table = lines(text)
    assert table["a"][1] == "READY"
    assert table["a"][3:7] == ["1m0s", "99.00 %", "10", "0"]
    assert table["c"][4:6] == ["-", "5"], "it does not say how complete it is"
    assert table[AWAY][1] in ("TRANSIENT_FAILURE", "CONNECTING"), "it is tried again and again"
    own = json.loads(call("status", "-o", "json").out)["rubin"]
    assert (own["flows"], own["lost_records"]) == (9_995, {"map": 5, "ring": 10})
    by_name = {one["name"]: one for one in own["nodes"]}
    for name in "abc":
        one = by_name[name]
        assert (one["kind"], one["late_flows"], one["trouble"]) == ("rubin", 0, "")
        assert abs(one["clock_ahead_ms"]) <= one["clock_error_ms"], "all clocks are this machine's"
    assert (by_name[AWAY]["kind"], by_name[AWAY]["trouble"]) == ("", REFUSED)
    assert "clock_ahead_ms" not in by_name[AWAY]


def test_top_counts_what_two_nodes_saw_once_and_says_who_is_missing(call: Call) -> None:
    done = call("top", *ALWAYS)
    head, missing = done.out.splitlines()[:2]
    assert re.fullmatch(r"12 requests in .*, 10 errors \(83.3%\)", head)
    assert missing == f"  without {AWAY}: {REFUSED}"
    pay, sql = (json.loads(line) for line in call("top", *ALWAYS, "-o", "json").out.splitlines())
    assert (pay["count"], pay["errors"], pay["request_bytes"], pay["p95_ns"]) == (10, 10, 1_000, 4 * MS)
    assert (sql["count"], sql["server"], sql["max_ns"]) == (2, "data/db-0:5432", MS)
    by_process = [json.loads(line) for line in call("top", *ALWAYS, "--by", "process", "-o", "json").out.splitlines()]
    told = {(one["process"]["command"], one["role"], one["count"]) for one in by_process}
    assert told == {("curl", "client", 10), ("nginx", "server", 10), ("nginx", "client", 2), ("postgres", "server", 2)}
    assert call("top", *ALWAYS, "-o", "json").err == f"without {AWAY}: {REFUSED}\n"
    assert "no requests in " in call("top", *ALWAYS, "--to-port", "99").out
    assert "--sort cannot be 'x'" in call("top", "--sort", "x", code=2).err


def test_a_request_seen_at_both_ends_is_told_once_with_both_times(call: Call) -> None:
    (one,) = map(json.loads, call("trace", uuid(1, 3), "-o", "json").out.splitlines())
    assert (one["seen_at"], one["node"], one["latency_ns"]) == (["client", "server"], "b", 4 * MS)
    at = TIME_NS + 60 * MS
    assert one["ends"] == [
        {"end": "client", "node": "a", "asked_ns": at, "answered_ns": at + 6 * MS, "latency_ns": 6 * MS},
        {"end": "server", "node": "b", "asked_ns": at + MS, "answered_ns": at + 5 * MS, "latency_ns": 4 * MS},
    ]
    assert [one[side]["process"]["command"] for side in ("client", "server")] == ["curl", "nginx"]
    (same,) = map(json.loads, call("trace", uuid(2, 3), "-o", "json").out.splitlines())
    assert same == one, "by the server's UUID it is the same"


def test_a_trace_over_three_nodes_knows_who_called_whom(call: Call) -> None:
    found = [json.loads(line) for line in call("trace", "--trace-id", TRACE, "-o", "json").out.splitlines()]
    assert len(found) == 12
    sql, other = (one for one in found if one["protocol"] == "postgresql")
    assert [end["node"] for end in sql["ends"]] == ["b", "c"]
    assert [(one["protocol"], one["depth"]) for one in found[:3]] == [("http", 0), ("postgresql", 1), ("postgresql", 1)]
    assert (other["client"]["process"]["pid"], sql["server"]["process"]["pid"]) == (10, 10), "two that are not one"
    assert found[0]["client"]["process"]["cgroup"] == "/user"
    assert "    shop/web-7d4b -> data/db-0:5432" in call("trace", "--trace-id", TRACE).out


def test_requests_that_cannot_be_traced_are_said_as_at_one_node(call: Call) -> None:
    several = call("trace", "000000000000", code=2).err
    assert "3 requests have a UUID that begins or ends with '000000000000', at a, b, c" in several
    assert "is no UUID" in call("trace", "pay", code=2).err
    assert "no request or answer that is held has the UUID" in call("trace", uuid(7, 1), code=1).err
    assert "is no request and no answer" in call("trace", uuid(2, 52), code=1).err
    assert "no request that is held belongs to the trace" in call("trace", "--trace-id", "0123", code=1).err


def sections(call: Call, *words: str, code: int = 0) -> dict[str, str]:
    found = json.loads(call("explain", *words, "-o", "json", code=code).out)
    return {one["title"]: "\n".join(one["lines"]) for one in found["sections"]}


def test_a_drop_is_explained_by_the_node_that_saw_it_with_what_others_know(call: Call) -> None:
    told = sections(call, uuid(1, 51))
    assert "was dropped by the kernel, in nft_do_chain+0x46f" in told["Verdict"]
    assert "Where: node b, ingress." in told["Verdict"]
    assert "The flow itself was forwarded" in told["Verdict"], "the SYN that a saw leave"
    assert "process curl/9 me" in told["Whose socket"], "a knows"
    assert "The port belonged to nginx/10 www-data" in told["Listener"], "b knows"
    assert "On b: nft list ruleset" in told["What to try"]
    assert "The connection was seen at a, b; c saw nothing of it." in told["Nodes"]
    assert "The client's socket: at a.\nThe server's socket: at b." in told["Nodes"]
    assert f"{AWAY} did not answer ({REFUSED}): what it saw is not known." in told["Nodes"]
    pair = sections(call, "curl", "shop/web-7d4b:81")
    assert pair["Verdict"] in told["Verdict"], "what decided is what is asked for"
    assert pair["Listener"] == told["Listener"]
    assert "\nNodes\n  The connection was seen at a, b" in call("explain", uuid(2, 53)).out


def test_flows_that_were_too_many_to_look_at_are_said(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_MOST_FLOWS", "_LEAST_FLOWS"):
        monkeypatch.setattr(evidence, name, 2)
    told = sections(call, uuid(1, 51))
    assert re.search(r"\nb reaches back to .*; there are more than the \d flows that were looked at\.", told["Nodes"])
    assert re.search(r"\na reaches back to [^;]*\.\n", told["Nodes"]), "one flow to the port was all"


def test_what_no_node_knows_is_said_with_who_was_asked(call: Call) -> None:
    told = sections(call, "curl", "nobody:81", code=1)
    assert told["Verdict"].startswith("No flow from curl to nobody:81 is held.\na: The ring reaches back to ")
    assert "c: Nobody in the ring is called curl." in told["Verdict"]
    assert f"{AWAY} did not answer" in told["Nodes"]
    assert "No flow that is held has the UUID" in sections(call, uuid(9, 9), code=1)["Verdict"]
    assert "flows have a UUID that begins or ends with" in call("explain", "000000000032", code=2).err
    assert "names nobody" in call("explain", " ", "web", code=2).err


def test_endpoints_are_those_of_all_nodes_with_who_knows_them(call: Call) -> None:
    found = lines(call("list", "endpoints", "-o", "wide").out)
    assert found["shop/web"][1:3] == ["7", "node a,node b,10.0.0.2"]
    assert found["shop/curl"][2] == "node a,10.0.0.1"
    (curl,) = json.loads(call("get", "10.0.0.1", "-o", "json").out)
    assert (curl["name"], curl["nodes"]) == ("curl", ["a"]), "those who know no name are left out"
    (web,) = json.loads(call("get", "10.0.0.2", "-o", "json").out)
    assert (web["nodes"], web["since_ns"]) == (["a", "b"], 4)
    assert "nobody known is 'cat'" in call("get", "cat", code=1).err


@pytest.mark.parametrize(
    ("view", "words"), [("top", ("GET /pay", "SELECT ?")), ("health", ("Relay: relay-1", REFUSED))]
)
def test_the_terminal_shows_what_the_relay_answers(view: str, words: tuple[str, ...], call: Call) -> None:
    shown = call("tui", "--plain", "--view", view, "--since", "2023-11-14T22:13:00Z").out
    assert all(word in shown for word in words), shown


def test_the_browser_is_answered_by_the_relay(relayed: Relayed) -> None:
    with browsing(relayed.relay.address) as browser:
        wait_for(lambda: browser.feed.flows >= 28, "the flows of all nodes")
        times = {"since": str(TIME_NS // MS - 1_000), "until": str(TIME_NS // MS + 10_000)}
        rows = got(browser, "services", by="endpoint", **times)["rows"]
        assert [(one["target"], one["count"]) for one in rows] == [("/pay", 10), ("SELECT ?", 2)]
        assert len(got(browser, "exchange", uuid=uuid(1, 3))["exchanges"][0]["ends"]) == 2
        assert got(browser, "explain", uuid=uuid(1, 51))["sections"][-1]["title"] == "Nodes"
        nodes = {one["name"]: one["available"] for one in got(browser, "status")["nodes"]}
        assert nodes == {"relay-1": True, AWAY: False}
