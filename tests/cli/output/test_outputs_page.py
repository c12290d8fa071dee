"""docs/outputs.md: its examples are what is printed. GOLDEN=write puts them there anew."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rubin import __version__
from rubin.cli.format_flags import FLOW_OUTPUTS
from rubin.cli.output.flat_json import Columns
from rubin.cli.output.flows import Compact, Dict, Table, Wide
from rubin.cli.output.json import JSON
from rubin.model.batch import FlowBatch
from rubin.model.enums import TCPEvent
from rubin.model.tables import Contents, Endpoint, Link, Process, Tables, Translation
from rubin.words.wording import Options
from tests.flows import flows

PAGE = Path(__file__).parents[3] / "docs" / "outputs.md"
_EXAMPLE = r"(## `-o {name}`[^#]*?```\n)(.*?)(```)"
PRINTERS: dict[str, Any] = {
    "compact": lambda: Compact(Options()),
    "wide": lambda: Wide(Options()),
    "dict": lambda: Dict(Options()),
    "table": lambda: Table(Options()),
    "json": JSON,
    "columns": Columns,
}


def _example() -> FlowBatch:
    """What answers a proxy on this node that just connected."""
    tables = Tables()
    proxy = Endpoint(7, 31573, "", "shop", ("k8s:app=front",), "front")
    codes = {
        "source_endpoint": tables.endpoints.code(Endpoint(3, 18440, "", "shop", ("k8s:app=cart",), "cart")),
        "destination_endpoint": tables.endpoints.code(proxy),
        "process": tables.processes.code(Process(1234, "nginx", 33, 5121, "/kubepods/pod1f3a", 4026, user="www-data")),
        "link": tables.links.code(Link(2, "eth0")),
        "contents": tables.contents.code(Contents(translation=Translation("10.96.0.10", 80))),
        "node_name": tables.strings.code("node-1"),
        "connect_latency_us": 250,
        "uuid_high": 0x2D1C1D2E90A84A6B,
        "uuid_low": 0x8000000000000001,
        "trace_reason": 3,
    }
    table = f"""
        src            dst              is_reply  tcp_flags  packets  bytes  srtt_us  tcp_event            retransmits
        10.244.0.9:8080  10.244.0.7:41822 1         SYN,ACK    12       4210   120      {int(TCPEvent.CONNECT)}  2
    """
    return flows(table, tables).with_columns(**{name: np.array([code]) for name, code in codes.items()})


@pytest.mark.parametrize("name", PRINTERS)
def test_the_example_is_what_is_printed(name: str) -> None:
    printer = PRINTERS[name]()
    printed = (printer.text(_example()) + printer.end()).replace(f'"{__version__}"', '"…"')
    pattern = re.compile(_EXAMPLE.format(name=name), re.DOTALL)
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(pattern.sub(lambda found: found[1] + printed + found[3], PAGE.read_text(), count=1))
    found = pattern.search(PAGE.read_text())
    assert found is not None
    assert found[2] == printed


def test_the_page_has_every_format() -> None:
    assert set(re.findall(r"^## .*$", PAGE.read_text(), re.MULTILINE)) == {
        f"## `-o {name}`" for name in PRINTERS if name != "json"
    } | {"## `-o json`, `-o jsonpb`"}
    assert set(FLOW_OUTPUTS) == {*PRINTERS, "jsonpb"}
