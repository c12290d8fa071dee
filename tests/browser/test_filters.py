"""Filters in the bar, in the URL and on the command line are the same."""

import re
from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watched


def test_a_command_that_is_pasted_becomes_chips_and_the_url(watched: Watched):
    page = watched.open("/flows")
    page.keyboard.press("/")
    page.keyboard.insert_text("hubble observe -n shop --not --to-port 53 --verdict FORWARDED")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"namespace=shop"))
    expect(page).to_have_url(re.compile(r"not\.to-port=53"))
    expect(page.locator(".filter-bar")).to_contain_text("not to-port=53")
    expect(page.locator("body")).to_contain_text("rubin observe --namespace shop")


def test_a_bad_filter_says_so_and_leaves_the_last_good_one(watched: Watched):
    page = watched.open("/flows?to-port=5432")
    page.keyboard.press("/")
    page.keyboard.insert_text("to-prt=1")
    page.keyboard.press("Enter")
    expect(page.locator(".filter-bar").get_by_role("alert")).to_be_visible()
    assert "to-port=5432" in page.url
    watched.wrong[:] = [one for one in watched.wrong if "status of 400" not in one]  # the browser's own note of it


def test_back_and_forward_step_through_filters(watched: Watched):
    page = watched.open("/flows?to-port=5432")
    page.keyboard.press("/")
    page.keyboard.insert_text("verdict=DROPPED")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("verdict=DROPPED"))
    page.go_back()
    expect(page.locator(".filter-bar")).not_to_contain_text("verdict=DROPPED")
    page.go_forward()
    expect(page.locator(".filter-bar")).to_contain_text("verdict=DROPPED")


def test_what_no_filter_is_called_stays_in_the_url(watched: Watched):
    page = watched.open("/flows?to-port=53&v.of-a-later-version=1")
    expect(page.locator("section.flows")).to_contain_text("coredns")
    assert "v.of-a-later-version=1" in page.url


def test_nothing_that_is_shown_says_why_and_what_to_do(watched: Watched):
    page = watched.open("/flows?namespace=shopp")
    expect(page.locator(".empty")).to_contain_text("shop")


@pytest.mark.parametrize(
    ("held", "term"), [("Shift", r"not\.from-pod=shop/catalog"), ("Alt", r"\bfrom-pod=shop/catalog")]
)
def test_a_click_on_who_talks_leaves_him_out_or_him_alone(watched: Watched, held: Literal["Shift", "Alt"], term: str):
    page = watched.open("/flows?to-port=5432")
    expect(page.locator("section.flows")).to_contain_text("shop/catalog")
    page.keyboard.press("Space")
    cell = page.locator("section.flows [role=gridcell]", has_text=re.compile("^shop/catalog")).last
    cell.click(modifiers=[held])
    expect(page).to_have_url(re.compile(term))
