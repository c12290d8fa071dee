"""Since when it is so, whom else it hits, and what is usual between the two."""

from collections.abc import Iterator

from rubin.query.explaining.case import Case, Mask
from rubin.query.explaining.history import ANSWER, GOOD, LOST, OPENED, PAIR, RESET, TOWARD, History, distinct
from rubin.query.explaining.phrases import counted, each_minute, listed, moment, quantiles, share, span
from rubin.words import facts

_NOUNS = {
    "dropped": "such drop",
    "refused": "such refusal",
    "reset": "such reset",
    "unanswered": "unanswered SYN",
    "failed": "such answer",
}


def since(case: Case, history: History) -> Iterator[str]:
    """The first of its kind, how often, what was before and what is now."""
    held = f"The ring reaches back to {moment(history.oldest_ns)}"
    alike = history.alike()
    if case.kind not in _NOUNS or not alike.any():
        yield from _first_seen(case, history)
        yield f"{held}."
        return
    first_ns, last_ns, count = history.first_ns(alike), history.last_ns(alike), int(alike.sum())
    rate = each_minute(count, last_ns - first_ns)
    often = f", {counted(count, _NOUNS[case.kind])} until {moment(last_ns)}{f' ({rate})' if rate else ''}"
    yield f"First seen at {moment(first_ns)}{often if count > 1 else ', the only one'}."
    if first_ns - history.oldest_ns < 1_000_000_000:
        yield f"{held}: it may have begun before."
    else:
        yield f"{held}; there was none before the first."
    yield from _before_and_after(case, history, first_ns, last_ns)


def _first_seen(case: Case, history: History) -> Iterator[str]:
    pair = history.mask(PAIR)
    if pair.any():
        since = f"; {case.counted(history.connections(pair))} since" if case.server.port else ""
        yield f"The first flow of this client to {case.server.text} is of {moment(history.first_ns(pair))}{since}."


def _before_and_after(case: Case, history: History, first_ns: int, last_ns: int) -> Iterator[str]:
    """When it worked: for this client, else for anybody."""
    works = history.mask(GOOD if case.kind == "failed" else OPENED if case.is_tcp else ANSWER)
    where = case.server.text
    for whose, rows in (("this client", works & history.mask(PAIR)), ("others", works & ~history.mask(PAIR))):
        before = history.last_ns(rows & (history.times_ns < first_ns))
        between = history.connections(rows & (history.times_ns >= first_ns) & (history.times_ns <= last_ns))
        after = history.last_ns(rows & (history.times_ns > last_ns))
        if before:
            changed = f"; the change came within the {span(first_ns - before)} after" * (not between and not after)
            yield f"Before that it worked for {whose}: {where} answered, last at {moment(before)}{changed}."
        if between:
            count = case.counted(between)
            yield f"Meanwhile it worked for {whose}, too ({count}): it comes and goes, or hits only some."
        if after:
            yield f"Since then it has worked for {whose}, last at {moment(after)}."
    if not works.any():
        what = "good answer of" if case.kind == "failed" else "working connection to"
        yield f"No {what} {where} is held, neither before nor after."


def affected(case: Case, history: History) -> Iterator[str]:
    """How many share its fate, and who they are."""
    alike = history.alike()
    if case.kind not in _NOUNS or not alike.any():
        yield "Nothing went wrong with it that others could share." if case.kind == "forwarded" else _answers(history)
        if lost := int(history.mask(LOST).sum()):
            show = f"rubin observe --verdict DROPPED{f' --port {case.server.port}' * bool(case.server.port)}"
            yield f"Dropped flows to or from {case.server.text}: {lost:,}; {show} shows them."
        return
    clients, sockets = len(distinct(history.clients[alike])), history.connections(alike)
    where = f"for the same reason, to {case.server.text}" if case.kind == "dropped" else f"at {case.server.text}"
    ports = case.counted(sockets)
    yield f"{counted(int(alike.sum()), _NOUNS[case.kind])} {where}: {counted(clients, 'client')}, {ports}."
    if case.kind == "failed":
        yield f"Good answers of it that are held beside these: {int(history.mask(GOOD).sum()):,}."
        return
    whole = history.connections(history.mask(TOWARD) | alike)
    yield f"That is {share(sockets, whole)} of what asked {case.server.text}: {sockets:,} of {case.counted(whole)}."
    names = sorted({facts.owner(one) for one in history.processes(alike)})
    if names:
        yield f"Whose: {listed(names)}."


def _answers(history: History) -> str:
    return f"{counted(len(distinct(history.clients)), 'client')} talked with this port; requests are told by rubin top."


def usual(case: Case, history: History) -> Iterator[str]:
    """Rate, share of verdicts and latencies of the pair before this connection."""
    pair: Mask = history.mask(PAIR) & (history.times_ns < history.begins_ns) & (history.who != history.own)
    if not pair.any():
        yield f"Nothing to compare with: no earlier flow of the two is held (since {moment(history.oldest_ns)})."
        return
    first_ns, flows = history.first_ns(pair), int(pair.sum())
    sockets = history.connections(pair)
    rate = each_minute(sockets, history.begins_ns - first_ns)
    what = case.counted(sockets) if case.server.port else "flows"
    yield f"Before: {what} since {moment(first_ns)}{f', {rate}' if rate else ''}."
    lost, reset = int((pair & history.mask(LOST)).sum()), int((pair & history.mask(RESET)).sum())
    good = share(flows - lost, flows)
    yield f"Of {counted(flows, 'flow')} {good} were forwarded, {lost:,} dropped; {counted(reset, 'reset')}."
    known = history.latencies
    told = (
        ("connected in", quantiles(known.connect_us)),
        ("round trip", quantiles(known.srtt_us)),
        ("answers after", quantiles(known.message_us)),
        ("sent again", counted(known.retransmits, "segment") if known.retransmits else ""),
    )
    parts = [f"{name} {text}" for name, text in told if text]
    if parts:
        yield f"Usually {'; '.join(parts)}."
