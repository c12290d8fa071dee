"""Questions to clusters that are not all of one kind: Hubble's nodes, older ones, hung ones, relays, none at all."""

import asyncio
import json
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rubin.api.client import Client
from rubin.cli.output.status import report
from rubin.errors import RubinError, UsageError
from rubin.relay.questions.nodes import HUBBLE, Told
from rubin.relay.questions.top import top
from rubin.wire.pb import observer_pb2 as pb
from rubin.wire.pb.flow_pb2 import DROPPED, Flow
from rubin.wire.pb.rubin_pb2 import TopRequest, TopResponse
from tests.api.hubble import hubble
from tests.exchanges import MS, Said, http, stored
from tests.relay.questioned import (
    HOST,
    NGINX,
    TRACE,
    WEB,
    Node,
    client_node,
    cluster,
    database_node,
    server_node,
    uuid,
)
from tests.relay.relayed import Relayed, ask, relaying
from tests.waiting import wait_for

AWAY = "127.0.0.1:1"  # nobody listens at tcpmux
FOREIGN = "0fedcba9-1234-4321-8765-0123456789ab"


def requests(relayed: Relayed, by: str = "endpoint", number: int = 0) -> dict[str, Any]:
    return ask(relayed.relay.address, lambda client: client.top(pb.GetFlowsRequest(), by, "busiest", number))


def counts(found: dict[str, Any]) -> dict[str, int]:
    return {row["target"]: row["count"] for row in found["rows"]}


def dropped(method: str, _request: bytes, _context: Any) -> Any:
    """A Hubble server that saw b's drop, under a UUID of its own."""
    if method != "GetFlows":
        return pb.ServerStatusResponse(num_flows=1, max_flows=1, version="cilium v1.16")
    flow = Flow(node_name="h", verdict=DROPPED, uuid=FOREIGN)
    flow.time.FromNanoseconds(1_700_000_000_600_000_000)
    flow.IP.source, flow.IP.destination, flow.IP.ipVersion = "10.0.0.9", "10.0.0.2", 1  # type: ignore[assignment]
    flow.l4.TCP.source_port, flow.l4.TCP.destination_port, flow.l4.TCP.flags.SYN = 4009, 81, True
    return iter([pb.GetFlowsResponse(flow=flow, node_name="h", time=flow.time)])


def test_a_hubble_node_gives_its_flows_and_is_said_to_know_no_more() -> None:
    with hubble(dropped) as address, cluster(client_node(), server_node(), others=(address,)) as relayed:
        wait_for(lambda: relayed.states()[address] == "READY", "Hubble's node")
        found = requests(relayed)
        assert found["missing"] == [{"name": address, "why": HUBBLE}]
        assert counts(found)["/pay"] == 10
        told = ask(relayed.relay.address, lambda client: client.explain("", "10.0.0.9", "10.0.0.2:81"))
        assert (told["kind"], told["uuid"]) == ("dropped", FOREIGN)
        told = ask(relayed.relay.address, lambda client: client.explain(FOREIGN[-12:]))
        assert (told["kind"], told["uuid"]) == ("dropped", FOREIGN)
        one = ask(relayed.relay.address, lambda client: client.trace(FOREIGN))
        assert (one["exchanges"], one["packets"]) == ([], 1), "it is no request"
        lines = {one["title"]: one["lines"] for one in told["sections"]}
        assert any("nginx/10" in line for line in lines["Listener"]), "which b knows"
        assert f"The connection was seen at {address}; a, b saw nothing of it." in lines["Nodes"]
        own = ask(relayed.relay.address, Client.agent_status)
        kinds = {one["name"]: (one["kind"], one.get("lost_records")) for one in own["nodes"]}
        assert kinds == {"a": ("rubin", 10), "b": ("rubin", 0), address: ("hubble", None)}


def test_a_node_that_hangs_is_waited_for_once_and_said() -> None:
    hung = database_node()

    def make_it_hang() -> None:
        with suppress(RubinError):
            ask(hung.address, Client.agent_status)

    with cluster(client_node(), server_node(), hung, timeout_s=2) as relayed:
        hung.works.clear()
        asking = threading.Thread(target=make_it_hang)
        asking.start()
        assert hung.hangs.wait(30)
        try:
            began_s = time.monotonic()
            found = requests(relayed)
            told = ask(relayed.relay.address, lambda client: client.explain(uuid(1, 51)))
            one = ask(relayed.relay.address, lambda client: client.trace(uuid(1, 3)))
            took_s = time.monotonic() - began_s
        finally:
            hung.works.set()
            asking.join()
    assert took_s < 10, "three questions, each of which waits for two seconds"
    why = f"{hung.address} did not answer within 2 s"
    assert found["missing"] == one["missing"] == [{"name": "c", "why": why}]
    assert counts(found)["/pay"] == 10
    assert f"c did not answer ({why}): what it saw is not known." in told["sections"][-1]["lines"]
    assert len(one["exchanges"][0]["ends"]) == 2


def test_who_may_see_one_namespace_is_told_of_it_alone(tmp_path: Path) -> None:
    (tmp_path / "access.toml").write_text("anonymous = ['data']\n[roles.data]\nnamespaces = ['data']\n")
    made = (client_node(), server_node(), database_node())
    with cluster(*made, access_file=str(tmp_path / "access.toml")) as relayed:
        found = requests(relayed)
        assert (counts(found), found["count"], found["errors"]) == ({"SELECT ?": 2}, 2, 0)
        assert ask(relayed.relay.address, lambda client: client.trace(uuid(1, 3)))["exchanges"] == []
        found = ask(relayed.relay.address, lambda client: client.trace(trace_id=TRACE))["exchanges"]
        assert [end["node"] for one in found for end in one["ends"]] == ["b", "c", "b", "c"]
        told = ask(relayed.relay.address, lambda client: client.explain(uuid(1, 51)))
        assert (told["kind"], "10.0.0.2" in told["text"]) == ("unknown", False)
        assert ask(relayed.relay.address, Client.endpoints) == []
        status = ask(relayed.relay.address, Client.agent_status)
        assert status["access"] == {"file": "in use", "refused_requests": 0}
        assert report(status).endswith("\nAccess:\n  File: in use\n  Refused requests: 0\n")


def test_what_one_node_alone_answers_is_exact() -> None:
    latencies = [(at * at + 7) * 1_001 for at in range(1, 101)]
    said = [Said(http("/", latency_ns=one), asked_ns=at * MS) for at, one in enumerate(latencies)]
    with cluster(Node("a", [stored(*said)])) as relayed:
        (row,) = requests(relayed)["rows"]
        assert [row[name] for name in ("p50_ns", "p95_ns", "p99_ns")] == [latencies[at] for at in (49, 94, 98)]


def test_a_relay_behind_a_relay_passes_on_what_its_nodes_say() -> None:
    with (
        cluster(server_node(), database_node()) as behind,
        cluster(client_node(), others=(behind.relay.address,)) as one,
    ):
        one.ready(2)
        found = requests(one)
        assert counts(found) == {"/pay": 10, "SELECT ?": 2}
        assert [node["name"] for node in found["nodes"]] == ["a", "b", "c"]
        told = ask(one.relay.address, lambda client: client.trace(uuid(1, 3)))
        assert [end["node"] for end in told["exchanges"][0]["ends"]] == ["a", "b"]
        behind.update([one.relay.address, AWAY, *behind.states()])
        behind.ready(3)
        wait_for(lambda: behind.states()[AWAY] == "TRANSIENT_FAILURE", "the node that is away")
        found = requests(one)
        assert counts(found) == {"/pay": 10, "SELECT ?": 2}, "nobody asks in circles"
        assert [each["name"] for each in found["missing"]] == [AWAY]
        told = ask(one.relay.address, lambda client: client.trace(uuid(1, 3)))
        assert told["missing"] == [{"name": AWAY, "why": "its relay cannot reach it"}]
        one.update([behind.relay.address])
        one.ready(1)
        assert [each["name"] for each in requests(one)["missing"]] == [AWAY], "a relay is not one node"


def test_two_nodes_of_one_name_are_told_apart() -> None:
    rows = [
        [Said(http("/"), f"10.0.{node}.1:1", f"10.0.{node}.2:80", who=HOST, whom=WEB, process=NGINX)] for node in (0, 1)
    ]
    with cluster(*(Node("a", [stored(*each)]) for each in rows)) as relayed:
        found = requests(relayed)
        assert counts(found) == {"/": 2}
        assert sorted(one["name"] for one in found["nodes"]) == sorted(f"a ({address})" for address in relayed.states())


def test_processes_of_several_nodes_are_one_program() -> None:
    rows = [[Said(http("/"), f"10.0.{node}.1:1", f"10.0.{node}.2:80", process=NGINX)] * (node + 1) for node in (0, 1)]
    with cluster(*(Node(name, [stored(*each)]) for name, each in zip("ab", rows, strict=True))) as relayed:
        (row,) = requests(relayed, "process")["rows"]
        assert (row["count"], row["process"]["command"], row["process"]["processes"]) == (3, "nginx", 2)


def test_without_nodes_there_is_nothing_and_it_is_said() -> None:
    with relaying() as relayed:
        found = requests(relayed)
        assert (found["count"], found["rows"], found["missing"]) == (0, [], [])
        assert ask(relayed.relay.address, lambda client: client.trace(uuid(1, 1)))["exchanges"] == []
        assert ask(relayed.relay.address, lambda client: client.explain(uuid(1, 1)))["kind"] == "unknown"
        assert ask(relayed.relay.address, Client.endpoints) == []
        with pytest.raises(UsageError, match="is no UUID"):
            ask(relayed.relay.address, lambda client: client.trace("x"))


def test_an_older_node_whose_numbers_do_not_add_up_is_left_out_and_said() -> None:
    """It passes over the fields that it does not know, and answers with rows."""
    whole = {"from_ns": 1, "until_ns": 2, "count": 0, "errors": 0, "lost_events": 0, "rows": []}
    part = whole | {"count": 1, "latencies": ["", "", ""], "left_out": {"rows": 0, "most": 0}}

    class Answers:
        def __init__(self, found: dict[str, Any]) -> None:
            self.found, self.is_ours, self.client = found, True, self

        def is_relay(self) -> bool:
            return False

        def read(self, text: str, _kind: type) -> Any:
            return json.loads(text)

        async def top_part(self, _request: TopRequest) -> TopResponse:
            return TopResponse(json=json.dumps(self.found))

    class Both:
        def all(self) -> dict[str, Any]:
            return {"new": Answers(part), "old": Answers(whole)}

        async def ask(self, question: Any, **_more: Any) -> Told[Any]:
            return Told({name: await question(name, one) for name, one in self.all().items()}, [])

    found = json.loads(asyncio.run(top(Both(), TopRequest())).json)  # type: ignore[arg-type]
    assert found["count"] == 1
    assert [one["name"] for one in found["missing"]] == ["old"]
    assert "older Rubin" in found["missing"][0]["why"]
