"""Whole screens as text files whose diffs are read: what stands where at which size."""

import asyncio

import pytest

from rubin.words.terms import Term
from tests.asked import SINCE, UNTIL, shop
from tests.tui.looking import check, feed_of, following, looking, press, screen, small, styles

PAY = (Term("pod", "shop/pay"),)
SCREENS = [
    # name, feed, size, keys, terms
    ("flows_80x24", small, (80, 24), (), ()),
    ("flows_120x40", small, (120, 40), (), ()),
    ("flows_200x30", small, (200, 30), (), ()),
    ("flows_filtered", small, (80, 24), (), PAY),
    ("flow_open", small, (80, 40), ("k", "k", "k", "k", "enter"), ()),
    ("paused", small, (80, 24), ("space",), ()),
    ("abnormal", small, (80, 24), ("exclamation_mark",), ()),
    ("conversations", small, (100, 24), ("c",), ()),
    ("drops", small, (120, 24), ("3",), ()),
    ("help", small, (80, 50), ("question_mark",), ()),
    ("palette", small, (80, 24), ("colon", *"drop"), ()),
    ("filter_wrong", small, (80, 24), ("slash", *"to-prt", "equals_sign", "1"), ()),
    ("filter_completed", small, (80, 24), ("slash", *"to-pod", "equals_sign", *"data", "tab", "enter"), ()),
    ("nothing_passes", small, (80, 24), (), (Term("to-port", "1"),)),
    ("copy_letters", small, (80, 24), ("y",), ()),
]


ASKED = [
    ("top", (100, 24), ("2",), ()),
    ("top_80x24", (80, 24), ("t",), ()),
    ("top_by_client", (120, 24), ("2", "b", "b"), ()),
    ("services", (100, 24), ("4",), ()),
    ("dns", (120, 24), ("5",), ()),
    ("requests_as_flows", (120, 24), ("1",), (Term("http-status", "5+"),)),
]


@pytest.mark.parametrize(("name", "feed", "size", "keys", "terms"), SCREENS, ids=[row[0] for row in SCREENS])
def test_screen(name, feed, size, keys, terms):
    async def looked():
        async with looking(feed(), size, terms) as (app, pilot):
            await press(app, pilot, *keys)
            return screen(app)

    text = asyncio.run(looked())
    assert all(len(line) <= size[0] for line in text.splitlines())
    check(name, text)


@pytest.mark.parametrize(("name", "size", "keys", "terms"), ASKED, ids=[row[0] for row in ASKED])
def test_screen_of_what_a_server_answers(name, size, keys, terms, tmp_path):
    async def looked(feed, follows):
        feed.state.target = "localhost:4245"  # the socket is another one each time
        async with looking(feed, size, terms, (SINCE, UNTIL), following=follows) as (app, pilot):
            await press(app, pilot, *keys)
            return screen(app)

    with following(shop(), tmp_path, 91) as (feed, follows):
        check(name, asyncio.run(looked(feed, follows)))


def test_without_colours_the_screen_says_the_same(monkeypatch):
    async def looked():
        async with looking(small(), (80, 24)) as (app, _):
            return screen(app), styles(app)

    with_colours, some = asyncio.run(looked())
    monkeypatch.setenv("NO_COLOR", "1")
    without, none = asyncio.run(looked())
    assert without == with_colours
    assert some
    assert not none


def test_colours_are_the_sixteen_of_the_terminal():
    async def looked():
        async with looking(small(), (120, 40)) as (app, pilot):
            await press(app, pilot, "enter")
            return styles(app)

    assert asyncio.run(looked()) <= {"red", "green", "blue", "yellow", "cyan", "magenta", "black", "white"}


WAITING = [("connecting", "", "connecting to localhost:4245"), ("waiting", "cannot reach it", "cannot reach it")]


@pytest.mark.parametrize(("phase", "sentence", "told"), WAITING)
def test_a_server_that_is_not_there_is_said_in_place_of_flows(phase, sentence, told):
    async def looked():
        feed = feed_of()
        feed.state.phase, feed.state.sentence, feed.state.way_on = phase, sentence, "is it running?"
        async with looking(feed) as (app, _):
            return screen(app)

    text = asyncio.run(looked())
    assert told in text.splitlines()[5]
    assert phase.upper() in text.splitlines()[0]
