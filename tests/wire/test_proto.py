"""The API's messages: made from proto/, and with Hubble's numbers."""

import subprocess
import sys
from enum import IntEnum
from pathlib import Path

import pytest

from rubin.model import enums
from rubin.wire.pb import flow_pb2, observer_pb2, peer_pb2, relay_pb2, rubin_pb2

ROOT = Path(__file__).parents[2]


def test_the_modules_are_those_of_the_protos() -> None:
    command = [sys.executable, str(ROOT / "tools" / "build_proto.py"), "--check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (enums.Verdict, flow_pb2.Verdict), (enums.FlowType, flow_pb2.FlowType), (enums.AuthType, flow_pb2.AuthType),
        (enums.TracePoint, flow_pb2.TraceObservationPoint), (enums.TraceReason, flow_pb2.TraceReason),
        (enums.Direction, flow_pb2.TrafficDirection), (enums.IPVersion, flow_pb2.IPVersion),
        (enums.SCTPChunk, flow_pb2.SCTPChunkType), (enums.LostSource, flow_pb2.LostEventSource),
        (enums.DropReason, flow_pb2.DropReason),
    ],
)  # fmt: skip
def test_enums_of_columns_are_those_of_the_wire(ours: type[IntEnum], theirs: type) -> None:
    assert {member.name: int(member) for member in ours} == dict(theirs.items())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("message", "field", "number"),
    [
        (flow_pb2.Flow, "uuid", 34), (flow_pb2.Flow, "Summary", 100_000), (flow_pb2.Flow, "egress_allowed_by", 21_001),
        (flow_pb2.Flow, "ingress_denied_by", 21_005), (flow_pb2.Flow, "aggregate", 21_007),
        (flow_pb2.Endpoint, "cluster_name", 7),
        (flow_pb2.IP, "source_xlated", 5), (flow_pb2.Layer7, "http", 101), (flow_pb2.FlowFilter, "experimental", 999),
        (flow_pb2.FlowFilter, "encrypted", 40), (flow_pb2.LostEvent, "last", 5),
        (flow_pb2.AgentEvent, "service_delete", 107),
        (observer_pb2.GetFlowsRequest, "first", 9), (observer_pb2.GetFlowsRequest, "field_mask", 10),
        (observer_pb2.GetFlowsResponse, "lost_events", 3), (observer_pb2.GetFlowsResponse, "time", 1001),
        (observer_pb2.ServerStatusResponse, "flows_rate", 9), (observer_pb2.ExportEvent, "debug_event", 5),
        (peer_pb2.ChangeNotification, "tls", 4), (relay_pb2.NodeStatusEvent, "message", 3),
        (rubin_pb2.ColumnFrame, "frame", 1),
    ],
)  # fmt: skip
def test_fields_have_the_numbers_of_the_wire(message: type, field: str, number: int) -> None:
    assert message.DESCRIPTOR.fields_by_name[field].number == number  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("module", "service", "methods"),
    [
        (observer_pb2, "Observer", "GetFlows GetAgentEvents GetDebugEvents GetNodes GetNamespaces ServerStatus"),
        (peer_pb2, "Peer", "Notify"),
        (rubin_pb2, "Columns", "GetFlows Status Endpoints Top Trace Explain"),
    ],
)
def test_services_have_their_methods(module: object, service: str, methods: str) -> None:
    described = module.DESCRIPTOR.services_by_name[service]  # type: ignore[attr-defined]
    assert [method.name for method in described.methods] == methods.split()
