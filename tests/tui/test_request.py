"""A request with its answer, in full: of either of its flows, and what is no request says so."""

import asyncio

import pytest

from rubin.words.terms import Term
from tests.asked import shop
from tests.tui.looking import check, following, looking, press, screen, small

PAY = (Term("http-status", "503"),)


def look(tmp_path, terms, *pressed, size=(100, 30)):
    async def looked(feed, follows):
        async with looking(feed, size, terms, following=follows) as (app, pilot):
            await press(app, pilot, *pressed)
            return screen(app)

    with following(shop(), tmp_path, 91) as (feed, follows):
        return asyncio.run(looked(feed, follows))


def test_request_and_answer_stand_on_one_page(tmp_path):
    check("request", look(tmp_path, PAY, "r"))


def test_of_the_flow_that_asks_it_is_the_same(tmp_path):
    def page(text):
        return text.splitlines()[1:]

    asked = look(tmp_path, (Term("http-path", "/pay"), Term("from-port", "4001")), "r")
    assert page(asked) == page(look(tmp_path, PAY, "r"))


def test_a_request_that_nobody_answered_says_so(tmp_path):
    text = look(tmp_path, (Term("from-port", "4002"),), "r")
    assert "GET http://shop/pay  no answer" in text


def test_it_stands_among_what_went_wrong(tmp_path):
    text = look(tmp_path, (Term("http-path", "/pay"),), "exclamation_mark")
    assert "2 flows" in text  # the answer that failed, and the request that has none


@pytest.mark.parametrize("key", ["escape", "q", "r"])
def test_the_page_is_left_again(tmp_path, key):
    assert "Request:" not in look(tmp_path, PAY, "r", key)


def test_what_is_no_request_says_so():
    async def looked():
        async with looking(small()) as (app, pilot):
            await press(app, pilot, "home", "r")
            of_flow = screen(app)
            await press(app, pilot, "3", "r")
            return of_flow, screen(app)

    of_flow, of_line = asyncio.run(looked())
    assert "this flow is no request and no answer" in of_flow
    assert "this line is no flow" in of_line
