"""Status, lists, events and news of nodes, as Hubble prints them (hubble.md 2.5 to 2.8)."""

import json

import pytest

from rubin.cli.output import lists, status
from rubin.cli.output.columns import align
from rubin.cli.output.events import AgentEvent, DebugEvent, EventPrinter
from rubin.cli.output.node_status import NodeStatus
from rubin.cli.output.raw_filters import raw_filters
from rubin.wire.pb import flow_pb2, observer_pb2, peer_pb2, relay_pb2
from rubin.words.wording import Options
from tests.cli.golden import check


def _status(**fields: object) -> observer_pb2.ServerStatusResponse:
    made = {"num_flows": 16_380, "max_flows": 16_380, "seen_flows": 2_348_885, "uptime_ns": 301_515_181_665}
    return observer_pb2.ServerStatusResponse(version="cilium v1.15.0+g4145278", **(made | fields))  # type: ignore[arg-type]


def _cluster(unavailable: int, *names: str) -> observer_pb2.ServerStatusResponse:
    made = _status(flows_rate=21.284, unavailable_nodes=names)
    made.num_connected_nodes.value = 4
    made.num_unavailable_nodes.value = unavailable
    return made


COMPACT = [
    (_status(), "Current/Max Flows: 16,380/16,380 (100.00%)\nFlows/s: 7790.27\n"),
    (_status(max_flows=0, uptime_ns=0), "Current/Max Flows: 16,380/0\nFlows/s: N/A\n"),
    (_cluster(0), "Current/Max Flows: 16,380/16,380 (100.00%)\nFlows/s: 21.28\nConnected Nodes: 4/4\n"),
    (
        _cluster(3, "k8s3", "k8s1"),
        (
            "Current/Max Flows: 16,380/16,380 (100.00%)\nFlows/s: 21.28\nConnected Nodes: 4/7\n"
            "Unavailable Nodes: 3\n  - k8s1\n  - k8s3\n  - and 1 more...\n"
        ),
    ),
]


@pytest.mark.parametrize(("response", "text"), COMPACT)
def test_status_in_lines(response: observer_pb2.ServerStatusResponse, text: str) -> None:
    assert status.compact(response) == text


def test_status_in_other_outputs() -> None:
    check("status-dict.txt", status.block(_status()) + "\n" + status.block(_cluster(1, "k8s3")))
    check("status-table.txt", status.table(_status()) + "\n" + status.table(_cluster(1, "k8s3")))
    assert status.as_json(_status(flows_rate=23.456), {}) == (
        '{"num_flows":"16380","max_flows":"16380","seen_flows":"2348885","uptime_ns":"301515181665",'
        '"version":"cilium v1.15.0+g4145278","flows_rate":23.456}\n'
    )
    assert json.loads(status.as_json(_status(), {"lost": {"ring": 1}}))["rubin"] == {"lost": {"ring": 1}}


def test_what_our_agent_reports_is_lines_with_units() -> None:
    report = {
        "complete_percent": 99.5,
        "kernel": {"tcx": True, "kprobes": False, "missing": ["btf", "x\x1b"], "refused": []},
        "lost_events": {"records ring": 12_345, "nothing": {}},
        "programs": [{"name": "sockets", "ns_per_packet": 181.2}],
        "map_memory_bytes": 12_345_678,
        "queue_bytes": 12,
        "unknown": None,
    }
    check("status-report.txt", status.report(report))
    assert status.report({"completeness_percent": 99.9996}) == "Completeness: 99.9996 %\n"
    assert status.report({"completeness_percent": 99.99999}) == "Completeness: 99.9999 %\n"
    assert status.report({"completeness_percent": 100.0}) == "Completeness: 100.00 %\n"


def _nodes() -> list[observer_pb2.Node]:
    foo = observer_pb2.Node(name="foo", version="1", address="1.2.3.4", state=relay_pb2.NODE_CONNECTED)
    foo.uptime_ns, foo.num_flows, foo.max_flows, foo.seen_flows = 1_000 * 10**9, 500, 1000, 0
    foo.tls.enabled = True
    bar = observer_pb2.Node(name="bar", version="2", address="5.6.7.8", state=relay_pb2.NODE_UNAVAILABLE)
    return [foo, bar, observer_pb2.Node(name="baz")]


@pytest.mark.parametrize("output", ["table", "wide", "json"])
def test_lists(output: str) -> None:
    check(f"nodes-{output}.txt", lists.nodes(_nodes(), output))
    namespaces = [observer_pb2.Namespace(namespace="default"), observer_pb2.Namespace(cluster="c", namespace="shop")]
    check(f"namespaces-{output}.txt", lists.namespaces(namespaces, output))


def test_peers() -> None:
    change = peer_pb2.ChangeNotification(type=peer_pb2.PEER_ADDED, address="1.2.3.4:4244", name="cluster/node")
    assert lists.peer(change) == "PEER_ADDED   1.2.3.4:4244 cluster/node\n"
    change.tls.server_name = "node.cluster.hubble-grpc.cilium.io"
    assert lists.peer(change).endswith("cluster/node (TLS.ServerName: node.cluster.hubble-grpc.cilium.io)\n")


def _agent_events() -> list[AgentEvent]:
    kinds = flow_pb2.AgentEventType
    address = flow_pb2.ServiceUpsertNotificationAddr
    events = [
        flow_pb2.AgentEvent(type=kinds.AGENT_EVENT_UNKNOWN, unknown={"type": "9", "notification": '{"a":1}'}),
        flow_pb2.AgentEvent(type=kinds.AGENT_STARTED, agent_start={"time": {"seconds": 1_234, "nanos": 5_000_000}}),
        flow_pb2.AgentEvent(
            type=kinds.POLICY_UPDATED, policy_update={"labels": ["a=b", "c"], "revision": 2, "rule_count": 3}
        ),
        flow_pb2.AgentEvent(
            type=kinds.ENDPOINT_REGENERATE_FAILURE, endpoint_regenerate={"id": 42, "labels": ["a"], "error": "no"}
        ),
        flow_pb2.AgentEvent(type=kinds.ENDPOINT_CREATED, endpoint_update={"id": 42, "pod_name": "p", "namespace": "n"}),
        flow_pb2.AgentEvent(type=kinds.ENDPOINT_DELETED, endpoint_update={"id": 43}),
        flow_pb2.AgentEvent(
            type=kinds.IPCACHE_UPSERTED,
            ipcache_update={
                "cidr": "10.0.0.0/8",
                "identity": 5,
                "old_identity": {"value": 4},
                "host_ip": "h",
                "encrypt_key": 7,
            },
        ),
        flow_pb2.AgentEvent(
            type=kinds.SERVICE_UPSERTED,
            service_upsert=flow_pb2.ServiceUpsertNotification(
                id=1,
                frontend_address=address(ip="fd00::1", port=80),
                backend_addresses=[address(ip="10.0.0.1", port=8080), address(ip="10.0.0.2", port=8080)],
                type="ClusterIP",
                traffic_policy="Cluster",
                namespace="n",
                name="s",
            ),
        ),
        flow_pb2.AgentEvent(type=kinds.SERVICE_DELETED, service_delete={"id": 1}),
        flow_pb2.AgentEvent(type=kinds.AGENT_STARTED, service_delete={"id": 1}),
        flow_pb2.AgentEvent(type=kinds.AGENT_STARTED),
    ]
    return [
        AgentEvent(agent_event=event, node_name="k8s1", time={"seconds": 1_234, "nanos": 567_800_000})
        for event in events
    ]


def _debug_events() -> list[DebugEvent]:
    source = flow_pb2.Endpoint(ID=5, namespace="default", pod_name="pod")
    host = flow_pb2.Endpoint(ID=6, labels=["reserved:host"])
    events = [
        flow_pb2.DebugEvent(
            type=flow_pb2.DBG_CT_VERDICT,
            source=source,
            hash={"value": 0xABFFCD1},
            cpu={"value": 1},
            message="CT verdict: New",
        ),
        flow_pb2.DebugEvent(type=flow_pb2.DBG_ENCAP, source=host, message="m\x1b[2J"),
        flow_pb2.DebugEvent(),
    ]
    return [
        DebugEvent(debug_event=event, node_name="k8s1", time={"seconds": 1_234, "nanos": 567_800_000})
        for event in events
    ]


@pytest.mark.parametrize("output", ["compact", "dict", "table"])
@pytest.mark.parametrize("node", [False, True])
def test_events(output: str, node: bool) -> None:
    parts = []
    for kind, events in ((AgentEvent, _agent_events()), (DebugEvent, _debug_events())):
        printer = EventPrinter(output, kind, Options(node_name=node))
        parts.append("".join(map(printer.text, events)) + printer.end())
    check(f"events-{output}{'-node' if node else ''}.txt", "\n".join(parts))


def _news() -> list[observer_pb2.GetFlowsResponse]:
    many = [f"node-{number}.example" for number in range(6)]
    events = [
        relay_pb2.NodeStatusEvent(state_change=relay_pb2.NODE_CONNECTED, node_names=["a", "b"]),
        relay_pb2.NodeStatusEvent(state_change=relay_pb2.NODE_UNAVAILABLE, node_names=many),
        relay_pb2.NodeStatusEvent(state_change=relay_pb2.NODE_ERROR, node_names=["a" * 60, "b"], message='it "broke"'),
        relay_pb2.NodeStatusEvent(state_change=relay_pb2.NODE_GONE, node_names=["a"]),
        relay_pb2.NodeStatusEvent(state_change=9, node_names=["a"]),  # type: ignore[arg-type]
    ]
    time = {"seconds": 1_234, "nanos": 567_800_000}
    return [observer_pb2.GetFlowsResponse(node_status=event, node_name="relay", time=time) for event in events]


@pytest.mark.parametrize("output", ["compact", "dict"])
@pytest.mark.parametrize("debug", [False, True])
def test_news_of_nodes(output: str, debug: bool) -> None:
    printer = NodeStatus(output, Options(), debug)
    check(f"node-status-{output}{'-debug' if debug else ''}.txt", "".join(map(printer.text, _news())))


def test_raw_filters_are_yaml() -> None:
    assert raw_filters([], []) == "{}\n"
    assert raw_filters(['{"a":"b"}'], []) == 'allowlist:\n    - \'{"a":"b"}\'\n'
    assert raw_filters(["{}"], ['{"it\'s":1}']) == "allowlist:\n    - '{}'\ndenylist:\n    - '{\"it''s\":1}'\n"


def test_columns_are_gos_tabwriters() -> None:
    assert align([]) == ""
    assert align([("a", "", "b"), ("long", "", "c")]) == "a         b\nlong      c\n"
