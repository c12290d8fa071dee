"""The map of a time that is over: figures are those of a picture of that time alone, and the next step is quick."""

from time import thread_time
from typing import Any

import numpy as np
import pytest

from rubin.api.target import ClientSettings
from rubin.model.batch import FlowBatch
from rubin.model.enums import Direction, TracePoint
from rubin.query.folded import Shown, shown
from rubin.query.picture import PLACE, Picture
from rubin.ui.feed import Feed
from rubin.ui.frames import Dictionary
from rubin.ui.views.album import SLOT_NS, album_of
from rubin.ui.views.asked import Asked, Time
from rubin.ui.views.map import Map
from rubin.ui.views.view import Lens
from tests.exchanges import MS, TIME_NS, stored
from tests.flows import generate
from tests.query.test_failing import LATE, WAITS, said

Figures = dict[tuple[str, str], list[float]]
START = TIME_NS // SLOT_NS * SLOT_NS


def at(second: int, window_s: int = 60) -> Time:
    until_ns = START + second * SLOT_NS
    return Time("at", window_s * SLOT_NS, until_ns - window_s * SLOT_NS, until_ns)


def feed_of(*batches: FlowBatch, capacity: int = 1_000_000) -> Feed:
    feed = Feed(ClientSettings(server="unix:///nowhere"), capacity)
    for batch in batches:
        feed.ring.append(batch)
    return feed


def spread(since_s: float, until_s: float, count: int = 20_000, seed: int = 1) -> FlowBatch:
    """Flows of that time, none of them just at a whole second; each is seen once, at the end that is asked."""
    times = np.linspace(START + since_s * SLOT_NS + MS, START + until_s * SLOT_NS - MS, count).astype(np.int64)
    points = np.full(count, TracePoint.TO_ENDPOINT), np.full(count, Direction.INGRESS)
    made = generate(count, seed, endpoints=100, pairs=400)
    return made.with_columns(time_ns=times, trace_point=points[0], traffic_direction=points[1])


def lens(feed: Feed, time: Time, query: str = "", scope: str = "workload") -> Lens:
    return Lens(feed, Asked("map", query, scope, time), Dictionary())


def figures(of: Shown) -> Figures:
    """Of each edge all but its ports and its age."""
    ends = [(of.places[a].name, of.places[b].name) for a, b in zip(of.source, of.destination, strict=True)]
    columns = (*of.columns.values(), of.verdict, of.encrypted)
    return {end: [round(float(column[row]), 6) for column in columns] for row, end in enumerate(ends)}


def seen(feed: Feed, time: Time, query: str = "") -> tuple[Figures, Figures]:
    """By the album, and by a picture of its own."""
    looked = lens(feed, time, query)
    album, alone = album_of(looked), Picture("workload", None)
    assert album is not None
    for batch in looked.held():
        alone.take(batch)
    ALBUMS.append(album)
    since_ns = max(time.since_ns, feed.oldest_ns())
    by_album, by_itself = (figures(shown(each, time.until_ns, since_ns)) for each in (album, alone))
    return by_album, by_itself


ALBUMS: list[Any] = []
"""As long as they are here the next step uses them."""


@pytest.fixture(autouse=True)
def forgotten():
    yield
    ALBUMS.clear()


@pytest.mark.parametrize("query", ["", "verdict=DROPPED", "to-port=443"])
def test_wherever_one_steps_the_figures_are_those_of_that_time_alone(query: str) -> None:
    feed = feed_of(spread(0, 100), spread(100, 200, seed=2))
    for second in (190, 191, 189, 100, 160, 30, 300, 190):
        by_album, alone = seen(feed, at(second), query)
        np.testing.assert_equal(by_album, alone)
        assert bool(alone) == (second != 300)
    assert len(set(map(id, ALBUMS))) == 1


@pytest.mark.parametrize("cut", [1, 100, 300, 1_000])
def test_what_two_ends_saw_in_a_second_counts_once_wherever_it_is_cut(cut: int) -> None:
    times = np.linspace(START + MS, START + SLOT_NS - MS, 2_000).astype(np.int64)
    one, other = (generate(2_000, endpoints=40, pairs=300).with_columns(time_ns=times) for _ in range(2))
    whole, pieces = feed_of(one), feed_of(one.take(slice(0, cut)), other.take(slice(cut, None)))
    assert [len(view) for view in pieces.ring.scan()] == [cut, 2_000 - cut]
    albums = [album_of(lens(feed, at(1, 1))) for feed in (whole, pieces)]
    by_whole, by_pieces = (figures(shown(album, START + SLOT_NS, START)) for album in albums if album is not None)
    np.testing.assert_equal(by_pieces, by_whole)


def test_flows_that_come_late_or_are_held_no_more_count_so() -> None:
    feed = feed_of(spread(0, 100), capacity=30_000)
    seen(feed, at(90))
    feed.ring.append(spread(70, 71, 500, seed=3))
    by_album, alone = seen(feed, at(90))
    np.testing.assert_equal(by_album, alone)
    feed.ring.append(spread(100, 200, 45_000))
    by_album, alone = seen(feed, at(90, 20))
    np.testing.assert_equal(by_album, alone)
    by_album, alone = seen(feed, at(180))
    np.testing.assert_equal(by_album, alone)
    assert alone


def test_a_request_has_failed_where_no_answer_is_in_the_window() -> None:
    """Asked at 1.9 s, answered 3 s later; another one is never answered."""
    rows = (said(WAITS, 1_900 * MS), said(LATE, 1_900 * MS), said(WAITS, 5_100 * MS, client="10.0.0.1:4001"))
    feed = feed_of(stored(*rows))
    for second, window_s, failed in ((20, 20, 1), (4, 4, 1), (3, 3, 0), (20, 20, 1), (6, 6, 0), (8, 8, 1), (20, 16, 1)):
        time = at(second, window_s)
        np.testing.assert_equal(*seen(feed, time))
        window = ALBUMS[-1].window(time.until_ns)
        assert window.sums[:, PLACE["failed"]].sum() == failed, (second, window_s)


def test_an_edge_is_new_where_the_ten_seconds_before_have_its_first_flow() -> None:
    """Also where it was seen later before it was seen then."""
    strangers = spread(85, 86, 100, seed=9).with_columns(source_endpoint=np.zeros(100, np.uint32))
    feed = feed_of(spread(0, 110), strangers, spread(90, 91, 100, seed=9))
    for second, new in ((95, {1}), (110, {0}), (90, {1}), (85, set()), (97, {0})):
        ALBUMS.append(album_of(lens(feed, at(second))))
        of = shown(ALBUMS[-1], at(second).until_ns, at(second).since_ns)
        strange = [of.places[place].name[:4] != "app-" for place in of.source]
        assert set(of.is_new[strange].tolist()) == new, second


def test_what_is_no_whole_second_or_too_long_has_no_album() -> None:
    feed = feed_of(spread(0, 10))
    until_ns = START + 10 * SLOT_NS + MS
    assert album_of(lens(feed, Time("at", 60 * SLOT_NS, until_ns - 60 * SLOT_NS, until_ns))) is None
    assert album_of(lens(feed, at(10, 600))) is None
    assert album_of(lens(feed, Time("range", SLOT_NS, START, START + SLOT_NS))) is None


def test_a_step_at_a_million_flows_is_quick_and_keeps_few_slots() -> None:
    """In the time of its own thread, since others use the machine: 100 ms a step; ten times as long is wrong."""
    feed = feed_of(*(spread(second, second + 20, 100_000) for second in range(0, 200, 20)), spread(200, 420, 20_000))
    took, views = [], []
    for second in (150, 151, 152, 151, 150, 149, 151):
        begun = thread_time()
        view = Map(lens(feed, at(second)))
        view.prepare()
        view.snapshot()
        took.append(thread_time() - begun)
        views.append(view)
    print(f"the first {took[0] * 1000:.0f} ms, then {[round(one * 1000) for one in took[1:]]} ms")
    assert sorted(took[1:])[2] < 0.2
    for second in range(60, 420, 40):
        album = album_of(lens(feed, at(second)))
    assert album is not None
    assert len(album._known) <= 300
