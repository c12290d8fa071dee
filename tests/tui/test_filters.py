"""The filter line: what is typed, completed, undone, included and left out; and the same rows as `rubin observe`."""

import asyncio
import json
from uuid import UUID

import pytest

from rubin.errors import UsageError
from rubin.store.ring import Ring
from rubin.ui.terminal.typed import Question, completion, made, read
from rubin.words.terms import Term
from tests.flows import generate
from tests.tui.looking import following, looking, press, screen, settled, small

TYPED = [
    ("", "", "rubin observe --follow"),
    ("verdict=DROPPED", "verdict=DROPPED", "rubin observe --verdict DROPPED --follow"),
    ("not to-port=53", "not to-port=53", "rubin observe --not --to-port 53 --follow"),
    ("hubble observe -n shop --port 80 -f", "port=80 namespace=shop", "rubin observe -n shop"),
    ("rubin observe --verdict DROPPED --since 5m", "verdict=DROPPED since=5m", ""),
    ("http://127.0.0.1:12000/flows?to-port=443&v.scope=pod", "to-port=443", ""),
    ("8443", "port=8443", ""),
    ("10.0.0.0/8", "ip=10.0.0.0/8", ""),
    ("dropped", "verdict=DROPPED", ""),
]


@pytest.mark.parametrize(("text", "chips", "command"), TYPED)
def test_what_is_typed_is_understood(text, chips, command):
    question = read(text, small().ring)
    assert set(question.chips.split()) == set(chips.split())
    if command.endswith("--follow"):
        assert question.command() == command


@pytest.mark.parametrize("terms", [(), (Term("verdict", "DROPPED"), Term("to-port", "53", True)), (Term("encrypted"),)])
def test_chips_links_and_commands_can_be_typed_again(terms):
    ring = small().ring
    question = made(terms, since="5m")
    for text in (question.chips, question.command(), f"/flows?{question.query}"):
        again = read(text, ring)
        assert set(again.terms) == set(terms)
        assert again.since == "5m"


def test_a_value_with_blanks_can_be_typed_again():
    question = made([Term("label", "tier in (front, back)", True)])
    assert read(question.chips, small().ring) == question


def test_a_chip_that_goes_with_no_other_is_refused():
    with pytest.raises(UsageError):
        Question((Term("ip", "10.0.0.1"),)).with_terms([Term("fqdn", "a.example")])


COMPLETED = [
    ("to-po", "to-pod"),
    ("verdict=DRO", "verdict=DROPPED"),
    ("port=1 not to-pod=shop/w", "port=1 not to-pod=shop/web"),
    ("namespace=sh", "namespace=shop"),
    ("verdict=", "verdict=FORWARDED"),
    ("zzz", ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "whole"), COMPLETED)
def test_the_last_word_is_completed(text, whole):
    assert completion(text, ["shop/web", "data/orders"]) == whole


def test_the_last_good_filter_stays_while_a_bad_one_is_typed():
    async def looked():
        async with looking(small()) as (app, pilot):
            await press(app, pilot, "slash", *"verdict", "equals_sign", *"DROPPED", "enter")
            good = app.session.question
            await press(app, pilot, "slash", *"x", "equals_sign", *"1", "enter")
            while_bad, lines = app.session.question, screen(app).splitlines()
            await press(app, pilot, "escape")
            return good, while_bad, lines, app.session.question, screen(app).splitlines()

    good, while_bad, lines, after, text = asyncio.run(looked())
    assert good.chips == while_bad.chips == after.chips == "verdict=DROPPED"
    assert "does not exist" in lines[2]
    assert text[2] == " $ rubin observe --verdict DROPPED --follow"


def test_undo_goes_back_one_filter_after_the_other():
    async def looked():
        async with looking(small()) as (app, pilot):
            seen = []
            for value in ("40100", "40101"):
                await press(app, pilot, "slash", "end", "ctrl+u", *f"port {value}".replace("port ", ""), "enter")
                seen.append(app.session.question.chips)
            for _ in range(3):
                await press(app, pilot, "u")
                seen.append(app.session.question.chips)
            return seen

    assert asyncio.run(looked()) == ["port=40100", "port=40101", "port=40100", "", ""]


@pytest.mark.parametrize(("key", "chips"), [("o", "verdict=DROPPED"), ("x", "not verdict=DROPPED")])
def test_a_value_is_included_or_left_out(key, chips):
    async def looked():
        async with looking(small()) as (app, pilot):
            await press(app, pilot, "k", "k", "k", "k", "enter", "j", key)
            return app.session.question.chips, len(app.session.matches)

    found, count = asyncio.run(looked())
    assert found == chips
    assert count == {"o": 2, "x": 6}[key] + 1  # and the line of the loss


FILTERS = [
    [],
    ["--verdict", "DROPPED"],
    ["--not", "--verdict", "DROPPED"],
    ["--to-port", "443", "--to-port", "53"],
    ["--port", "80", "--namespace", "shop"],
    ["--from-pod", "default/app-0"],
    ["--protocol", "udp"],
    ["--ip", "10.0.0.0/25"],
    ["--label", "app=app-3"],
    ["--process", "app-7"],
    ["--reply", "--traffic-direction", "egress"],
    ["--tcp-flags", "SYN"],
    ["--kernel-drop-reason", "NO_SOCKET"],
    ["--workload", "Deployment/app-11", "--not", "--port", "80"],
]


def test_the_rows_are_those_of_rubin_observe(tmp_path, capsys):
    """For each filter, through a real server."""
    from rubin.cli.main import main

    ring = Ring()
    ring.append(generate(3_000, endpoints=60, pairs=200))

    async def looked(feed, follows):
        found = []
        async with looking(feed, (120, 40), following=follows) as (app, pilot):
            for words in FILTERS:
                app.ask_for(read(f"rubin observe {' '.join(words)}", feed.ring))
                await settled(app, pilot)
                rows = app.session.matches.flows(app.session.matches.lines)
                pairs = zip(rows["uuid_high"].tolist(), rows["uuid_low"].tolist(), strict=True)
                found.append([str(UUID(int=high << 64 | low)) for high, low in pairs])
        return found

    with following(ring, tmp_path, 3_000) as (feed, follows):
        seen = asyncio.run(looked(feed, follows))
        for words, uuids in zip(FILTERS, seen, strict=True):
            main(["observe", "--server", f"unix://{tmp_path}/s", "--all", "-o", "json", *words])
            lines = capsys.readouterr().out.splitlines()
            assert [json.loads(line)["flow"]["uuid"] for line in lines] == uuids, words
            assert uuids, words


def test_what_is_typed_fast_goes_into_the_line():
    """All keys at once, as a terminal hands on what was pasted."""

    async def looked():
        async with looking(small()) as (app, pilot):
            await pilot.press("slash", *"verdict", "equals_sign", *"DROPPED", "enter")
            await settled(app, pilot)
            return app.shown, app.session.question.chips

    assert asyncio.run(looked()) == ("flows", "verdict=DROPPED")
