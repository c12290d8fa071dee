"""Who asked what is in a file: a line a request, when it ends."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from rubin.api import audit as module
from rubin.api.asking import Asked, Who
from rubin.api.audit import Audit
from rubin.api.client import Client
from rubin.api.sight import sight_of
from rubin.errors import RubinError, UsageError
from rubin.model.filter import BeyondHubble, FlowFilter
from rubin.wire.filters import put_filters
from rubin.wire.pb.observer_pb2 import GetFlowsRequest
from tests.api.entering import TOKENS, all_flows, ask, guarded, town
from tests.relay.relayed import Follower
from tests.trust.made import issue, of_client, of_server
from tests.waiting import wait_for

LEAST = ["who", "proof", "flows", "duration_s"]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_request_is_told_when_it_ends(tmp_path: Path) -> None:
    path, request = tmp_path / "audit.jsonl", GetFlowsRequest(number=3)
    asked = FlowFilter(source_pod=("shop/",), beyond=BeyondHubble(source_process=("curl",)))
    put_filters(request, [asked], [FlowFilter(verdict=(2,))])
    request.since.FromJsonString("2023-11-14T22:13:20Z")
    with guarded(town(), tmp_path, audit_file=str(path)) as server:
        ask(server.address, lambda client: all_flows(client, first=True, number=9), "ann")
        with pytest.raises(RubinError):
            ask(server.address, all_flows)
        ask(f"unix://{tmp_path}/s", lambda client: _read(client, request))
        ask(server.address, lambda client: client.top(request, "service", "failing", 7), "root")
        with pytest.raises(UsageError):
            ask(server.address, lambda client: all_flows(client, first=True, follow=True), "max")
        ask(server.address, Client.health)
        follower = Follower(f"unix://{tmp_path}/s", follow=True)
        wait_for(lambda: server.followers == 1, "the follower")
        follower.close()
    told = lines(path)
    assert [one["status"] for one in told] == [
        "OK", "UNAUTHENTICATED", "OK", "OK", "INVALID_ARGUMENT", "CANCELLED",
    ]  # fmt: skip
    ann, nobody, local, top, wrong, followed = told
    assert (ann["who"], ann["proof"], ann["roles"], ann["namespaces"]) == (
        "ann",
        "token",
        ["shop"],
        [["shop", "shop-*"]],
    )
    assert (ann["method"], ann["flows"], ann["first"]) == ("rubin.Columns/GetFlows", 3, 9)
    assert ann["address"].startswith("127.0.0.1:")
    assert 0 < ann["duration_s"] < 30
    assert (nobody["who"], nobody["proof"], nobody["reason"]) == ("", "none", "it wants to know who asks")
    assert (local["who"], local["proof"], local["address"]) == (f"uid={os.getuid()}", "socket", f"pid={os.getpid()}")
    assert local["filters"] == """--allowlist '{"source_pod":["shop/"]}' --denylist '{"verdict":["DROPPED"]}'"""
    assert json.loads(local["beyond_hubble"]) == [[{"source_process": ["curl"]}], [{}]]
    assert (local["since"], local["last"]) == ("2023-11-14T22:13:20Z", 3)
    assert (top["filters"], top["request"]) == (local["filters"], '{"by":"service","sort":"failing","number":7}')
    assert wrong["reason"] == "first cannot be specified with follow"
    assert followed["follow"] is True
    assert not any(token in path.read_text() for token in TOKENS.values())
    assert oct(path.stat().st_mode & 0o777) == "0o600"


def test_without_an_access_file_it_tells_whose_certificate_was_shown(tmp_path: Path) -> None:
    path, ca = tmp_path / "audit.jsonl", tmp_path / "ca"
    settings = of_server(issue(ca, "node-1"), access_file="", audit_file=str(path))
    with guarded(town(), tmp_path, **settings) as server:
        address = f"tls://localhost:{server.address.rpartition(':')[2]}"
        assert len(ask(address, all_flows, **of_client(issue(ca, "alice", "client")))) == 5
        assert server.door_status() == {"audit": {"lost_lines": 0}}
    (told,) = lines(path)
    assert (told["who"], told["proof"], told["flows"]) == ("alice", "certificate", 5)


async def _read(client: Client, request: GetFlowsRequest) -> None:
    async for _ in client.flows(request):
        pass


def test_a_file_that_is_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path, old = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    audit = Audit(str(path))
    audit.note(Asked("a/B"), "OK")
    wait_for(lambda: path.read_text(), "the first line")
    path.rename(old)
    audit.note(Asked("a/C"), "OK")
    audit.close()
    assert [one["method"] for one in lines(old)] == ["a/B"]
    assert [one["method"] for one in lines(path)] == ["a/C"]


def test_what_finds_no_room_is_lost_and_counted_and_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 10)
    path, go_on = tmp_path / "audit.jsonl", threading.Event()
    audit = Audit(str(path))
    write = audit._file.write

    def slow(data: bytes) -> None:
        go_on.wait(30)
        write(data)

    monkeypatch.setattr(audit._file, "write", slow)
    audit.note(Asked("a/0"), "OK")
    wait_for(lambda: audit._waiting.empty(), "the writer to begin")
    for number in range(1, 26):
        audit.note(Asked(f"a/{number}"), "OK")
    assert audit.lost == 15
    go_on.set()
    audit.close()
    told = lines(path)
    assert [one.get("method", one.get("lost")) for one in told] == [
        "a/0",
        15,
        *(f"a/{number}" for number in range(1, 11)),
    ]


def test_a_full_disk_is_said_once_and_its_lines_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    audit = Audit("/dev/full")
    for number in range(1, 4):
        audit.note(Asked("a/B"), "OK")
        wait_for(lambda number=number: audit.lost == number, "a line to be lost")  # type: ignore[misc]
    audit.close()
    assert [one.getMessage() for one in caplog.records] == [
        "audit=lost file=/dev/full reason='No space left on device'"
    ]


def test_where_it_cannot_be_opened_a_server_does_not_begin(tmp_path: Path) -> None:
    with pytest.raises(RubinError, match=f"cannot write {tmp_path}: Is a directory") as refused:
        Audit(str(tmp_path))
    assert refused.value.way_on == "another path for audit_file"


def test_lines_go_to_standard_output_too() -> None:
    program = (
        "from rubin.api.asking import Asked; from rubin.api.audit import Audit\n"
        "audit = Audit('stdout'); audit.note(Asked('a/B'), 'OK'); audit.close()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout)["method"] == "a/B"


def test_a_line_stays_small_whatever_is_asked(tmp_path: Path) -> None:
    request = GetFlowsRequest(number=(1 << 64) - 1)
    put_filters(request, [FlowFilter(source_pod=("é" * 100_000,))] * 50, ())
    request.until.seconds = 1 << 60
    who = Who("ann\n", "token", ("shop",), sight_of((("shop",),)))
    audit = Audit(str(tmp_path / "a"))
    audit.note(Asked("a/B", "", {}, who, request), "OK", "one\n  try: two")
    audit.close()
    (told,) = lines(tmp_path / "a")
    assert len(told["filters"]) < 5_000
    assert (told["last"], told["until"], told["who"], told["reason"]) == ("all", f"{1 << 60} s", "ann\n", "one")
    assert set(LEAST) <= set(told)
