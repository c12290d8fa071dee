"""Why there is nothing to see: the first true cause, and what can be done about it."""

import difflib
from typing import Any

from rubin.api.selection import compiled
from rubin.model.filter import Filters
from rubin.query.picture import chosen
from rubin.store.ring import Ring
from rubin.ui.desk import Desk, filters_in, rest_of, time_of
from rubin.words.terms import Term, asked_by_query, canonical, filters, query_of
from rubin.words.times import Clock

Answer = dict[str, Any]

_QUIET_NS = 10_000_000_000
_WINDOW_NS = 60_000_000_000
_MOST_ROWS = 200_000
_NAMED = ("namespace", "pod", "workload", "service", "process", "fqdn")


async def diagnose(desk: Desk, query: str) -> Answer:
    """`cause`: "" where nothing is wrong; `sentence`, `way_on`, and a `remedy` to click, None where there is none."""
    feed, state = desk.feed, desk.feed.state
    if state.phase != "following":
        sentence = state.sentence or f"connecting to {state.target}"
        return _told("not-connected", sentence, state.way_on or "it is tried again and again")
    now_ns, held = desk.now_ns(), desk.ring.held_flows
    if not held or feed.newest_ns < now_ns - _QUIET_NS:
        own = await desk.ask(lambda client: client.agent_status()) if state.is_ours else {}
        if (attached := _not_attached(own)) is not None:
            return attached
        if not held:
            way_on = "open a connection on the machine that is observed"
            return _told("no-events", "the server is there, and has seen no flow yet", way_on)
    rest = rest_of(query)
    since_ns, until_ns = _span(rest, now_ns)
    wanted = filters_in(query)
    inside, passed = await desk.look(_counted, desk.ring, wanted, since_ns, until_ns)
    if not inside:
        return _no_time(desk, rest, since_ns, until_ns, now_ns)
    if not passed:
        return await desk.look(_excluded, desk.ring, query, inside, since_ns, until_ns)
    if rest.get("v.abnormal") in ("1", "true"):
        sentence = f"{passed:,} flows are there, none of them dropped or failing"
        return _told("hidden-by-view", sentence, "show all of them", _query("show all", _without(query, "v.abnormal")))
    if feed.lost:
        sentence = f"{feed.lost:,} events were lost before they came here"
        return _told("lost", sentence, "Health says where", _path("Health", "/health"))
    return _told("", f"{passed:,} flows", "")


def _told(cause: str, sentence: str, way_on: str, remedy: Answer | None = None) -> Answer:
    return {"cause": cause, "sentence": sentence, "way_on": way_on, "remedy": remedy}


def _query(label: str, query: str) -> Answer:
    return {"label": label, "query": query}


def _path(label: str, path: str) -> Answer:
    return {"label": label, "path": path}


def _not_attached(own: Answer) -> Answer | None:
    """The agent runs and observes nothing; None where it does, or is not ours."""
    kernel = own.get("kernel")
    if not isinstance(kernel, dict) or kernel.get("attached"):
        return None
    missing = [str(one) for one in kernel.get("missing", [])]
    sentence = "the agent runs, and is attached to nothing" + (f": {missing[0]}" if missing else "")
    return _told("not-attached", sentence, "rubin status says what is missing", _path("Health", "/health"))


def _span(rest: dict[str, str], now_ns: int) -> tuple[int, int]:
    """The time that is looked at."""
    since_ns, until_ns, at_ns = (time_of(name, rest.get(name, ""), now_ns) for name in ("since", "until", "at"))
    if at_ns is not None:
        return at_ns - _WINDOW_NS, at_ns
    return now_ns - _WINDOW_NS if since_ns is None else since_ns, now_ns if until_ns is None else until_ns


def _counted(ring: Ring, wanted: Filters | None, since_ns: int, until_ns: int) -> tuple[int, int]:
    """How many flows of the time are held, and how many of them the filters pass."""
    inside = passed = 0
    for view in ring.scan(since_ns=since_ns, until_ns=until_ns):
        of_time = chosen(view, None, since_ns, until_ns)
        inside += len(of_time)
        passed += len(chosen(of_time, wanted, None, None))
    return inside, passed


def _no_time(desk: Desk, rest: dict[str, str], since_ns: int, until_ns: int, now_ns: int) -> Answer:
    oldest_ns, clock = desk.feed.oldest_ns(), Clock("RFC3339")
    if until_ns < oldest_ns:
        sentence = f"the oldest flow that is held is of {clock.text(oldest_ns)}"
        return _told(
            "outside-retention", sentence, "a later time", _query("go there", f"since={oldest_ns // 1_000_000}")
        )
    ago = max(0, now_ns - desk.feed.newest_ns) / 1e9
    if not rest.get("until") and not rest.get("at"):
        sentence = f"no flow has come for {ago:,.0f} s"
        since = f"since={max(oldest_ns, desk.feed.newest_ns - _WINDOW_NS) // 1_000_000}"
        return _told("no-events", sentence, "look at what came before", _query("show the last flows", since))
    text = f"no flow is held between {clock.text(since_ns)} and {clock.text(until_ns)}"
    return _told("outside-retention", text, "another time", _query("now", ""))


def _excluded(ring: Ring, query: str, inside: int, since_ns: int, until_ns: int) -> Answer:
    """Flows come, and the filter passes none: the one term without which there would be some, and the nearest name."""
    asked = asked_by_query(query).terms
    for term in asked:
        left = canonical(one for one in asked if one != term)
        if not left or _counted_of(ring, left, since_ns, until_ns):
            sentence = f"{inside:,} flows are there, none of them with {term.chip}"
            near = "" if term.negated else _nearest(ring, term)
            if near:
                other = canonical(Term(one.name, near, one.negated) if one == term else one for one in asked)
                remedy = _query(f"take {near}", query_of(other))
                return _told("all-excluded", f"{sentence}; the nearest name is {near}", f"{term.name}={near}", remedy)
            return _told("all-excluded", sentence, "leave it out", _query(f"remove {term.chip}", query_of(left)))
    sentence = f"{inside:,} flows are there, none of them passes all filters"
    return _told("all-excluded", sentence, "leave them out", _query("remove all filters", ""))


def _counted_of(ring: Ring, terms: tuple[Term, ...], since_ns: int, until_ns: int) -> int:
    return _counted(ring, compiled(*filters(terms)), since_ns, until_ns)[1]


def _nearest(ring: Ring, term: Term) -> str:
    """A name that is held and looks like the one asked for; "" where there is none, or it is no name."""
    kind = term.name.removeprefix("from-").removeprefix("to-")
    if kind not in _NAMED:
        return ""
    names: set[str] = set()
    for tables in {id(view.tables): view.tables for view in ring.scan(as_stored=True) if len(view)}.values():
        if kind == "process":
            names |= {process.command for process in tables.processes.rows[:_MOST_ROWS]}
            continue
        for one in tables.endpoints.rows[:_MOST_ROWS]:
            names |= {
                "namespace": {one.namespace},
                "pod": {f"{one.namespace}/{one.pod_name}" if one.pod_name else ""},
                "service": {f"{one.service.namespace}/{one.service.name}" if one.service.name else ""},
                "workload": {workload.name for workload in one.workloads},
                "fqdn": {name.rstrip(".") for name in one.names},
            }[kind]
    found = difflib.get_close_matches(term.value, sorted(names - {"", term.value}), 1)
    return found[0] if found else ""


def _without(query: str, name: str) -> str:
    """The filters of a query alone: what is not about flows goes."""
    asked = asked_by_query(query)
    rest = "&".join(f"{key}={value}" for key, value in asked.rest if key != name)
    return "&".join(filter(None, (query_of(canonical(asked.terms)), rest)))
