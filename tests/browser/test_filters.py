"""Filters in the bar, in the URL and on the command line are the same, and show the same flows."""

import re
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watched
from tests.browser.stage import Stage
from tests.waiting import wait_for

# Every kind of filter that the shop's traffic has something for.
FILTERS = (
    "",
    "--verdict DROPPED",
    "--verdict FORWARDED",
    "--not --verdict FORWARDED",
    "-n shop",
    "-n kube-system",
    "--from-namespace shop --to-namespace kube-system",
    "--not --namespace shop",
    "--pod shop/web",
    "--from-pod shop/cart --to-pod shop/payments",
    "--pod /coredns",
    "--workload Deployment/catalog",
    "--to-workload postgres",
    "--label app=redis",
    "--from-label app=web",
    "--label !app",
    "--to-port 443 --to-port 8443",
    "--from-port 53",
    "--port 5432",
    "--not --port 53",
    "--protocol tcp",
    "--protocol udp",
    "--protocol http",
    "--protocol dns",
    "--protocol postgresql",
    "--ip 203.0.113.7",
    "--ip 10.0.0.0/16",
    "--to-ip 198.51.100.0/24",
    "--fqdn *.stripe.example",
    "--type l7",
    "--type drop",
    "--type trace:to-endpoint",
    "--http-status 5+",
    "--http-method GET",
    "--http-path ^/items",
    "--dns-query mial",
    "--reply",
    "--not-reply --protocol tcp",
    "--tcp-flags SYN",
    "--traffic-direction egress",
    "--identity 1004",
    "--process nginx",
    "--kernel-drop-reason NETFILTER_DROP",
    "--cel-expression _flow.verdict==Verdict.DROPPED",
    "--node-name node-1 --ipv4",
)


@pytest.fixture(scope="module")
def still(stage: Stage):
    """The shop stands still, so that all who look see the same."""
    stage.pause()
    wait_for(stage.is_all_seen, "the UI to have seen everything")
    yield stage
    stage.resume()


def uuids(lines: list[dict[str, Any]]) -> list[str]:
    return [one["flow"]["uuid"] for one in lines if "flow" in one]


@pytest.mark.parametrize("flags", FILTERS)
def test_the_ui_and_the_command_line_show_the_same_flows(still: Stage, flags: str):
    asked = still.get(f"/api/v1/parse?text={quote(f'rubin observe {flags}')}")
    told = still.lines(f"/api/v1/flows?{asked['query']}&last=200")
    printed = still.observe("--last", "200", *flags.split())
    assert uuids(told) == uuids(printed)
    assert uuids(told) or flags == "--label !app"


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
