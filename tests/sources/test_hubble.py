"""Lines that Hubble wrote become flows; those that make no sense are passed over and counted."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rubin.errors import RubinError
from rubin.model.batch import FlowBatch, concat
from rubin.model.enums import Verdict
from rubin.sources import hubble
from rubin.sources.hubble import Hubble
from tests.sources.captures import pcap, pcapng
from tests.sources.test_pcap import piped


def line(port: int, **more: Any) -> str:
    flow = {
        "time": "2026-11-22T12:00:00.5Z",
        "verdict": "DROPPED",
        "IP": {"source": "10.0.0.1", "destination": "10.0.0.2", "ipVersion": "IPv4"},
        "l4": {"TCP": {"source_port": port, "destination_port": 80, "flags": {"SYN": True}}},
        "source": {"namespace": "shop", "pod_name": f"web-{port % 10}", "labels": ["k8s:app=web"]},
        **more,
    }
    return json.dumps({"flow": flow, "node_name": "node-1", "time": flow["time"]}) + "\n"


LOST = '{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"3"},"time":"2026-11-22T12:00:00Z"}\n'


def read(text: str) -> tuple[FlowBatch, Hubble]:
    with piped(text.encode()) as path, Hubble(path) as source:
        return concat(list(source)), source


def test_flows_and_losses():
    batch, source = read(line(1) + LOST + line(2))
    assert batch["source_port"].tolist() == [1, 2]
    assert batch["verdict"].tolist() == [Verdict.DROPPED] * 2
    assert [row.pod_name for row in batch.rows("source_endpoint")] == ["web-1", "web-2"]
    assert [lost.events for lost in batch.lost] == [3]
    assert (source.lines, source.bad_lines) == (4, 0)  # behind the last newline begins one more


def test_the_last_line_needs_no_newline():
    assert read(line(1) + line(2).rstrip())[0]["source_port"].tolist() == [1, 2]


def test_broken_lines_are_passed_over_counted_and_the_first_is_named(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        batch, source = read(line(1) + "{broken\n" + line(2) + "\n" + "[]\n" + line(3))
    assert batch["source_port"].tolist() == [1, 2, 3]
    assert source.bad_lines == 2
    first, last = (record.getMessage() for record in caplog.records)
    assert "line=2 passed over: " in first
    assert "bad_lines=2" in last


def test_fields_of_a_newer_hubble_are_passed_over(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        batch, source = read(line(1, colour="red") + line(2, colour="blue"))
    assert batch["source_port"].tolist() == [1, 2]
    assert source.unknown_fields == 2
    assert len(caplog.records) == 1


def test_a_line_without_end_costs_no_memory_and_is_said_to_be_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(hubble, "MAX_LINE_BYTES", 1 << 20)
    path = tmp_path / "huge.json"
    path.write_text(line(1) + '{"a":"' + "x" * (8 << 20) + '"}\n' + line(2))
    with Hubble(str(path)) as source:
        batch = concat(list(source))
    assert batch["source_port"].tolist() == [1, 2]
    assert source.bad_lines == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"file={path} line=2 passed over: it is longer than 1 MB"
    ]


@pytest.mark.parametrize(
    "data", [*(pcap([b""], order=order, nanoseconds=fine) for order in "<>" for fine in (False, True)), pcapng([])]
)
def test_a_capture_is_told_from_lines(tmp_path: Path, data: bytes):
    path = tmp_path / "capture"
    path.write_bytes(data)
    with Hubble(str(path)) as source, pytest.raises(RubinError, match="is a capture") as told:
        list(source)
    assert told.value.way_on == f"rubin replay {path}"


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_first_bytes_of_a_capture_are_no_blank_lines(size: int):
    with pytest.raises(RubinError, match=f"ends after {size} bytes"):
        read(pcapng([])[:size].decode())


def test_a_large_file_is_read_in_batches(tmp_path: Path):
    path = tmp_path / "large.json"
    path.write_text("".join(line(port) for port in range(10_000)))
    with Hubble(str(path)) as source:
        batches = list(source)
    assert max(map(len, batches)) <= 4_096
    assert concat(batches)["source_port"].tolist() == list(range(10_000))


def test_flows_of_a_pipe_are_seen_as_they_come():
    code = "from rubin.sources.hubble import Hubble\nfor batch in Hubble('-'): print(len(batch), flush=True)"
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write((line(1) + line(2) + line(3)[:50]).encode())
        process.stdin.flush()
        assert process.stdout.readline() == b"2\n"
        process.stdin.write(line(3)[50:].encode())
        process.stdin.flush()
        assert process.stdout.readline() == b"1\n"
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_file_that_is_not_there():
    with pytest.raises(RubinError, match="cannot be read: No such file or directory"):
        Hubble("/nothing/here")


@given(
    st.lists(
        st.text(max_size=30) | st.sampled_from([line(1).strip(), LOST.strip(), '{"flow":', "{}", "null"]), max_size=9
    )
)
def test_any_text_is_borne(lines: list[str]):
    assume("\n".join(lines) not in ("\n", "\n\r", "\n\r\r"))  # how a capture begins
    batch, source = read("\n".join(lines))
    assert len(batch) <= lines.count(line(1).strip()) + source.unknown_fields
