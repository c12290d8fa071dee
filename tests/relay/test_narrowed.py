"""A relay keeps to what its asker may see, and has its nodes do so, which know the relay alone."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rubin.api.asking import Asked, Who, begin
from rubin.api.client import Client
from rubin.api.listen import ListenSettings
from rubin.api.server import Server, ServerThread
from rubin.api.sight import sight_of
from rubin.api.target import ClientSettings
from rubin.errors import RubinError
from rubin.relay.pool import PoolSettings
from rubin.wire.pb import observer_pb2 as pb
from rubin.wire.pb.flow_pb2 import FlowFilter
from tests.api.entering import access_file, all_flows, ask, ports, secrets_in, town
from tests.api.hubble import flow_response, hubble
from tests.asked import TRACE, shop
from tests.relay.relayed import Relayed, relaying
from tests.trust.made import issue, of_client, of_server


@contextmanager
def guarded_nodes(directory: Path) -> Iterator[list[str]]:
    """Two nodes that let the relay's certificate in, and whose access file has tokens of others."""
    files: dict[str, Any] = {"access_file": str(access_file(directory)), "listen_address": "127.0.0.1:0"}
    made = []
    for name, ring in (("node-1", town()), ("node-2", shop())):
        certificate = of_server(issue(directory / "ca", name))
        made.append(ServerThread(Server(ring, ListenSettings("", **files, **certificate), name, lambda: {"line": {}})))
        made[-1].start()
    try:
        yield [f"tls://localhost:{one._server.address.rpartition(':')[2]}" for one in made]
    finally:
        for one in made:
            one.close()


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    directory = tmp_path_factory.mktemp("narrowed")
    relay = PoolSettings(ClientSettings(tls=True, **of_client(issue(directory / "ca", "relay", "relay"))))
    with (
        guarded_nodes(directory) as addresses,
        hubble(_foreign) as foreign,
        relaying(settings=relay, access_file=str(directory / "access.toml")) as made,
    ):
        made.foreign = foreign  # type: ignore[attr-defined]
        made.update(addresses)
        made.ready(2)
        yield made


def _foreign(method: str, _request: bytes, _context: Any) -> Any:
    """A Hubble node, which tells everybody everything."""
    if method == "GetNamespaces":
        return pb.GetNamespacesResponse(namespaces=[pb.Namespace(namespace=name) for name in ("shop", "vault")])
    if method != "GetFlows":
        return pb.ServerStatusResponse(version="cilium v1.19")
    told = [flow_response(1), flow_response(2)]
    told[0].flow.source.namespace, told[1].flow.source.namespace = "shop-9", "vault"
    return iter(told)


def address(relayed: Relayed) -> str:
    return relayed.relay.address


def test_flows_and_their_number_are_those_that_may_be_seen(relayed: Relayed) -> None:
    everything = ask(address(relayed), all_flows, "root")
    found = ask(address(relayed), all_flows, "max")
    assert len(everything) == len(found) + 3  # one of the town, and two of the shop, have no namespace
    town_only = [FlowFilter(source_ip=["10.0.0.4", "10.0.0.9"])]  # of these the last is not for Max
    last = ask(address(relayed), lambda client: all_flows(client, number=1, whitelist=town_only), "max")
    assert ports(last) == [4002]
    assert ports(ask(address(relayed), all_flows, "bob")) == []
    with pytest.raises(RubinError, match="it wants to know who asks"):
        ask(address(relayed), all_flows)


QUESTIONS: list[tuple[Callable[[Client], Any], Callable[[Any], Any]]] = [
    (lambda client: client.top(pb.GetFlowsRequest(), "", "", 0), lambda found: found["count"]),
    (lambda client: client.trace(trace_id=TRACE), lambda found: found["exchanges"]),
    (
        lambda client: client.explain(source="10.0.0.1", destination="10.0.0.2:80"),
        lambda found: "shop" in found["text"],
    ),
    (Client.namespaces, list),
]


@pytest.mark.parametrize(("question", "told"), QUESTIONS)
def test_questions_to_all_nodes_are_answered_of_what_may_be_seen(
    relayed: Relayed, question: Callable[[Client], Any], told: Callable[[Any], Any]
) -> None:
    assert told(ask(address(relayed), question, "root"))
    assert told(ask(address(relayed), question, "ann"))
    assert not told(ask(address(relayed), question, "bob"))


def test_no_method_answers_a_reader_of_nothing_with_something(relayed: Relayed) -> None:
    methods = relayed.relay._listening._servers[0]._mapping
    everything, nothing = (secrets_in(address(relayed), who, methods) for who in ("root", "bob"))
    assert len(nothing) == 12
    refused = {f"/observer.Observer/Get{kind}Events": ["PERMISSION_DENIED"] for kind in ("Agent", "Debug")}
    assert {path: words for path, words in nothing.items() if words} == refused
    told = {path.rpartition("/")[2] for path, words in everything.items() if "shop" in words}
    assert told >= {"GetFlows", "GetNamespaces", "Top", "Trace", "Explain"}


def test_events_are_for_who_may_see_everything(relayed: Relayed) -> None:
    async def events(client: Client) -> int:
        return len([one async for one in client.agent_events(pb.GetAgentEventsRequest())])

    assert ask(address(relayed), events, "root") == 2
    with pytest.raises(RubinError, match="for who may see everything"):
        ask(address(relayed), events, "ann")
    assert len(ask(address(relayed), Client.nodes, "bob")) == 2


def test_what_a_hubble_node_tells_is_left_out_here(relayed: Relayed) -> None:
    async def asked() -> tuple[list[int], list[str]]:
        begin(Asked(who=Who("ann", "token", (), sight_of((("shop", "shop-*"),)))))
        async with Client(ClientSettings(relayed.foreign)) as client:  # type: ignore[attr-defined]
            flows = await all_flows(client)
            return ports(flows), [one.namespace for one in await client.namespaces()]

    assert asyncio.run(asked()) == ([1], ["shop"])


def test_an_older_node_that_cannot_leave_anything_out_is_not_asked(
    relayed: Relayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rubin.api.asking.is_narrowed", lambda: False)  # so the answer does not say that it was heard
    top, _ = QUESTIONS[0]
    found = ask(address(relayed), top, "ann")
    assert found["count"] == 0
    assert ["an older Rubin, which cannot leave out" in one["why"] for one in found["missing"]] == [True, True]
    assert ask(address(relayed), top, "root")["count"]
