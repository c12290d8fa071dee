"""`rubin top` and `rubin trace` of what is said at this machine's sockets."""

import json

from tests.end_to_end.test_messages import HEAR_ALL, ask, shop
from tests.waiting import wait_for

__all__ = ["shop"]


def test_what_was_asked_is_put_together_and_told_in_full(start, shop):
    agent = start(flags=HEAR_ALL).wait_until_it_observes()
    ask(shop, "/items/1", "/items/2", "/missing", "/items/3")

    def top(*flags):
        lines = agent.rubin("top", "-o", "json", "--port", str(shop), *flags).splitlines()
        return [json.loads(line) for line in lines]

    items, missing = wait_for(lambda: (rows := top()) and sum(row["count"] for row in rows) == 4 and rows, "the rows")
    assert (items["method"], items["target"], items["count"], items["errors"]) == ("GET", "/items/*", 3, 0)
    assert (missing["target"], missing["count"], missing["errors"], missing["error"]) == ("/missing", 1, 1, "404")
    assert items["process"]["command"].startswith("python")
    assert 0 < items["p50_ns"] <= items["max_ns"]
    assert items["response_bytes"] > 3 * 1500
    assert [row["target"] for row in top("--http-status", "404")] == ["/missing"]
    flow = agent.observe("--last", "1", "-t", "l7", "--port", str(shop), "--http-status", "404")[0]
    exchange = json.loads(agent.rubin("trace", flow["uuid"], "-o", "json"))
    assert (exchange["target"], exchange["status"], exchange["response_uuid"]) == ("/missing", 404, flow["uuid"])
    assert exchange["server"]["process"]["command"].startswith("python")
    assert exchange["client"]["process"]["command"].startswith("python")
    assert exchange["client"]["process"]["pid"] != exchange["server"]["process"]["pid"]
    assert exchange["connection"]["connect_latency_us"] > 0
    text = agent.rubin("trace", exchange["request_uuid"])
    assert f"http GET http://127.0.0.1:{shop}/missing  404 in " in text


def test_what_both_ends_saw_is_one_request(start, pair):
    agent = start(flags=HEAR_ALL).wait_until_it_observes()
    pair.fetch()

    def both():
        flows = agent.observe("--last", "10", "-t", "l7", "--http-path", "^/small$", "--reply")
        return flows if len(flows) == 2 else None

    flows = wait_for(both, "the request at both ends")
    assert {flow["traffic_direction"] for flow in flows} == {"INGRESS", "EGRESS"}
    (row,) = [json.loads(line) for line in agent.rubin("top", "-o", "json", "--http-path", "^/small$").splitlines()]
    assert (row["count"], row["errors"], row["process"]["command"]) == (1, 0, "nginx")
    for flow in flows:
        exchange = json.loads(agent.rubin("trace", flow["uuid"], "-o", "json"))
        assert exchange["seen_at"] == ["client", "server"]
        assert exchange["client"]["process"]["command"] == "curl"
        assert exchange["server"]["process"]["command"] == "nginx"
