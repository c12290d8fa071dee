"""What a relay of ours says of flows that came late."""

import pytest

from rubin.cli.output.node_status import NodeStatus
from rubin.wire.pb import relay_pb2
from rubin.wire.pb.observer_pb2 import GetFlowsResponse
from rubin.words.wording import Options


@pytest.mark.parametrize("debug", [False, True])
def test_late_flows_are_told_to_everybody(debug: bool) -> None:
    event = relay_pb2.NodeStatusEvent(node_names=["b"], message="3 flows late, 2.5 s out of order")
    response = GetFlowsResponse(node_status=event, node_name="relay", time={"seconds": 1_234})
    text = NodeStatus("compact", Options(), debug).text(response)
    assert text.endswith(" [relay]: 3 flows late, 2.5 s out of order: b\n")
