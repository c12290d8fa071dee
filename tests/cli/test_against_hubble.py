"""The command line against a server that speaks Hubble's API only."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from rubin.cli.output.flows import Compact, Wide
from rubin.model.batch import FlowBatch
from rubin.model.enums import Verdict
from rubin.wire.flows import FlowEncoder
from rubin.wire.pb import observer_pb2 as pb
from rubin.wire.pb import relay_pb2
from rubin.words.wording import Options
from tests.cli.running import Call
from tests.flows import generate


@dataclass
class Hubble:
    """A server as Hubble's: Observer alone, every request kept."""

    batch: FlowBatch
    requests: list[pb.GetFlowsRequest] = field(default_factory=list)
    address: str = ""

    def get_flows(self, request: pb.GetFlowsRequest, _context: object) -> Iterator[pb.GetFlowsResponse]:
        self.requests.append(request)
        status = relay_pb2.NodeStatusEvent(state_change=relay_pb2.NODE_UNAVAILABLE, node_names=["gone"])
        yield pb.GetFlowsResponse(node_status=status, node_name="relay", time={"seconds": 1_234})
        yield from FlowEncoder(list(request.field_mask.paths), "1.19.4").responses(self.batch)


@pytest.fixture
def hubble() -> Iterator[Hubble]:
    made = Hubble(generate(5))
    with ThreadPoolExecutor(2) as threads:
        serving = grpc.server(threads)
        handler = grpc.unary_stream_rpc_method_handler(
            made.get_flows, pb.GetFlowsRequest.FromString, pb.GetFlowsResponse.SerializeToString
        )
        serving.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("observer.Observer", {"GetFlows": handler}),)
        )
        made.address = f"127.0.0.1:{serving.add_insecure_port('127.0.0.1:0')}"
        serving.start()
        yield made
        serving.stop(None)


def test_a_server_of_hubbles_is_read_by_its_own_messages(hubble: Hubble, rubin: Call) -> None:
    done = rubin("observe", "--server", hubble.address, "--last", "5")
    # What only columns tell is not there: the kernel's reason and the process.
    without = hubble.batch.with_columns(kernel_drop_reason=hubble.batch["process"] * 0)
    assert done.out == Compact(Options()).text(without)
    assert done.err == "Jan  1 00:20:34.000 [relay]: 1 nodes are unavailable: gone\n"
    assert "source.pod_name" in hubble.requests[0].field_mask.paths
    assert "source.labels" not in hubble.requests[0].field_mask.paths
    assert hubble.requests[0].number == 5


def test_wide_and_columns_tell_what_a_server_of_hubbles_has(hubble: Hubble, rubin: Call) -> None:
    dropped = generate(1_000, seed=3)
    hubble.batch = dropped.take(dropped["verdict"] == Verdict.DROPPED)
    told = rubin("observe", "--server", hubble.address, "-s", "-o", "wide").out
    # The kernel's reason travels in Hubble's words; packets, bytes and processes have none.
    hidden = hubble.batch.with_columns(**{name: hubble.batch[name] * 0 for name in ("packets", "bytes", "process")})
    assert told == Wide(Options()).text(hidden)
    assert "NETFILTER_DROP" in told
    flows = map(json.loads, rubin("observe", "--server", hubble.address, "-s", "-o", "columns").out.splitlines())
    assert [flow["process"].keys() for flow in flows] == [{"cgroup_id"}] * len(hidden)


def test_a_server_of_hubbles_is_not_asked_what_it_would_pass_over(hubble: Hubble, rubin: Call) -> None:
    done = rubin("observe", "--server", hubble.address, "--process", "curl")
    assert (done.code, done.out) == (2, "")
    assert "is a Hubble server: it cannot filter by process" in done.err


@pytest.mark.parametrize(
    ("arguments", "paths"),
    [
        (["--use-default-field-masks=false"], []),
        (["-o", "json"], []),
        (["-o", "wide"], []),
        (["-o", "columns"], []),
        (["-o", "json", "--field-mask", "time,l4"], ["time", "l4"]),
    ],
)
def test_masks_are_sent_to_it_as_asked(hubble: Hubble, arguments: list[str], paths: list[str], rubin: Call) -> None:
    done = rubin("observe", "--server", hubble.address, "-s", *arguments)
    assert done.code == 0
    assert done.out.count("\n") == 5
    assert done.err == ""
    assert hubble.requests[0].field_mask.paths == paths


def test_the_address_may_come_from_hubbles_environment(hubble: Hubble, tmp_path: Path, rubin: Call) -> None:
    assert rubin("observe", "-s", HUBBLE_SERVER=hubble.address).out.count("\n") == 5
    (tmp_path / "config.yaml").write_text(f"server: {hubble.address}\n")
    assert rubin("observe", "-s", HUBBLE_CONFIG=str(tmp_path / "config.yaml")).out.count("\n") == 5
