"""One table of keys: each does something, help and palette say all of them, and what they do to the picture."""

import asyncio

import pytest
from textual import events

from rubin.ui.terminal import keys
from rubin.ui.terminal.app import TUI
from rubin.ui.terminal.picture import TITLES
from tests.flows import generate
from tests.tui.looking import batch, feed_of, looking, press, screen, small


def _actions():
    yield from (key.action for key in keys.KEYS)
    yield from (action for second in keys.SECOND.values() for action in second.values())


@pytest.mark.parametrize("action", sorted(set(_actions())))
def test_each_key_has_its_action(action):
    name = action.partition("(")[0]
    assert callable(getattr(TUI, f"action_{name}"))


def test_no_key_means_two_things():
    used = [name for key in keys.KEYS for name in key.keys.split(",")]
    assert len(used) == len(set(used))


def test_help_has_every_key():
    text = "\n".join(keys.help_lines())
    assert all(key.text in text and key.shown in text for key in keys.KEYS)


def look(feed, *pressed, size=(80, 24), then=lambda app: app):
    async def looked():
        async with looking(feed, size) as (app, pilot):
            await press(app, pilot, *pressed)
            return then(app)

    return asyncio.run(looked())


GOES = [(("2",), "top"), (("t",), "top"), (("3",), "drops"), (("g", "d"), "drops"), (("4",), "services"),
        (("5",), "dns"), (("g", "n"), "dns"),
        (("6",), "health"), (("g", "h"), "health"), (("c",), "conversations"), (("c", "c"), "flows"),
        (("4", "escape"), "flows"), (("g", "z"), "flows"), (("2", "g", "f"), "flows")]  # fmt: skip


@pytest.mark.parametrize(("pressed", "view"), GOES)
def test_keys_go_to_views(pressed, view):
    assert look(small(), *pressed, then=lambda app: app.shown) == view


@pytest.mark.parametrize("view", TITLES)
def test_it_begins_with_the_view_that_is_asked_for(view):
    async def looked():
        async with looking(small(), first=view) as (app, _):
            return app.shown, app.focused, app.view, screen(app)

    shown, focused, its, text = asyncio.run(looked())
    assert (shown, focused) == (view, its)
    assert TITLES[view] in text.splitlines()[0]


@pytest.mark.parametrize("view", TITLES)
def test_the_line_at_the_bottom_has_the_keys_of_its_view(view):
    hints = keys.hints(78, view)
    assert {"? help", "/ filter", "1-6 views", "q quit"} <= set(hints.split("  "))
    assert ("e explain" in hints) == (view in ("flows", "conversations", "drops"))
    assert ("s sort" in hints) == (view in ("top", "services"))
    assert len(hints) <= 78


def test_a_view_that_is_opened_while_the_picture_is_held_is_filled():
    assert "NETFILTER_DROP" in look(small(), "space", "3", then=screen)


MOVES = [(("k",), 7), (("k", "k", "j"), 7), (("g", "g"), 0), (("home", "j"), 1), (("pageup",), 0), (("home", "G"), 8),
         (("home", "right_curly_bracket"), 3), (("left_curly_bracket",), 7), (("left_square_bracket",), 0)]  # fmt: skip


@pytest.mark.parametrize(("pressed", "line"), MOVES)
def test_keys_move(pressed, line):
    assert look(small(), *pressed, then=lambda app: app.flows_view.chosen) == line


def test_pause_holds_the_picture_and_goes_on_counting():
    async def looked():
        feed = small()
        async with looking(feed) as (app, pilot):
            before = screen(app).splitlines()[4:-2]
            await press(app, pilot, "space")
            feed.ring.append(batch())
            app.tick()
            await press(app, pilot)
            held = screen(app).splitlines()
            await press(app, pilot, "space")
            return before, held, app.flows_view.count

    before, held, count = asyncio.run(looked())
    assert held[4:-2] == before
    assert "8 more flows, 3 bad" in held[-2]
    assert count == 9 + 8


def test_who_has_scrolled_stays_where_he_is_while_flows_come():
    async def looked():
        feed = feed_of(generate(5_000))
        async with looking(feed) as (app, pilot):
            await press(app, pilot, "pageup")
            before = screen(app).splitlines()[4:-2]
            feed.ring.append(generate(500, seed=3))
            app.tick()
            await press(app, pilot)
            return before, screen(app).splitlines()[4:-2]

    before, after = asyncio.run(looked())
    assert before == after


def test_a_line_of_drops_opens_the_flows_behind_it():
    app = look(small(), "3", "enter")
    assert app.shown == "flows"
    assert len(app.session.matches) == 3  # two drops, and the line of the loss
    assert app.session.question.terms


def test_explain_says_why():
    text = look(small(), "home", "j", "j", "j", "e", then=screen)
    assert text.splitlines()[0].startswith(" Why: 2d1c1d2e")
    assert "shop/web:40101" in text
    assert "NETFILTER_DROP" in text


COPIED = [("c", "rubin observe --follow"), ("l", "http://127.0.0.1:12000/flows"), ("j", '"verdict":"REDIRECTED"')]


@pytest.mark.parametrize(("letter", "text"), COPIED)
def test_what_is_copied(letter, text):
    assert text in look(small(), "y", letter, then=lambda app: app.clipboard)


def test_a_link_of_the_browser_opens_its_view():
    async def looked():
        async with looking(small()) as (app, pilot):
            app.action_link("http://127.0.0.1:12000/drops?to-port=5432&v.sel=x")
            await press(app, pilot)
            return app.shown, app.session.question.chips

    assert asyncio.run(looked()) == ("drops", "to-port=5432")


def test_letters_that_are_typed_are_no_keys():
    app = look(small(), "slash", "q", "3", "t")
    assert app.shown == "flows"


NAMED = {"/": "slash", "=": "equals_sign", "\r": "enter", "\x1b": "escape"}
TYPED_AHEAD = [
    ((*"/verdict=DROPPED", "\r"), "verdict=DROPPED", "flows", 2),
    ((*"/", "\x1b", *"gd"), "", "drops", 0),
    ((*"/", "\r", *"gn"), "", "dns", 0),
    ((*"3", "\r", *"gg"), "from-namespace=shop", "flows", 0),
]


@pytest.mark.parametrize(("typed", "chips", "view", "line"), TYPED_AHEAD)
def test_keys_that_are_read_all_at_once_mean_what_they_do_one_by_one(typed, chips, view, line):
    async def looked():
        async with looking(small()) as (app, pilot):
            await press(app, pilot, "3", "1")
            for character in typed:
                app.post_message(events.Key(NAMED.get(character, character), character))
            await press(app, pilot)
            return app.session.question.chips, app.shown, app.view.chosen

    found = asyncio.run(looked())
    assert found[0].startswith(chips)
    assert found[1:] == (view, line)


@pytest.mark.parametrize("size", [(20, 8), (40, 10), (80, 24), (300, 60)])
def test_a_storm_of_sizes_leaves_a_picture(size):
    async def looked():
        async with looking(small()) as (app, pilot):
            await press(app, pilot, "enter")
            for width in (200, 21, 79, 140, size[0]):
                await pilot.resize_terminal(width, size[1])
            await press(app, pilot)
            return screen(app)

    lines = asyncio.run(looked()).splitlines()
    assert len(lines) <= size[1]
    assert all(len(line) <= size[0] for line in lines)
