"""Why there is nothing to see: the first true cause, and what can be done about it."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

import numpy as np

from rubin.api.selection import compiled
from rubin.errors import RubinError, UsageError
from rubin.model.batch import FlowBatch, Lost
from rubin.model.enums import Verdict
from rubin.model.filter import Filters
from rubin.model.messages import NUMBERS
from rubin.query.picture import chosen
from rubin.store.ring import Ring
from rubin.ui.desk import Desk, filters_in, time_of
from rubin.ui.feed import FeedState
from rubin.ui.nearest import nearest
from rubin.words.terms import Term, asked_by_query, canonical, filters, query_of
from rubin.words.times import Clock, duration_ns

Answer = dict[str, Any]

_QUIET_NS = 10_000_000_000
_WINDOW_NS = 60_000_000_000
_TIMES = ("since", "until", "at", "window")
_LIVE = ("map", "flows")
"""Views of the last minute; the others are of all that is held."""
_SAID = ("services", "dns")
_NOT_LET_IN = ("not allowed to connect", "does not let you in", "client certificate")
"""How `api.trouble` says that somebody else might be let in."""
_HIDES = {
    "v.abnormal": "none of them dropped, failing or audited",
    "v.found": "none of them has what is looked for",
    "v.focus": "none of them is of the node in the focus",
}
"""What of a page's own state hides flows; it goes by being left out of the URL."""


class _Held(NamedTuple):
    """Flows of the time, those that the filters pass, of these the dropped, the heard, those of DNS; and losses."""

    inside: int = 0
    passed: int = 0
    dropped: int = 0
    heard: int = 0
    names: int = 0
    lost: int = 0
    place: str = ""


class _Question(NamedTuple):
    """What a page asks for. `rest`: its times and its own state."""

    terms: tuple[Term, ...]
    rest: Mapping[str, str]
    view: str
    since_ns: int
    until_ns: int

    def at(self, *, terms: tuple[Term, ...] | None = None, times: Mapping[str, str] | None = None) -> str:
        """The query of a page with other terms or another time."""
        kept = {name: self.rest[name] for name in _TIMES if self.rest.get(name)}
        told = urlencode(kept if times is None else times)
        return "&".join(filter(None, (query_of(canonical(self.terms if terms is None else terms)), told)))


async def diagnose(desk: Desk, query: str) -> Answer:
    """`cause`: "" where nothing is wrong; `sentence`: "" where nothing keeps flows from being seen; `way_on`, and a
    `remedy` to click, None where there is none. A remedy has a `label` and the `query` or the `path` to go to, or
    the `view` keys to leave out.
    """
    feed, state = desk.feed, desk.feed.state
    if state.phase != "following":
        return _not_connected(state)
    now_ns, own = desk.now_ns(), await _own(desk)
    if not desk.ring.held_flows or feed.newest_ns < now_ns - _QUIET_NS:
        if (attached := _not_attached(own)) is not None:
            return attached
        if not desk.ring.held_flows:
            way_on = "open a connection on the machine that is observed"
            return _told("no-events", "the server is there, and has seen no flow yet", way_on, _HEALTH)
    asked = _question(desk, query, now_ns)
    held = await desk.look(_counted, desk.ring, filters_in(query), asked.since_ns, asked.until_ns)
    if not held.inside:
        return _lost(held) if held.lost else _no_time(desk, asked, now_ns)
    if not held.passed:
        return await desk.look(_excluded, desk.ring, asked, held.inside)
    return _hidden(asked, held) or _of_view(asked, held, own, state.is_file)


def _told(cause: str, sentence: str, way_on: str, remedy: Answer | None = None) -> Answer:
    return {"cause": cause, "sentence": sentence, "way_on": way_on, "remedy": remedy}


def _query(label: str, query: str) -> Answer:
    return {"label": label, "query": query}


_HEALTH: Answer = {"label": "Health", "path": "/health"}


def _question(desk: Desk, query: str, now_ns: int) -> _Question:
    """As the pages look: live views at the last minute, lists at all that is held. Raises UsageError."""
    asked = asked_by_query(query)
    rest = dict(asked.rest)
    view = rest.get("view", "")
    usual_ns = now_ns - _WINDOW_NS if view in _LIVE or not view else desk.feed.oldest_ns()
    since_ns, until_ns, at_ns = (time_of(name, rest.get(name, ""), now_ns) for name in ("since", "until", "at"))
    if at_ns is not None:
        since_ns, until_ns = at_ns - _window_ns(rest.get("window", "")), at_ns
    return _Question(
        asked.terms, rest, view, usual_ns if since_ns is None else since_ns, now_ns if until_ns is None else until_ns
    )


def _window_ns(text: str) -> int:
    try:
        return duration_ns(text) if text else _WINDOW_NS
    except ValueError as error:
        raise UsageError(f"window '{text[:40]}' is no duration", "60s, 5m or 1h30m") from error


async def _own(desk: Desk) -> Answer:
    """What our agent says of itself; {} where it is not ours, or says nothing now."""
    try:
        return await desk.ask(lambda client: client.agent_status()) if desk.feed.state.is_ours else {}
    except RubinError:
        return {}


def _not_connected(state: FeedState) -> Answer:
    sentence = state.sentence or f"connecting to {state.target}"
    cause = "no-permission" if any(words in sentence for words in _NOT_LET_IN) else "not-connected"
    return _told(cause, sentence, state.way_on or "it is tried again and again")


def _not_attached(own: Answer) -> Answer | None:
    """The agent runs and observes nothing; None where it does, or is not ours."""
    kernel = own.get("kernel")
    if not isinstance(kernel, dict) or kernel.get("attached"):
        return None
    refused = [f"{name}: {why}" for name, why in dict(kernel.get("refused") or {}).items()]
    missing = refused + [str(one) for one in kernel.get("missing", [])]
    sentence = "the agent runs, and is attached to nothing" + (f": {missing[0]}" if missing else "")
    return _told("not-attached", sentence, "rubin status says all that is missing", _HEALTH)


def _counted(ring: Ring, wanted: Filters | None, since_ns: int, until_ns: int) -> _Held:
    """What is held of the time."""
    sums, lost = np.zeros(5, np.int64), list[Lost]()
    for view in ring.scan(since_ns=since_ns, until_ns=until_ns):
        lost += [one for one in view.lost if since_ns <= one.time_ns <= until_ns]
        of_time = chosen(view.without_lost(), None, since_ns, until_ns)
        passed = chosen(of_time, wanted, None, None)
        sums += (len(of_time), len(passed), *_kinds(passed))
    most = max(lost, key=lambda one: one.events, default=None)
    of = dict(zip(_Held._fields, map(int, sums), strict=False))
    place = (most.place or most.source.name) if most else ""
    return _Held(**of, lost=sum(one.events for one in lost), place=place)


def _kinds(passed: FlowBatch) -> tuple[int, int, int]:
    """How many are dropped, have something that was said, and of DNS."""
    said = passed["message"][passed["message"] > 0]
    dns = passed.tables.messages.rows(said)["protocol"] == NUMBERS["dns"] if len(said) else said
    return int((passed["verdict"] == Verdict.DROPPED).sum()), len(said), int(dns.sum())


def _lost(held: _Held) -> Answer:
    sentence = f"no flow of this time is held, and {held.lost:,} events were lost, most at {held.place}"
    return _told("lost", sentence, "fewer events: --monitor-aggregation medium; Health says where they go", _HEALTH)


def _no_time(desk: Desk, asked: _Question, now_ns: int) -> Answer:
    """Flows are held, and none of the time that is looked at."""
    oldest_ns, newest_ns = desk.feed.oldest_ns(), desk.feed.newest_ns
    if asked.until_ns < oldest_ns:
        sentence = f"nothing so old is held: the oldest flow is of {_moment(oldest_ns, now_ns)}"
        first = _span(oldest_ns, oldest_ns + _WINDOW_NS)
        return _told(
            "outside-retention", sentence, "a later time", _query("the oldest that is held", asked.at(times=first))
        )
    if not asked.rest.get("until") and not asked.rest.get("at"):
        sentence = f"no flow has come for {max(0, now_ns - newest_ns) / 1e9:,.0f} s"
        last = _span(max(oldest_ns, newest_ns - _WINDOW_NS), newest_ns)
        return _told("no-events", sentence, "what came before", _query("show the last flows", asked.at(times=last)))
    sentence = f"no flow is held between {_moment(asked.since_ns, now_ns)} and {_moment(asked.until_ns, now_ns)}"
    return _told("outside-retention", sentence, "another time", _query("now", asked.at(times={})))


def _span(since_ns: int, until_ns: int) -> dict[str, str]:
    """Of a page: whole milliseconds that hold both ends."""
    clock = Clock("RFC3339Milli")
    return {"since": clock.text(since_ns), "until": clock.text(math.ceil(until_ns / 1e6) * 1_000_000 + 1_000_000)}


def _moment(time_ns: int, now_ns: int) -> str:
    """For a person: the day only where it is another one."""
    moment, now = (datetime.fromtimestamp(ns / 1e9, UTC) for ns in (time_ns, now_ns))
    return f"{moment:%H:%M:%S} UTC" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _excluded(ring: Ring, asked: _Question, inside: int) -> Answer:
    """Flows come, and the filter passes none: the one term without which there would be some, and the nearest name."""
    for term in asked.terms:
        left = canonical(one for one in asked.terms if one != term)
        if left and not _passed(ring, left, asked):
            continue
        sentence = f"{inside:,} flows are there, none of them with {term.chip}"
        if near := "" if term.negated else nearest(ring, term):
            other = tuple(Term(one.name, near, one.negated) if one == term else one for one in asked.terms)
            remedy = _query(f"take {near}", asked.at(terms=other))
            return _told("all-excluded", f"{sentence}; the nearest name is {near}", f"{term.name}={near}", remedy)
        return _told("all-excluded", sentence, "leave it out", _query(f"remove {term.chip}", asked.at(terms=left)))
    sentence = f"{inside:,} flows are there, none of them passes all filters"
    return _told("all-excluded", sentence, "leave them out", _query("remove all filters", asked.at(terms=())))


def _passed(ring: Ring, terms: tuple[Term, ...], asked: _Question) -> int:
    return _counted(ring, compiled(*filters(terms)), asked.since_ns, asked.until_ns).passed


def _hidden(asked: _Question, held: _Held) -> Answer | None:
    """What the page itself leaves out."""
    for name, words in _HIDES.items():
        if asked.rest.get(name):
            remedy = {"label": "show all of them", "view": [name.removeprefix("v.")]}
            return _told("hidden-by-view", f"{held.passed:,} flows are there, {words}", "show all of them", remedy)
    return None


def _of_view(asked: _Question, held: _Held, own: Answer, is_file: bool) -> Answer:
    """Flows are there, and the view is of some kind of them only."""
    if asked.view in _SAID and not held.heard:
        return _nothing_heard(asked, held, own, is_file)
    if asked.view == "dns" and not held.names:
        return _told("", f"no name was asked for in {held.passed:,} flows", "")
    if asked.view == "drops":
        return _told("", f"none of {held.passed:,} flows was dropped", "")
    if held.lost:
        sentence = f"{held.lost:,} events were lost before they came here, most at {held.place}"
        return _told("lost", sentence, "Health says where", _HEALTH)
    return _told("", "", "")  # nothing keeps them from being shown: they come


def _nothing_heard(asked: _Question, held: _Held, own: Answer, is_file: bool) -> Answer:
    """There are packets, and nothing of what they said was read."""
    ports = ", ".join(one.value for one in asked.terms if one.name.endswith("port") and not one.negated)
    where = f" of port {ports}" if ports else ""
    sentence = f"{held.passed:,} flows{where} are there, and nothing of what they said was read"
    said = own.get("messages", {})
    if "messages" in own and not said:
        sentence, way_on = f"{sentence}: the agent was told not to", "rubin agent without --messages=false"
    elif is_file:
        way_on = "the file has what its packets or its agent told"
    elif not own:
        way_on = "a Hubble server tells requests only where a policy of layer 7 applies"
    elif said.get("tls_libraries_refused"):
        way_on = f"{int(said['tls_libraries_refused']):,} TLS libraries cannot be read; rubin status says more"
    else:
        way_on = "its protocol is not known, or it is encrypted by a library that is not known"
    return _told("not-read", sentence, way_on, {"label": "show the flows", "path": f"/flows?{asked.at()}"})
