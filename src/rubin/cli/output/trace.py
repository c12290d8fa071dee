"""Requests in full, as text or as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rubin.model.messages import request, url
from rubin.model.tables import Process
from rubin.words.facts import process
from rubin.words.rcodes import rcode
from rubin.words.text import Palette, clean
from rubin.words.times import Clock
from rubin.words.units import BYTES, latency, scaled

Exchange = Mapping[str, Any]
_CLOCK = Clock("StampMilli")
_HTTP = ("http", "grpc")
_LEFT = 11


def text(found: Sequence[Exchange], output: str, paint: Palette) -> str:
    """`json`: an object a request; `text`: of several an overview, then each in full."""
    if output == "json":
        return "".join(f"{json.dumps(one, separators=(',', ':'))}\n" for one in found)
    blocks = ["\n".join(_block(one, paint)) + "\n" for one in found]
    if len(found) > 1:
        blocks.insert(0, "".join(f"{_line(one, found[0], paint)}\n" for one in found))
    return "\n".join(blocks)


def _line(one: Exchange, first: Exchange, paint: Palette) -> str:
    """`+1.2 ms  shop/web -> shop/db:5432  postgresql SELECT …  OK in 0.12 ms`, indented by who called whom."""
    after = latency(round((one["asked_ns"] - first["asked_ns"]) / 1000))
    ends = f"{paint.host(_called(one['client']))} -> {paint.host(_called(one['server'], port=True))}"
    return f"{'+' + after:>10}  {'  ' * one['depth']}{ends}  {_head(one, paint)}"


def _block(one: Exchange, paint: Palette) -> Iterator[str]:
    """The lines of one request."""
    indent = "  " * one["depth"]
    yield indent + _head(one, paint)
    for name, told in _told(one, paint):
        if told:
            yield f"{indent}  {name:<{_LEFT}}{told}"


def _told(one: Exchange, paint: Palette) -> Iterator[tuple[str, str]]:
    answered = one.get("answered_ns", 0)
    yield "asked", _moment(one["asked_ns"], one.get("request_bytes", 0), one.get("request_uuid", ""))
    yield "answered", _moment(answered, one.get("response_bytes", 0), one.get("response_uuid", "")) if answered else ""
    yield "client", _side(one["client"], paint)
    yield "server", _side(one["server"], paint)
    asked_for = one.get("asked_for")
    yield "asked for", clean(_end(asked_for["address"], asked_for["port"])) if asked_for else ""
    yield "node", "" if "ends" in one else clean(one.get("node", ""))
    yield "seen at", " and ".join(map(_seen, one["ends"])) if one.get("ends") else " and ".join(one["seen_at"])
    yield "trace id", clean(one.get("trace_id", ""))
    yield "version", clean(one.get("version", ""))
    yield "dns", clean(_dns(one.get("dns", {})))
    kind = "headers" if one["protocol"] in _HTTP else "attributes"
    for number, (name, value) in enumerate(one.get("attributes", ())):
        yield "" if number else kind, clean(f"{name}: {value}")
    yield "connection", _connection(one.get("connection", {}), paint)


def _seen(end: Mapping[str, Any]) -> str:
    """`client on node a in 6 ms`."""
    took = f" in {latency(round(end['latency_ns'] / 1000))}" if end.get("latency_ns") else ""
    return f"{end['end']} on node {clean(end.get('node', '')) or 'not known'}{took}"


def _head(one: Exchange, paint: Palette) -> str:
    """`http GET http://shop/pay  500 in 4 ms`."""
    target = one.get("target", "")
    if one["protocol"] in _HTTP:
        target = url(one.get("authority", ""), target, bool(one.get("secured")))
    asked = clean(request(one.get("method", ""), target))
    return f"{one['protocol']} {asked}  {_outcome(one, paint)}"


def _outcome(one: Exchange, paint: Palette) -> str:
    if not one.get("answered_ns"):
        return paint.bad("no answer")
    number = one.get("status", "")
    status = rcode(number) if number and one["protocol"] == "dns" else str(number)
    status = " ".join(filter(None, (status, clean(one.get("error", "")))))
    said = paint.bad(status or "failed") if one.get("failed") else paint.good(status or "OK")
    took = latency(round(one["latency_ns"] / 1000)) if one.get("latency_ns") else ""
    return f"{said} in {took}" if took else said


def _moment(time_ns: int, size: int, uuid: str) -> str:
    """`Nov 14 22:13:20.000  120 B  uuid`."""
    return "  ".join(filter(None, (_CLOCK.text(time_ns), scaled(size, 1024, BYTES) if size else "", clean(uuid))))


def _called(side: Mapping[str, Any], port: bool = False) -> str:
    name = clean(side.get("name") or side["address"])
    return _end(name, side.get("port", 0)) if port else name


def _end(name: str, port: int) -> str:
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}" if port else name


def _side(side: Mapping[str, Any], paint: Palette) -> str:
    """`shop/web  10.0.0.1:4000, Deployment/web, container web of nginx:1.25, curl/1234 www-data in cron.service`."""
    endpoint, name = side.get("endpoint", {}), clean(side.get("name", ""))
    where = clean(_end(side["address"], side.get("port", 0)))
    container = endpoint.get("container", {})
    image = f" of {container['image']}" if container.get("image") else ""
    parts = [f"{paint.host(name)}  {where}" if name else paint.host(where)]
    parts += [clean(f"{one.get('kind', '')}/{one.get('name', '')}") for one in endpoint.get("workloads", ())]
    parts.append(clean(f"container {container['name']}{image}") if container.get("name") else "")
    parts.append(clean(endpoint.get("unit", "")))
    parts.append(paint.identity(clean(process(Process(**side["process"])))) if "process" in side else "")
    return ", ".join(filter(None, parts))


def _dns(told: Mapping[str, Any]) -> str:
    """`192.0.2.7, alias b.example., TTL 60`."""
    ttl = f"TTL {told['ttl']}" if told.get("ttl") else ""
    return ", ".join(filter(None, (*told.get("ips", ()), *(f"alias {one}" for one in told.get("cnames", ())), ttl)))


def _connection(told: Mapping[str, Any], paint: Palette) -> str:
    """`connected in 0.25 ms, rtt 0.12 ms at the client, 2 resent, reset, dropped: NO_SOCKET`."""
    connected = told.get("connect_latency_us")
    parts = [f"connected in {latency(connected)}"] if connected else []
    parts += [f"rtt {latency(srtt_us)} at the {end}" for end, srtt_us in sorted(told.get("srtt_us", {}).items())]
    if told.get("retransmits"):
        parts.append(paint.notable(f"{told['retransmits']:,} resent"))
    if told.get("resets"):
        parts.append(paint.bad("reset"))
    parts += [paint.bad(clean(f"dropped: {reason}")) for reason in dict.fromkeys(told.get("drops", ()))]
    return ", ".join(parts)
