"""Flows to files: what is written, when files turn over, and what a changed configuration changes."""

import gzip
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rubin.api.export import Exporter
from rubin.api.exports import Exports
from rubin.api.flowlogs import ExportSettings, FlowLog, read_flowlogs, static_log
from rubin.api.rotated import RotatedFile
from rubin.errors import RubinError, UsageError
from rubin.model.batch import FlowBatch, Lost
from rubin.model.enums import LostSource
from rubin.model.filter import FlowFilter
from rubin.model.tables import Tables
from rubin.store.ring import Ring
from rubin.store.segment import ROWS
from tests.api.serving import eventually
from tests.flows import flows

FLOWS = """
    src            dst           from    to     verdict    drop_reason  traffic_direction
    10.0.0.1:4000  10.0.0.2:80   shop/a  b/x    FORWARDED  0            INGRESS
    10.0.0.1:4001  10.0.0.2:81   shop/a  b/x    DROPPED    133          EGRESS
    10.0.0.3:4002  10.0.0.2:80   shop/c  b/x    FORWARDED  0            EGRESS
"""


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _exported(log: FlowLog, batch: FlowBatch | None = None) -> list[Any]:
    """What an exporter of `log` writes of the flows above."""
    ring = Ring(100)
    ring.append(flows(FLOWS))  # before the export: not in it
    exporter = Exporter(ring, log, "node-1")
    ring.append(flows(FLOWS) if batch is None else batch)
    exporter.close()
    return _lines(Path(log.file_path))


def test_each_flow_is_a_line_as_hubble_writes_it(tmp_path: Path):
    lines = _exported(FlowLog("a", str(tmp_path / "deep" / "flows.log")))
    assert [line["flow"]["l4"]["TCP"]["source_port"] for line in lines] == [4000, 4001, 4002]
    assert lines[1]["flow"]["verdict"] == "DROPPED"
    assert lines[1]["time"] == lines[1]["flow"]["time"] == "2023-11-14T22:13:20.001Z"
    assert (tmp_path / "deep" / "flows.log").stat().st_mode & 0o777 == 0o600


def test_filters_and_a_mask_apply(tmp_path: Path):
    log = FlowLog(
        "a",
        str(tmp_path / "flows.log"),
        field_mask=("source.pod_name", "verdict"),
        include=(FlowFilter(source_pod=("shop/",)),),
        exclude=(FlowFilter(verdict=(2,)),),
    )
    flow = {"verdict": "FORWARDED"}
    expected = [{"flow": {**flow, "source": {"pod_name": pod}}} for pod in ("a", "c")]
    assert _exported(log) == expected


@pytest.mark.parametrize(("include", "lines"), [((), 4), ((FlowFilter(),), 3)])
def test_losses_are_exported_unless_an_allowlist_is_about_flows(
    tmp_path: Path, include: tuple[FlowFilter, ...], lines: int
):
    batch = flows(FLOWS).with_lost((Lost(LostSource.OBSERVER_EVENTS_QUEUE, 5, 1, node_name="node-1"),))
    written = _exported(FlowLog("a", str(tmp_path / "flows.log"), include=include), batch)
    assert len(written) == lines
    if not include:
        assert written[0]["lost_events"] == {"source": "OBSERVER_EVENTS_QUEUE", "num_events_lost": "5"}
        assert written[0]["node_name"] == "node-1"


def test_flows_that_agree_are_one_line_with_counts(tmp_path: Path):
    aggregate = ("destination.pod_name", "verdict")
    lines = _exported(
        FlowLog("a", str(tmp_path / "f"), field_aggregate=aggregate, aggregation_interval_s=3600)
    )  # an interval that does not end: what was gathered is written at the close
    counts = [(line["flow"]["verdict"], line["flow"]["aggregate"]) for line in lines]
    assert counts == [
        ("FORWARDED", {"ingress_flow_count": 1, "egress_flow_count": 1}),
        ("DROPPED", {"egress_flow_count": 1}),
    ]
    assert {line["flow"]["destination"]["pod_name"] for line in lines} == {"x"}
    assert all(line["node_name"] == "node-1" and line["time"] for line in lines)


def test_an_export_is_written_while_flows_come(tmp_path: Path):
    ring, path = Ring(100), tmp_path / "f"
    exporter = Exporter(ring, FlowLog("a", str(path)), "node-1")
    for number in range(1, 4):
        ring.append(flows(FLOWS))
        eventually(lambda number=number: len(_lines(path)) == 3 * number)  # type: ignore[misc]
    exporter.close()
    assert exporter.exported_flows == 9


def test_an_interval_that_is_over_is_written(tmp_path: Path):
    ring, path = Ring(100), tmp_path / "f"
    log = FlowLog("a", str(path), field_aggregate=("verdict",), aggregation_interval_s=0.05)
    exporter = Exporter(ring, log, "node-1")
    ring.append(flows(FLOWS))
    eventually(lambda: len(_lines(path)) == 2)
    exporter.close()


def test_an_exporter_that_is_overtaken_counts_and_tells(tmp_path: Path):
    ring, tables = Ring(ROWS), Tables()
    exporter = Exporter(ring, FlowLog("a", str(tmp_path / "f"), field_mask=("uuid",)), "node-1")
    numbers = np.arange(20 * ROWS)
    ring.append(FlowBatch({"time_ns": numbers + 1, "uuid_low": numbers}, tables))
    exporter.close()
    lines = _lines(tmp_path / "f")
    told = sum(int(line["lost_events"]["num_events_lost"]) for line in lines if "lost_events" in line)
    assert exporter.lost_flows == told
    assert exporter.exported_flows + exporter.lost_flows == 20 * ROWS
    assert sum("flow" in line for line in lines) == exporter.exported_flows


def test_an_export_ends_at_its_end(tmp_path: Path):
    ring, path = Ring(100), tmp_path / "f"
    exporter = Exporter(ring, FlowLog("a", str(path), end_ns=time.time_ns()), "node-1")
    eventually(lambda: not ring._wakes)
    ring.append(flows(FLOWS))
    exporter.close()
    assert _lines(path) == []


def test_a_file_that_cannot_be_written_is_counted(tmp_path: Path):
    ring = Ring(100)
    exporter = Exporter(ring, FlowLog("a", "/dev/full"), "node-1")
    ring.append(flows(FLOWS))
    exporter.close()
    assert (exporter.exported_flows, exporter.failed_flows) == (0, 3)
    with pytest.raises(RubinError, match="cannot write"):
        Exporter(ring, FlowLog("a", str(tmp_path)), "node-1")


# --- files ---------------------------------------------------------------------------------------


def _files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize("compress", [False, True])
def test_a_full_file_is_set_aside_and_the_oldest_go(tmp_path: Path, compress: bool):
    file = RotatedFile(str(tmp_path / "flows.log"), 100, 2, compress)
    for number in range(10):
        file.write(b"".join(b"%04d-%04d\n" % (number, line) for line in range(7)))
    file.close()
    names = _files(tmp_path)
    assert len(names) == 3
    assert names[-1] == "flows.log"
    assert all(name.endswith(".log.gz" if compress else ".log") for name in names[:2])
    opened = gzip.open if compress else open
    kept = b""
    for name in names[:2]:
        with opened(tmp_path / name, "rb") as old:
            kept += old.read()
    kept += (tmp_path / "flows.log").read_bytes()
    everything = b"".join(b"%04d-%04d\n" % (number, line) for number in range(10) for line in range(7))
    assert everything.endswith(kept)
    assert len(kept) > 200


def test_lines_larger_than_a_file_have_one_of_their_own(tmp_path: Path):
    file = RotatedFile(str(tmp_path / "f"), 10, 0, compress=False)
    file.write(b"a\n" + b"b" * 30 + b"\n" + b"c\n")
    file.close()
    assert (tmp_path / "f").read_bytes() == b"c\n"
    assert _files(tmp_path) == ["f"]


def test_a_file_is_gone_on_with_after_a_restart(tmp_path: Path):
    for line in (b"1234\n", b"5678\n", b"9\n"):
        file = RotatedFile(str(tmp_path / "f"), 10, 5, compress=False)
        file.write(line)
        file.close()
    assert (tmp_path / "f").read_bytes() == b"9\n"
    assert len(_files(tmp_path)) == 2


def test_a_file_that_cannot_be_set_aside_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = RotatedFile(str(tmp_path / "f"), 10, 5, compress=False)
    file.write(b"1234567\n")
    with monkeypatch.context() as broken:
        broken.setattr("rubin.api.rotated.os.rename", _refused)
        file.write(b"a\nbb\n")
        file.write(b"ccc\n")
    assert (tmp_path / "f").read_bytes() == b"1234567\na\nbb\nccc\n"
    assert file.failed_rotations == 2
    reader, writer = os.pipe()  # numbers that a file closed by mistake would have taken along
    file.write(b"dddddd\n")
    os.write(writer, b"here")
    assert os.read(reader, 9) == b"here"
    assert (tmp_path / "f").read_bytes() == b"dddddd\n"
    assert len(_files(tmp_path)) == 2
    file.close()
    file.close()
    os.close(reader)
    os.close(writer)


def _refused(*_: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_a_file_that_cannot_be_opened_anew_leaves_the_old_one_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = RotatedFile(str(tmp_path / "f"), 10, 5, compress=False)
    file.write(b"1234567\n")
    with monkeypatch.context() as broken:
        broken.setattr(file, "_opened", _refused)
        file.write(b"abcdef\n")
    file.write(b"ghijkl\n")
    file.close()
    aside, now = (tmp_path / name for name in sorted(_files(tmp_path), key=len, reverse=True))
    assert (aside.read_bytes(), now.read_bytes()) == (b"1234567\nabcdef\n", b"ghijkl\n")
    assert file.failed_rotations == 1


@pytest.mark.parametrize("compress", [False, True])
def test_a_full_file_that_somebody_took_away_is_opened_anew(tmp_path: Path, compress: bool):
    file = RotatedFile(str(tmp_path / "f"), 10, 5, compress)
    file.write(b"1234567\n")
    (tmp_path / "f").unlink()
    file.write(b"abcdef\n")
    file.close()
    assert _files(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"abcdef\n"
    assert file.failed_rotations == 0


def test_of_the_directories_only_the_last_is_made(tmp_path: Path):
    with pytest.raises(RubinError, match=f"there is no directory {tmp_path}/a\n"):
        Exporter(Ring(10), FlowLog("a", str(tmp_path / "a" / "b" / "c" / "f")), "node-1")
    assert _files(tmp_path) == []


# --- configuration -------------------------------------------------------------------------------

FLOWLOGS = """
flowLogs:
- name: all
  filePath: {directory}/all.log
- name: drops
  filePath: {directory}/drops.log
  fieldMask: [time, source.pod_name]
  includeFilters:
  - verdict: [DROPPED]
    source_pod: ["shop/"]
  excludeFilters: ['{{"destination_port":["81"]}}']
  fieldAggregate: [verdict]
  aggregationInterval: 1m30s
  fileMaxSizeMb: 3
  fileMaxBackups: 0
  fileCompress: true
  end: {end}
"""


def test_a_flowlogs_file_is_hubbles(tmp_path: Path):
    path = tmp_path / "flowlogs.yaml"
    path.write_text(FLOWLOGS.format(directory="/var/log", end="2030-01-02T03:04:05+01:00"))
    everything, drops = read_flowlogs(str(path))
    assert everything == FlowLog("all", "/var/log/all.log")
    assert drops == FlowLog(
        name="drops",
        file_path="/var/log/drops.log",
        field_mask=("time", "source.pod_name"),
        field_aggregate=("verdict",),
        aggregation_interval_s=90,
        include=(FlowFilter(verdict=(2,), source_pod=("shop/",)),),
        exclude=(FlowFilter(destination_port=("81",)),),
        file_max_size_mb=3,
        file_max_backups=0,
        file_compress=True,
        end_ns=int(datetime(2030, 1, 2, 2, 4, 5, tzinfo=UTC).timestamp()) * 1_000_000_000,
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no list flowLogs"),
        ("flowLogs: 3", "holds no list flowLogs"),
        ("flowLogs: [1]", "holds no list flowLogs"),
        ("flowLogs: [{name: a", "is not valid YAML"),
        ("flowLogs: [{name: a}]", "needs name and filePath"),
        ("flowLogs: [{name: a, filePath: b, fileMaxSize: 1}]", "'fileMaxSize' does not exist"),
        ("flowLogs: [{name: a, filePath: b, fileMaxSizeMb: big}]", "'fileMaxSizeMb' cannot be 'big'"),
        ("flowLogs: [{name: a, filePath: b, fileMaxSizeMb: 0}]", "file_max_size_mb cannot be 0"),
        ("flowLogs: [{name: a, filePath: b, fieldMask: [nonsense]}]", "invalid fieldmask"),
        ("flowLogs: [{name: a, filePath: b, includeFilters: [{verdict: [NOPE]}]}]", "no flow filter"),
        ("flowLogs: [{name: a, filePath: b, aggregationInterval: soon}]", "'soon' is no duration"),
        ("flowLogs: [{name: a, filePath: b, end: soon}]", "'end' cannot be 'soon'"),
        ("flowLogs: [{name: a, filePath: b}, {name: a, filePath: c}]", "two flow logs with the name a"),
        ("flowLogs: [{name: a, filePath: b}, {name: c, filePath: b}]", "two flow logs with the file path b"),
    ],
)
def test_a_wrong_flowlogs_file_is_named(tmp_path: Path, text: str, says: str):
    path = tmp_path / "flowlogs.yaml"
    path.write_text(text)
    with pytest.raises(RubinError, match=says):
        read_flowlogs(str(path))


def test_the_flags_are_an_export_too():
    assert static_log(ExportSettings()) is None
    log = static_log(
        ExportSettings(
            export_file_path="stdout",
            export_allowlist='{"verdict":["DROPPED"]} {"reply":[true]}',
            export_fieldmask=("time",),
            export_fieldaggregate=("verdict",),
            export_aggregation_interval="500ms",
        )
    )
    assert log == FlowLog(
        "static",
        "stdout",
        field_mask=("time",),
        field_aggregate=("verdict",),
        aggregation_interval_s=0.5,
        include=(FlowFilter(verdict=(2,)), FlowFilter(reply=(True,))),
    )
    with pytest.raises(UsageError):
        static_log(ExportSettings(export_file_path="a", export_denylist="{"))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (ExportSettings(export_denylist="{"), "no flow filter"),
        (ExportSettings(export_fieldmask=("nonsense",)), "invalid fieldmask"),
        (ExportSettings(export_aggregation_interval="soon"), "no duration"),
        (ExportSettings(export_fieldmask=("time",)), "export_fieldmask is set, but no export_file_path"),
        (ExportSettings(export_file_compress=True), "export_file_compress is set, but no export_file_path"),
    ],
)
def test_flags_of_an_export_without_a_file_are_checked(settings: ExportSettings, says: str):
    with pytest.raises(UsageError, match=says):
        static_log(settings)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("flowLogs:\n- name: a\n  filePath: b\n- name: [c\n", ":5 is not valid YAML"),
        ("flowLogs:\n- name: a\n  filePath: b\n- name: c\n  colour: d\n", ":4: flow log setting 'colour'"),
    ],
)
def test_what_is_wrong_with_a_flowlogs_file_is_one_line_with_its_number(tmp_path: Path, text: str, where: str):
    path = tmp_path / "flowlogs.yaml"
    path.write_text(text)
    with pytest.raises(RubinError) as caught:
        read_flowlogs(str(path))
    assert caught.value.sentence.startswith(f"{path}{where}")
    assert "\n" not in caught.value.sentence


def test_a_changed_file_changes_only_the_exports_it_names(tmp_path: Path):
    ring, path = Ring(1_000), tmp_path / "flowlogs.yaml"

    def configure(*names: str, mask: str = "verdict") -> None:
        entries = [f"{{name: {name}, filePath: {tmp_path}/{name}, fieldMask: [{mask}]}}" for name in names]
        path.write_text(f"flowLogs: [{', '.join(entries)}]")

    configure("a", "b")
    static = ExportSettings(export_file_path=str(tmp_path / "static"), flowlogs_config_path=str(path))
    exports = Exports(ring, static, "node-1", poll_s=0.01)
    ring.append(flows(FLOWS))
    kept = exports._exporters["a"]
    eventually(lambda: len(_lines(tmp_path / "b")) == 3)
    configure("a", "c")
    eventually(lambda: set(exports._exporters) == {"static", "a", "c"})
    ring.append(flows(FLOWS))
    path.write_text("flowLogs: nonsense")  # changes nothing
    eventually(lambda: exports._contents == b"flowLogs: nonsense")
    assert exports._exporters["a"] is kept
    ring.append(flows(FLOWS))
    eventually(lambda: len(_lines(tmp_path / "c")) == 6)
    exports.close()
    assert [len(_lines(tmp_path / name)) for name in ("static", "a", "b", "c")] == [9, 9, 3, 6]
    assert exports.account() == {"exported": 27, "lost": 0, "failed": 0}


def test_a_configuration_that_is_wrong_at_the_start_is_refused(tmp_path: Path):
    with pytest.raises(RubinError, match="cannot read"):
        Exports(Ring(10), ExportSettings(flowlogs_config_path=str(tmp_path / "nowhere")), "node-1")


def test_an_end_in_the_past_exports_nothing(tmp_path: Path):
    path = tmp_path / "flowlogs.yaml"
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    path.write_text(f"flowLogs: [{{name: a, filePath: {tmp_path}/a, end: '{yesterday}'}}]")
    ring = Ring(10)
    exports = Exports(ring, ExportSettings(flowlogs_config_path=str(path)), "node-1", poll_s=0.01)
    eventually(lambda: not ring._wakes)
    ring.append(flows(FLOWS))
    exports.close()
    assert _lines(tmp_path / "a") == []
