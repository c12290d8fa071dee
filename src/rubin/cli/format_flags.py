"""How flows and events are printed: the flags, and the printer that they mean."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rubin.cli.command import Arguments
from rubin.errors import UsageError
from rubin.words.flags import Flag
from rubin.words.times import FORMATS

if TYPE_CHECKING:
    from rubin.cli.output.flows import Printer
    from rubin.words.wording import Options

OUTPUTS = ("compact", "dict", "json", "jsonpb", "table")
FLOW_OUTPUTS = (*OUTPUTS, "wide", "columns")
_MEANT = {name: name for name in FLOW_OUTPUTS} | {"tab": "table", "JSON": "json", "jsonpb": "json"}
_WHEN = ("auto", "always", "never")


def event_format_flags(outputs: tuple[str, ...] = OUTPUTS, more: str = "") -> tuple[Flag, ...]:
    """What goes for flows and other events. `more` is told of the outputs."""
    layouts = f"How times are written, in UTC; not in JSON: {', '.join(FORMATS)}."
    told = f"How to print: {', '.join(outputs)}.{more}"
    return (
        Flag("output", told, default="compact", short="o", group="Format", metavar="FORMAT", values=outputs),
        Flag("print-node-name", "Say which node saw it.", "yes", False, group="Format"),
        Flag("time-format", layouts, default="StampMilli", group="Format", metavar="LAYOUT", values=FORMATS),
    )


def color_flag(outputs: str) -> Flag:
    """`--color`."""
    told = f"Colours in {outputs}: {', '.join(_WHEN)}."
    return Flag("color", told, default="auto", group="Format", metavar="WHEN", values=_WHEN)


def flow_format_flags() -> tuple[Flag, ...]:
    """What goes for flows."""
    more = " wide is compact and what Rubin knows beyond Hubble; columns is a JSON object of all columns."
    return (
        *event_format_flags(FLOW_OUTPUTS, more),
        Flag("numeric", "Addresses instead of names.", "yes", False, group="Format"),
        Flag("ip-translation", "Names of pods, services and hosts instead of addresses.", "yes", True, group="Format"),
        color_flag("compact, wide and dict"),
        Flag("print-policy-names", "Say which policies decided.", "yes", False, group="Format"),
    )


def output_of(arguments: Arguments, follow: bool = False, outputs: tuple[str, ...] = OUTPUTS) -> str:
    """One of `outputs`, where `jsonpb` is `json`, or `legacy-json`. Raises UsageError."""
    output = _MEANT.get(arguments["output"])
    if output not in outputs:
        raise UsageError(f"output format '{arguments['output']}' does not exist", f"one of {', '.join(outputs)}")
    if output == "table" and follow:
        raise UsageError("table output format is not compatible with follow mode", "-o compact")
    compat = os.environ.get("RUBIN_COMPAT") or os.environ.get("HUBBLE_COMPAT") or ""
    legacy = arguments["output"] != "jsonpb" and "legacy-json-output" in compat.split(",")
    return "legacy-json" if output == "json" and legacy else output


def options_of(arguments: Arguments, output: str) -> Options:
    """The flags as the printers want them. Raises UsageError."""
    from rubin.cli.output.terminal import palette
    from rubin.words.text import Palette
    from rubin.words.times import Clock
    from rubin.words.wording import Options

    values = arguments.values
    return Options(
        palette=palette(values.get("color", "never")) if output != "table" else Palette(False),
        clock=Clock(arguments["time-format"]),
        translated=values.get("ip-translation", True) and not values.get("numeric", False),
        node_name=arguments["print-node-name"],
        policy_names=values.get("print-policy-names", False),
    )


def flow_printer(arguments: Arguments, output: str, mask: tuple[str, ...] = ()) -> Printer:
    """The printer of flows; `mask` is for JSON. Raises UsageError."""
    options = options_of(arguments, output)
    if output.endswith("json"):
        from rubin.cli.output.json import JSON

        return JSON(mask, bare=output == "legacy-json")
    if output == "columns":
        from rubin.cli.output.flat_json import Columns

        return Columns()
    from rubin.cli.output import flows

    printers: dict[str, type[flows.Compact | flows.Dict | flows.Table]] = {
        "compact": flows.Compact,
        "wide": flows.Wide,
        "dict": flows.Dict,
        "table": flows.Table,
    }
    return printers[output](options)
