"""The slow way: flows as python-protobuf objects, row by row. Tests compare the fast one with it."""

from rubin.model import addresses
from rubin.model.batch import FlowBatch
from rubin.model.columns import COLUMNS
from rubin.model.enums import Protocol, TCPFlags
from rubin.wire import drop, mask, summary
from rubin.wire.pb import flow_pb2, observer_pb2
from rubin.wire.rows import put_contents, put_endpoint, put_link, put_message
from tests.said import seen


def responses(batch: FlowBatch, paths: list[str], version: str) -> list[observer_pb2.GetFlowsResponse]:
    """What `FlowEncoder(paths, version).responses(batch)` should give, contents without `rest`."""
    made = []
    for row in range(len(batch)):
        flow = _flow(batch, {name: batch[name][row].item() for name in COLUMNS}, version)
        mask.prune(flow, mask.tree(paths))
        response = observer_pb2.GetFlowsResponse(flow=flow, node_name=flow.node_name)
        if flow.HasField("time"):
            response.time.CopyFrom(flow.time)
        made.append(response)
    return made


def _flow(batch: FlowBatch, row: dict[str, int], version: str) -> flow_pb2.Flow:
    tables = batch.tables
    flow = flow_pb2.Flow(emitter=flow_pb2.Emitter(name="Rubin", version=version))
    if row["time_ns"] > 0:
        flow.time.FromNanoseconds(row["time_ns"])
    uuid = f"{row['uuid_high'] << 64 | row['uuid_low']:032x}"
    if int(uuid, 16):
        flow.uuid = f"{uuid[:8]}-{uuid[8:12]}-{uuid[12:16]}-{uuid[16:20]}-{uuid[20:]}"
    flow.verdict, flow.Type = row["verdict"], row["flow_type"]  # type: ignore[assignment]
    flow.drop_reason = flow.drop_reason_desc = row["drop_reason"]  # type: ignore[assignment]
    flow.auth_type = row["auth_type"]  # type: ignore[assignment]
    flow.trace_observation_point = row["trace_point"]  # type: ignore[assignment]
    flow.trace_reason = row["trace_reason"]  # type: ignore[assignment]
    flow.traffic_direction = row["traffic_direction"]  # type: ignore[assignment]
    flow.policy_match_type = row["policy_match_type"]
    flow.socket_cookie = row["socket_cookie"]
    flow.cgroup_id = tables.processes[row["process"]].cgroup_id
    flow.node_name = tables.strings[row["node_name"]]
    if row["is_reply"] >= 0:
        flow.reply = flow.is_reply.value = row["is_reply"] == 1
    if row["event_type"] or row["event_sub_type"]:
        flow.event_type.type, flow.event_type.sub_type = row["event_type"], row["event_sub_type"]
    if row["event_type"] == 7:
        flow.sock_xlate_point = row["event_sub_type"]  # type: ignore[assignment]
    if row["event_type"] == 3 and row["event_sub_type"] in flow_pb2.DebugCapturePoint.values():
        flow.debug_capture_point = row["event_sub_type"]  # type: ignore[assignment]
    if row["kernel_drop_reason"] or row["drop_location"]:
        reason, location = tables.strings[row["kernel_drop_reason"]], tables.strings[row["drop_location"]]
        flow.file.name = drop.file_name(reason, location)
    put_endpoint(flow, "source", tables.endpoints[row["source_endpoint"]])
    put_endpoint(flow, "destination", tables.endpoints[row["destination_endpoint"]])
    put_link(flow, tables.links[row["link"]])
    contents = tables.contents[row["contents"]]
    usual = summary.of_packet(*(row[name] for name in summary.KEY))
    put_contents(flow, contents)
    put_message(flow, seen(tables.messages[row["message"]], row["is_reply"]))
    flow.Summary = contents.summary or flow.Summary or usual
    _put_ip(flow, batch, row)
    _put_l4(flow, row)
    return flow


def _put_ip(flow: flow_pb2.Flow, batch: FlowBatch, row: dict[str, int]) -> None:
    if not row["ip_version"]:
        return
    for side in ("source", "destination"):
        high, low = row[f"{side}_high"], row[f"{side}_low"]
        if row["ip_version"] != 1 or high or low:
            setattr(flow.IP, side, addresses.text(high, low))
    flow.IP.ipVersion = row["ip_version"]  # type: ignore[assignment]
    flow.IP.encrypted = bool(row["encrypted"])
    flow.IP.source_xlated = batch.tables.strings[row["source_xlated"]]


def _put_l4(flow: flow_pb2.Flow, row: dict[str, int]) -> None:
    if row["protocol"] not in set(Protocol) - {0}:
        return
    part = getattr(flow.l4, Protocol(row["protocol"]).name)
    part.SetInParent()
    match row["protocol"]:
        case Protocol.TCP | Protocol.UDP | Protocol.SCTP:
            part.source_port, part.destination_port = row["source_port"], row["destination_port"]
        case Protocol.ICMPv4 | Protocol.ICMPv6:
            part.type, part.code = row["icmp_type"], row["icmp_code"]
    if row["protocol"] == Protocol.SCTP:
        part.chunk_type = row["sctp_chunk_type"] & 127
    if row["protocol"] == Protocol.TCP:
        part.flags.SetInParent()
        for flag in TCPFlags:
            setattr(part.flags, flag.name or "", bool(row["tcp_flags"] & flag))
