"""Who may see what: who asks is known by a proof, and sees the flows of namespaces."""

import base64
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpclib.const import Cardinality, Handler

from rubin.api.client import Client
from rubin.api.roles import access_of
from rubin.api.server import Server
from rubin.api.sight import sight_of_header
from rubin.errors import RubinError, UsageError
from rubin.store.ring import Ring
from rubin.wire.pb import observer_pb2 as pb
from rubin.wire.pb.flow_pb2 import FlowFilter
from tests.api.entering import (
    TOKENS,
    Metadata,
    access_file,
    access_text,
    all_flows,
    ask,
    bearer,
    call,
    guarded,
    ports,
    secrets_in,
    town,
)
from tests.asked import TRACE, shop
from tests.trust.made import issue, of_client, of_server, replaced
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with guarded(town(), tmp_path_factory.mktemp("roles")) as server:
        yield server


def basic(text: str) -> Metadata:
    return (("authorization", f"Basic {base64.b64encode(text.encode()).decode()}"),)


def namespaces(address: str, metadata: Metadata) -> list[str]:
    handler = Handler(_nothing, Cardinality.UNARY_UNARY, pb.GetNamespacesRequest, pb.GetNamespacesResponse)
    (found,) = call(address, "/observer.Observer/GetNamespaces", handler, pb.GetNamespacesRequest(), metadata)
    return [one.namespace for one in found.namespaces]


def refusal(address: str, metadata: Metadata) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as refused:
        namespaces(address, metadata)
    return refused.value.code().name, str(refused.value.details())


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("ann", [4000, 4001, 4003]),
        ("max", [4000, 4001, 4002, 4003]),
        ("bob", []),
        ("root", [4000, 4001, 4002, 4003, 4004]),
    ],
)
def test_a_reader_sees_the_flows_of_which_one_end_is_theirs_and_what_was_lost(
    there: Server, who: str, seen: list[int]
) -> None:
    found = ask(there.address, all_flows, who)
    assert ports(found) == seen
    assert [lost.events for lost in found.lost] == [7]
    handler = Handler(_nothing, Cardinality.UNARY_STREAM, pb.GetFlowsRequest, pb.GetFlowsResponse)
    request = pb.GetFlowsRequest(number=1_000, first=True)
    replies = call(there.address, "/observer.Observer/GetFlows", handler, request, bearer(TOKENS[who]))
    assert [one.flow.l4.TCP.source_port for one in replies if one.HasField("flow")] == seen
    assert [one.lost_events.num_events_lost for one in replies if one.HasField("lost_events")] == [7]


def test_numbers_and_filters_count_what_is_seen(there: Server) -> None:
    assert ports(ask(there.address, lambda client: all_flows(client, number=2), "ann")) == [4001, 4003]
    assert ports(ask(there.address, lambda client: all_flows(client, number=1, first=True), "max")) == [4000]
    bank = [FlowFilter(source_pod=["bank/"])]
    found = ask(there.address, lambda client: all_flows(client, whitelist=bank), "ann")
    assert ports(found) == [4003]
    assert found.rows("source_endpoint")[0].labels[0] == "k8s:app=vault"  # whom one talks to is told in full
    not_web = [FlowFilter(destination_pod=["shop-2/web"])]
    assert ports(ask(there.address, lambda client: all_flows(client, blacklist=not_web), "ann")) == [4000, 4001]


def test_namespaces_and_endpoints_are_those_that_may_be_seen(there: Server) -> None:
    assert namespaces(there.address, bearer(TOKENS["ann"])) == ["shop", "shop-2"]
    assert namespaces(there.address, bearer(TOKENS["bob"])) == []
    assert namespaces(there.address, bearer(TOKENS["root"])) == ["bank", "shop", "shop-2"]
    assert [one["name"] for one in ask(there.address, Client.endpoints, "ann")] == ["web-7d4b"]
    assert len(ask(there.address, Client.endpoints, "root")) == 2
    assert ask(there.address, Client.agent_status, "ann") == {"node": "node-1", "lost": {"kernel": 3}, "names": {}}
    assert "notes" in ask(there.address, Client.agent_status, "root")


def test_no_method_answers_a_reader_of_nothing_with_something(tmp_path: Path) -> None:
    with guarded(shop(), tmp_path) as server:
        everything, nothing = (
            secrets_in(server.address, who, server._listening._servers[1]._mapping) for who in ("root", "bob")
        )
    assert len(nothing) == 13
    allowed: dict[str, list[str]] = {
        "/rubin.Columns/Status": ["node-1"],
        "/observer.Observer/GetNodes": ["UNIMPLEMENTED"],
        "/observer.Observer/GetAgentEvents": ["PERMISSION_DENIED"],
        "/observer.Observer/GetDebugEvents": ["PERMISSION_DENIED"],
        "/peer.Peer/Notify": ["PERMISSION_DENIED"],
    }
    assert nothing == {path: allowed.get(path, []) for path in nothing}
    told = {path.rpartition("/")[2] for path, words in everything.items() if "shop" in words}
    assert told == {"GetFlows", "GetNamespaces", "Status", "Endpoints", "Top", "Trace", "Explain"}


def test_an_answer_over_the_requests_of_a_namespace_holds_no_others(tmp_path: Path) -> None:
    ring = shop()
    with guarded(ring, tmp_path) as server:
        top, trace = (
            lambda client: client.top(pb.GetFlowsRequest(), "", "", 0),
            lambda client: client.trace(trace_id=TRACE),
        )
        assert ask(server.address, top, "ann") | {"until_ns": 0} == ask(server.address, top, "root") | {"until_ns": 0}
        assert ask(server.address, top, "bob")["count"] == 0
        of_ann, of_root = (ask(server.address, trace, who)["exchanges"] for who in ("ann", "root"))
        assert [one["client"] for one in of_ann] == [one["client"] for one in of_root]
        assert of_root[0]["connection"]["connect_latency_us"]  # which is of packets that have no namespace
        assert "connection" not in of_ann[0]
        assert ask(server.address, trace, "bob")["exchanges"] == []


WRONG: list[tuple[Metadata, str, str]] = [
    ((), "UNAUTHENTICATED", "it wants to know who asks\n  try: --bearer-token-file"),
    (
        bearer("rubin_wrong"),
        "UNAUTHENTICATED",
        "the token is not known here\n  try: a token of the server's access file",
    ),
    (bearer(""), "UNAUTHENTICATED", "the token is not known here"),
    ((("authorization", TOKENS["ann"]),), "UNAUTHENTICATED", "the token is not known here"),
    (basic(f"bob:{TOKENS['ann']}"), "UNAUTHENTICATED", "the token is not known here"),
    (basic(f":{TOKENS['ann']}"), "UNAUTHENTICATED", "the token is not known here"),
    ((("authorization", "Basic ÿ"),), "UNAUTHENTICATED", "the token is not known here"),
    ((*bearer(TOKENS["ann"]), ("rubin-namespaces", "shop")), "INVALID_ARGUMENT", "make no sense"),
    ((*bearer(TOKENS["ann"]), ("rubin-namespaces", '[["a",1]]')), "INVALID_ARGUMENT", "make no sense"),
]


@pytest.mark.parametrize(("metadata", "code", "says"), WRONG)
def test_who_shows_nothing_or_something_wrong_is_refused_with_a_sentence(
    there: Server, metadata: Metadata, code: str, says: str
) -> None:
    if "ÿ" in str(metadata):
        metadata = (("authorization", "Basic %%%"),)
    found = refusal(there.address, metadata)
    assert found[0] == code
    assert says in found[1]


def test_a_token_is_taken_as_bearer_and_as_hubbles_user_and_password(there: Server) -> None:
    for metadata in (
        bearer(TOKENS["ann"]),
        (("authorization", f"bearer  {TOKENS['ann']} "),),
        basic(f"ann:{TOKENS['ann']}"),
    ):
        assert namespaces(there.address, metadata) == ["shop", "shop-2"]


def test_our_client_says_why_and_a_way_on(there: Server) -> None:
    with pytest.raises(RubinError, match="does not let you in: it wants to know who asks") as refused:
        ask(there.address, all_flows)
    assert "--bearer-token-file" in refused.value.way_on
    events = lambda client: _first(client.agent_events(pb.GetAgentEventsRequest()))  # noqa: E731
    with pytest.raises(RubinError, match="for who may see everything, ann may see some namespaces") as refused:
        ask(there.address, events, "ann")
    assert refused.value.way_on == "a role with all = true, or a question for flows"


async def _first(events: Any) -> Any:
    return await anext(aiter(events))


def test_health_and_reflection_are_open(there: Server) -> None:
    assert ask(there.address, Client.health) == "SERVING"
    with grpc.insecure_channel(there.address) as channel:
        reflect: Any = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        (told,) = reflect(iter([b"\x3a\x00"]), timeout=10)  # list_services
        assert b"observer.Observer" in told


def test_the_socket_is_for_who_may_see_everything(there: Server) -> None:
    socket = f"unix://{there._listening._settings.socket_path}"
    assert ports(ask(socket, all_flows)) == [4000, 4001, 4002, 4003, 4004]


def test_a_request_may_ask_for_less_than_its_asker_sees_and_not_for_more(there: Server) -> None:
    less, more = (("rubin-namespaces", '[["shop-*"]]'),), (("rubin-namespaces", '[["*"]]'),)
    assert namespaces(there.address, (*bearer(TOKENS["root"]), *less)) == ["shop-2"]
    assert namespaces(there.address, (*bearer(TOKENS["ann"]), *more)) == ["shop", "shop-2"]
    with pytest.raises(UsageError):
        sight_of_header('[["' + "a" * 9 + '"' + ',"a"' * 10_000 + "]]")


def test_a_certificate_has_the_roles_of_its_names(tmp_path: Path) -> None:
    ca = tmp_path / "ca"
    node, alice, relay, client = (
        issue(ca, *who) for who in (("node-1",), ("alice", "client"), ("relay", "relay"), ("carl", "client"))
    )
    with guarded(town(), tmp_path, **of_server(node)) as server:
        address = f"tls://localhost:{server.address.rpartition(':')[2]}"
        assert ports(ask(address, all_flows, **of_client(alice))) == [4001, 4002, 4003]
        assert (
            len(ask(address, all_flows, **of_client(relay))) == 5
        )  # and carl, whose name is under the same, is not it
        with pytest.raises(RubinError, match="the certificate of 'carl' has no role here") as refused:
            ask(address, all_flows, **of_client(client))
        assert refused.value.way_on == "--bearer-token-file, or its name in the server's access file"
        assert ports(ask(address, all_flows, "ann", **of_client(alice))) == [4000, 4001, 4003]  # the token decides
        authority: dict[str, Any] = {"tls_ca_cert_files": (str(alice / "ca.crt"),)}
        assert ports(ask(address, all_flows, "ann", **authority)) == [4000, 4001, 4003]  # and is enough
        with pytest.raises(RubinError, match="it wants to know who asks"):
            ask(address, all_flows, **authority)
        stranger = of_client(issue(tmp_path / "other", "alice", "client")) | authority
        with pytest.raises(RubinError):
            ask(address, all_flows, "ann", **stranger)


def test_who_shows_nothing_has_the_roles_of_anonymous(tmp_path: Path) -> None:
    path = access_file(tmp_path, access_text('["bank"]'))
    with guarded(town(), tmp_path) as server:
        replaced(path, access_text('["bank"]').encode())
        wait_for(lambda: _may(server, ()), "the file to be read")
        assert ports(ask(server.address, all_flows)) == [4001, 4002, 4003]
        assert refusal(server.address, bearer("wrong"))[0] == "UNAUTHENTICATED"


def _may(server: Server, metadata: Metadata) -> bool:
    try:
        namespaces(server.address, metadata)
    except grpc.RpcError:
        return False
    return True


def test_a_changed_file_holds_at_once_and_a_broken_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[RubinError] = []

    def follow() -> None:
        try:
            ask(server.address, lambda client: all_flows(client, follow=True), "ann")
        except RubinError as error:
            ended.append(error)

    with guarded(town(), tmp_path) as server:
        path, reader = tmp_path / "access.toml", threading.Thread(target=follow)
        reader.start()
        wait_for(lambda: server.followers == 1, "the reader")
        for broken in ("[roles", access_text().replace("all = true", "all = 1")):
            replaced(path, broken.encode())
            assert _may(server, bearer(TOKENS["ann"]))
            assert _file(server) != "in use"
            replaced(path, access_text().encode())
            assert _may(server, bearer(TOKENS["ann"]))
            assert _file(server) == "in use"
        assert reader.is_alive()
        stale = [one.getMessage() for one in caplog.records if "access=stale" in one.getMessage()]
        assert len(stale) == 2
        assert "is not valid TOML" in stale[0]
        assert "all of role 'operators' is neither true nor false" in stale[1]
        replaced(path, access_text().replace('"shop-*"', '"bank"').encode())
        reader.join(30)  # nobody asks: it is looked at now and then
        assert "what you may see here has changed" in ended[0].sentence
        assert len(ask(server.address, all_flows, "ann")) == 4
        replaced(path, access_text().replace('name = "ann"', 'name = "eve"').encode())
        assert not _may(server, basic(f"ann:{TOKENS['ann']}"))


def _file(server: Server) -> str:
    told: Any = server.door_status()["access"]
    return str(told["file"])


def test_refusals_are_counted_and_no_token_is_in_any_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with guarded(town(), tmp_path) as server:
        refusal(server.address, bearer("rubin_secretsecret"))
        refusal(server.address, ())
        ask(server.address, all_flows, "ann")
        assert server.door_status() == {"access": {"file": "in use", "refused_requests": 2}}
    told = caplog.text + repr(access_of(access_text(), "access.toml"))
    assert "secretsecret" not in told
    assert TOKENS["ann"] not in told
    assert "sha256:" not in told


FAULTS = [
    ("role = 1", "the file has no 'role'"),
    ("[roles.shop]\nnamespace = ['a']", "role 'shop' has no 'namespace'"),
    ("[roles.shop]", "role 'shop' sees nothing"),
    ("[roles.shop]\nnamespaces = []", "role 'shop' sees nothing"),
    ("[roles.shop]\nall = true\nnamespaces = ['a']", "role 'shop' sees everything, and namespaces are named"),
    ("[roles.shop]\nall = 1", "all of role 'shop' is neither true nor false"),
    ("[roles.shop]\nnamespaces = 'a'", "namespaces of role 'shop' is no list"),
    ("roles.shop = 1", "role 'shop' is no table"),
    ("roles = 1", "'roles' is no table"),
    ("anonymous = ['shop']", "role 'shop' of anonymous does not exist"),
    ("tokens = 1", "'tokens' is no list of tables"),
    ("[[tokens]]\nname = 'ann'\ntoken = 'rubin_plain'", "token of 'ann' is no sha256 of one"),
    ("[[tokens]]\ntoken = 'a'", "one of the tokens has no name"),
    ("[[tokens]]\nname = 'a:b'", "the name 'a:b' of a token has a colon"),
    (f"[[tokens]]\nname = 'ann'\ntoken = 'sha256:{'0' * 64}'", "token of 'ann' has no role"),
    ("[[certificates]]\nname = 'a'\nroles = ['b']", "role 'b' of certificate 'a' does not exist"),
    ("[[certificates]]\nname = 'a'\ntoken = 'b'", "certificates has no 'token'"),
    (
        access_text(more=access_text().partition("[[tokens]]")[2].partition("[[cert")[0].join(("[[tokens]]", ""))),
        "twice",
    ),
    ("[roles", "is not valid TOML"),
]


@pytest.mark.parametrize(("text", "says"), FAULTS)
def test_what_is_wrong_with_the_file_is_said(text: str, says: str) -> None:
    with pytest.raises(RubinError) as refused:
        access_of(text, "access.toml")
    assert says in refused.value.sentence
    assert refused.value.way_on
    assert "rubin_plain" not in str(refused.value)


def test_a_server_does_not_begin_without_its_file(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(RubinError, match=says), guarded(Ring(10), tmp_path, access_file=str(path)):
            pass
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with (
        pytest.raises(RubinError, match="is no text"),
        guarded(Ring(10), tmp_path, access_file=str(tmp_path / "binary")),
    ):
        pass


async def _nothing(_stream: Any) -> None:
    """A handler that is never called."""
