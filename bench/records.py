"""Records as the kernel writes them, made from generated flows: the line's input without a kernel."""

import numpy as np

from rubin.kernel.records import RECORD, Kind
from rubin.model.enums import TracePoint, Verdict
from tests.flows import generate

_SAME = ("source_port", "destination_port", "tcp_flags", "packets", "bytes", "protocol", "ip_version", "socket_cookie")


def records(n: int, pairs: int = 7_000, seed: int = 1) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    """(n,) records of the traffic that `tests.flows.generate` describes."""
    batch = generate(n, seed, pairs=pairs)
    made = np.zeros(n, RECORD)
    for name in _SAME:
        made[name] = batch[name]
    for side in ("source", "destination"):
        made[side][:, :8] = batch[f"{side}_high"].astype(">u8").view(np.uint8).reshape(-1, 8)
        made[side][:, 8:] = batch[f"{side}_low"].astype(">u8").view(np.uint8).reshape(-1, 8)
    dropped = batch["verdict"] == Verdict.DROPPED
    made["time_ns"] = np.arange(n, dtype=np.uint64) * np.uint64(10_000)
    made["kind"] = np.where(dropped, Kind.DROP, Kind.TRACE)
    made["drop_reason"] = np.where(dropped, 2 + np.arange(n) % 6, 0)
    made["location"] = np.where(dropped, 0xFFFF_FFFF_8000_0000 + np.arange(n, dtype=np.uint64) % 9, 0)
    made["point"] = batch["trace_point"]
    made["direction"] = np.where(batch["trace_point"] == TracePoint.TO_STACK, 2, 1)
    made["reply"] = batch["is_reply"].view(np.uint8)
    made["trace_reason"] = batch["trace_reason"]
    pids = np.array([process.pid for process in batch.tables.processes.rows], np.uint32)
    made["pid"] = pids[batch["process"]]
    made["cgroup_id"] = 4000 + made["pid"].astype(np.uint64)
    made["netns_cookie"] = 1
    made["comm"][:, :4] = np.frombuffer(b"app-", np.uint8)
    made["comm"][:, 4] = 48 + made["pid"] % 10
    made["srtt_us"] = np.where(batch["tcp_flags"] > 0, 100 + np.arange(n) % 900, 0)
    return made
