"""The view of health: what the server says, what was lost and where, and what is not known is not made up."""

import asyncio

from rich.cells import cell_len

from rubin.cli.tui import outputs
from rubin.store.ring import Ring
from rubin.ui.feed import Gap
from rubin.ui.terminal.asking import Health
from rubin.ui.terminal.health import health_lines
from rubin.wire.pb.observer_pb2 import Node, ServerStatusResponse
from tests.exchanges import TIME_NS
from tests.flows import generate
from tests.tui.looking import check, feed_of, following, looking, press, screen, small
from tests.tui.test_hostile import CONTROL, NAMES

OWN = {
    "node": "node-1",
    "agent_version": "0.1.0",
    "uptime_s": 4_321.4,
    "completeness_percent": 99.9996,
    "kernel": {
        "missing": ["tcp_probe: no round trip times (the kernel has no such tracepoint)"],
        "ns_per_packet": 171.3,
    },
    "lost": {"kernel ring": {"records": 16, "packets": 20}, "connection table": {"records": 0, "packets": 0}},
    "memory_bytes": 101_000_000,
}
STATUS = ServerStatusResponse(num_flows=9, max_flows=1_000_000, seen_flows=9, uptime_ns=4_321 * 10**9)
NODES = [Node(name="node-1", version="v1", seen_flows=100, uptime_ns=10**10), Node(name="node-2")]


class _Server:
    """Answers as it was told to."""

    def __init__(self, told):
        self._told = told

    async def ask(self, _question):
        return self._told


def look(feed, told, size=(80, 50), *pressed):
    async def looked():
        async with looking(feed, size) as (app, pilot):
            app.asking._server = _Server(told)
            await press(app, pilot, "6", *pressed)
            return screen(app)

    return asyncio.run(looked())


def test_all_that_is_known_is_said_and_what_is_wrong_is_marked():
    feed = small()
    feed.gaps.append(Gap(TIME_NS, TIME_NS + 5 * 10**9, "the server was away"))
    check("health", look(feed, Health(STATUS, (), OWN)))


def test_what_comes_before_the_view_is_laid_out_is_broken_where_the_screen_ends():
    lines = health_lines(small(), 0, Health(STATUS, (), OWN), outputs())

    async def counted():
        async with looking(small(), (80, 50)) as (app, _):
            view = app.health_view
            assert view.size.width == 0
            view.show(lines)
            return view.count

    assert asyncio.run(counted()) == len(lines)


def test_less_than_all_is_never_rounded_to_all():
    assert "complete     ! 99.99 %" in look(small(), Health(STATUS, (), OWN))


def test_of_a_relay_the_nodes_are_told():
    text = look(small(), Health(STATUS, NODES, {}), (100, 40))
    assert "Nodes" in text
    assert "node-2" in text


def test_an_older_agent_that_tells_less_is_told_as_it_is():
    lines = health_lines(small(), 0, Health(STATUS, (), {"node": "n", "lost": {"ring": "?"}, "kernel": {}}), outputs())
    assert "  overhead     not measured" in lines
    assert not any("complete" in line for line in lines)


def test_flows_that_went_before_they_were_shown_are_lost_too():
    assert "  lost         ! 43 events since the start" in health_lines(small(), 1, None, outputs())


def test_a_server_that_is_gone_is_said_with_what_to_try():
    feed = feed_of()
    feed.state.phase, feed.state.sentence, feed.state.way_on = "waiting", "cannot reach it", "is it running?"
    text = look(feed, None)
    assert "! waiting: cannot reach it; try: is it running?" in text
    assert "Server" not in text


def test_its_lines_are_no_flows_that_could_be_opened():
    text = look(small(), Health(STATUS, (), OWN), (80, 24), "enter", "e", "r")
    assert "THE FLOW" not in text
    assert "Completeness" not in text  # below what is seen
    assert "no flow" in text


def test_all_of_it_can_be_reached_on_a_small_screen():
    assert "Completeness" in look(small(), Health(STATUS, (), OWN), (80, 24), "G")


def test_names_in_it_are_texts_and_are_broken_where_the_screen_ends():
    name = "".join(NAMES)
    own = OWN | {"node": name, "lost": {name: {"records": 1}}, "kernel": {"missing": [name], "refused": {name: name}}}
    feed = small()
    feed.state.phase, feed.state.sentence, feed.state.target = "waiting", name, name
    lines = health_lines(feed, 0, Health(STATUS, [Node(name=name)], own), outputs())
    assert not CONTROL.search("".join(lines))
    text = look(small(), Health(STATUS, (), own), (80, 50))
    assert all(cell_len(line) <= 80 for line in text.splitlines())
    assert text.count("red]markup[/]") >= 2


def test_it_is_asked_of_a_real_server(tmp_path):
    async def looked(feed, follows):
        async with looking(feed, (80, 40), following=follows) as (app, pilot):
            await press(app, pilot, "g", "h")
            return screen(app)

    ring = Ring()
    ring.append(generate(50))
    with following(ring, tmp_path, 50) as (feed, follows):
        text = asyncio.run(looked(feed, follows))
    assert "Current/Max Flows: 50/1,000,000" in text
    assert "Programs: 3" in text
    assert "$ rubin status" in text
