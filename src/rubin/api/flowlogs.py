"""Which flows are exported where: Hubble's `flowLogs` file, and the flags for a single export."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from rubin.errors import RubinError, UsageError
from rubin.model.filter import FlowFilter
from rubin.wire.filters import filters_from_json
from rubin.wire.mask import tree
from rubin.words.times import duration_s


@dataclass(frozen=True, slots=True)
class FlowLog:
    """One export. Compiled filters are made from `include` and `exclude` when it starts."""

    name: str
    file_path: str
    field_mask: tuple[str, ...] = ()
    field_aggregate: tuple[str, ...] = ()
    aggregation_interval_s: float = 0.0
    include: tuple[FlowFilter, ...] = ()
    exclude: tuple[FlowFilter, ...] = ()
    file_max_size_mb: int = 10
    file_max_backups: int = 5
    file_compress: bool = False
    end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """Hubble's `hubble-export-*` flags, and the file of several exports."""

    export_file_path: str = ""
    """"" for none, `stdout` for the standard output."""
    export_file_max_size_mb: int = 10
    export_file_max_backups: int = 5
    export_file_compress: bool = False
    export_allowlist: str = ""
    """Flow filters as JSON objects, one after the other."""
    export_denylist: str = ""
    export_fieldmask: tuple[str, ...] = ()
    export_fieldaggregate: tuple[str, ...] = ()
    export_aggregation_interval: str = "0s"
    flowlogs_config_path: str = ""


def static_log(settings: ExportSettings) -> FlowLog | None:
    """The export that the flags describe, None where they name no file.

    Raises UsageError for a flag that is wrong, and for one that describes an export without a file.
    """
    log = _static(settings)
    if settings.export_file_path:
        return log
    usual = ExportSettings()
    for name in (field.name for field in fields(ExportSettings) if field.name.startswith("export_")):
        if getattr(settings, name) != getattr(usual, name):
            raise UsageError(f"{name} is set, but no export_file_path", "export_file_path says where the flows go")
    return None


def _static(settings: ExportSettings) -> FlowLog:
    return _checked(
        FlowLog(
            name="static",
            file_path=settings.export_file_path,
            field_mask=settings.export_fieldmask,
            field_aggregate=settings.export_fieldaggregate,
            aggregation_interval_s=duration_s(settings.export_aggregation_interval),
            include=filters_from_json(settings.export_allowlist),
            exclude=filters_from_json(settings.export_denylist),
            file_max_size_mb=settings.export_file_max_size_mb,
            file_max_backups=settings.export_file_max_backups,
            file_compress=settings.export_file_compress,
        )
    )


def read_flowlogs(path: str) -> list[FlowLog]:
    """The exports of a `flowLogs:` file. Raises RubinError that names what is wrong with it."""
    try:
        text = Path(path).read_text()
        document, lines = yaml.safe_load(text), _entry_lines(yaml.compose(text, Loader=yaml.SafeLoader))
    except OSError as error:
        raise RubinError(f"cannot read {path}: {error.strerror or error}", "check flowlogs_config_path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where, why = _what_is_wrong(error)
        raise RubinError(f"{path}{where} is not valid YAML: {why}", "mend the line that is named") from error
    entries = document.get("flowLogs") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RubinError(f"{path} holds no list flowLogs", "flowLogs: [{name: all, filePath: /var/log/flows.log}]")
    logs = []
    for number, entry in enumerate(entries):
        try:
            logs.append(_log(entry))
        except RubinError as error:
            where = f":{lines[number]}" if number < len(lines) else ""
            raise UsageError(f"{path}{where}: {_one_line(error.sentence)}", error.way_on) from error
    for what in ("name", "file_path"):
        values = [getattr(log, what) for log in logs]
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise RubinError(f"{path} has two flow logs with the {what.replace('_', ' ')} {twice}", "one for each")
    return logs


def _entry_lines(root: yaml.Node | None) -> list[int]:
    """On which line, from 1, each flow log begins."""
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    lists = [value for key, value in pairs if key.value == "flowLogs" and isinstance(value, yaml.SequenceNode)]
    return [entry.start_mark.line + 1 for found in lists[-1:] for entry in found.value]


def _what_is_wrong(error: Exception) -> tuple[str, str]:
    """`:LINE` where it is known, and the reason, without the excerpt of the file."""
    mark = getattr(error, "problem_mark", None)
    why = getattr(error, "problem", None) or str(error)
    return (f":{mark.line + 1}" if mark else ""), _one_line(why)


def _one_line(text: str) -> str:
    return " ".join(text.split())


_KEYS = {
    "name": "name", "filePath": "file_path", "fieldMask": "field_mask", "fieldAggregate": "field_aggregate",
    "aggregationInterval": "aggregation_interval_s", "includeFilters": "include", "excludeFilters": "exclude",
    "fileMaxSizeMb": "file_max_size_mb", "fileMaxBackups": "file_max_backups", "fileCompress": "file_compress",
    "end": "end_ns",
}  # fmt: skip


def _log(entry: Mapping[str, Any]) -> FlowLog:
    for key in entry:
        if key not in _KEYS:
            raise UsageError(f"flow log setting '{key}' does not exist", ", ".join(_KEYS))
    values = {_KEYS[key]: _value(key, value) for key, value in entry.items() if value is not None}
    if not values.get("name") or not values.get("file_path"):
        raise UsageError("a flow log needs name and filePath", "see Hubble's flowLogs")
    return _checked(FlowLog(**values))


def _value(key: str, value: Any) -> Any:
    wrong = UsageError(f"flow log setting '{key}' cannot be {value!r}", "see Hubble's flowLogs")
    match key:
        case "includeFilters" | "excludeFilters" if isinstance(value, list):
            return filters_from_json(" ".join(one if isinstance(one, str) else json.dumps(one) for one in value))
        case "fieldMask" | "fieldAggregate" if isinstance(value, list):
            return tuple(map(str, value))
        case "aggregationInterval":
            return duration_s(str(value))
        case "end":
            return _time_ns(value, wrong)
        case "fileCompress" if isinstance(value, bool):
            return value
        case "fileMaxSizeMb" | "fileMaxBackups" if isinstance(value, int) and not isinstance(value, bool):
            return value
        case "name" | "filePath" if isinstance(value, str):
            return value
    raise wrong


def _time_ns(value: Any, wrong: UsageError) -> int:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise wrong from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000) * 1_000


def _checked(log: FlowLog) -> FlowLog:
    """The same. Raises UsageError for what cannot be exported."""
    tree(log.field_mask)
    tree(log.field_aggregate)
    for what in (field.name for field in fields(FlowLog) if field.name in ("file_max_size_mb", "file_max_backups")):
        if getattr(log, what) < (1 if what == "file_max_size_mb" else 0):
            raise UsageError(f"flow log {log.name}: {what} cannot be {getattr(log, what)}", "a positive number")
    return log
