"""Names from the network are texts: no control of the terminal, no markup, no room that is not theirs."""

import asyncio
import re

import numpy as np
import pytest

from rubin.model.tables import Endpoint, Process, Tables
from tests.flows import flows
from tests.tui.looking import feed_of, looking, press

ROW = "src dst verdict kernel_drop_reason\n10.0.0.1:40000 10.0.0.2:80 DROPPED NETFILTER_DROP"
NAMES = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b2J",
    "a\r\nFORGED 10.0.0.9 → DROPPED",
    "\u202egnp.exe",
    "[bold red]markup[/]",
    "[link=file:///etc/passwd]click[/link]",
    "x" * 500,
    "ملف-سيئ",
    "面向服务的名称" * 20,
    "नमस्ते-दुनिया",
    "👩‍👩‍👧‍👦-family",
    "e\u0301\u0301\u0301\u0301",
    "",
]
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def named(name):
    """A flow that has the name wherever one may stand."""
    tables = Tables()
    one = Endpoint(1, 1000, name, name, (f"k8s:app={name}",), name, names=(name,))
    return flows(ROW, tables).with_columns(
        source_endpoint=tables.endpoints.codes([one]),
        destination_endpoint=tables.endpoints.codes([one]),
        process=tables.processes.codes([Process(7, name, 0, cgroup=f"/{name}", executable=name, user=name)]),
        node_name=tables.strings.codes([name]),
        uuid_high=np.array([0x2D1C1D2E90A84A6B], np.uint64),
        uuid_low=np.array([1 << 63], np.uint64),
    )


def _width(strip):
    from rich.cells import cell_len

    return cell_len("".join(segment.text for segment in strip))


@pytest.mark.parametrize("name", NAMES, ids=[repr(name)[:20] for name in NAMES])
def test_a_name_is_a_text_wherever_it_stands(name):
    async def looked():
        async with looking(feed_of(named(name)), (200, 40)) as (app, pilot):
            for keys in (("enter",), ("h", "c"), ("3",), ("1", "e"), ("escape", "slash", *"from-pod", "equals_sign")):
                await press(app, pilot, *keys)
                for strip in app.screen._compositor.render_strips():
                    text = "".join(segment.text for segment in strip)
                    assert not CONTROL.search(text), (keys, text)
                    assert _width(strip) == 200, (keys, text)
                    assert not any(segment.style and segment.style.link for segment in strip)

    asyncio.run(looked())


def test_markup_stays_what_was_written():
    async def looked():
        async with looking(feed_of(named("[bold red]markup[/]")), (200, 40)) as (app, pilot):
            await press(app, pilot, "enter")
            return "".join(segment.text for strip in app.screen._compositor.render_strips() for segment in strip)

    assert asyncio.run(looked()).count("[bold red]markup[/]") > 5
