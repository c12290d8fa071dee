"""The life of a TCP connection, as far as its packets were seen: asked, answered, established, reset, closed."""

from collections.abc import Iterator

import numpy as np

from rubin.model.enums import TCPFlags, Verdict
from rubin.model.points import at_socket
from rubin.query.explaining.case import DROPS, Case, End, Mask, is_open
from rubin.query.explaining.phrases import counted, moment, span
from rubin.words.units import BYTES, latency, scaled

_OPENS = TCPFlags.SYN | TCPFlags.ACK


def lines(case: Case) -> Iterator[str]:
    """In the order in which they happen."""
    if not len(case.rows):
        yield "No packet of this connection is held, only what was said on it."
        return
    yield from _opening(case)
    yield from _amounts(case)
    yield from _trouble(case)
    yield from _ending(case)


def _opening(case: Case) -> Iterator[str]:
    rows, opened = case.rows, is_open(case)
    times, flags, toward = rows["time_ns"], rows["tcp_flags"], case.toward(rows)
    asked = np.flatnonzero((flags & _OPENS == TCPFlags.SYN) & toward)
    answers = np.flatnonzero(opened & ~toward & (flags & TCPFlags.SYN != 0))
    if len(asked):
        first, last = int(times[asked[0]]), int(times[asked[-1]])
        sent = asked[at_socket(rows, "source")[asked]]
        packets = int(rows["packets"][sent].sum())
        again = f", {packets} times until {moment(last)}" if packets > 1 and last > first else ""
        yield f"SYN: sent by {case.called(case.client)} at {moment(first)}{again}."
    if len(answers):
        after = f" {span(int(times[answers[0]]) - int(times[asked[0]]))} later" if len(asked) else ""
        yield f"Answered: by {case.called(case.server)}, SYN and ACK{after}."
    elif len(asked) and not opened.any():
        rest = ", a reset came instead" if case.kind == "refused" else ""
        yield f"Answered: no SYN and ACK of {case.called(case.server)} was seen{rest}."
    if opened.any():
        connect_us = int(rows["connect_latency_us"].max())
        yield f"Established: yes{f', connected in {latency(connect_us)}' if connect_us else ''}."
    elif len(asked):
        yield "Established: no, as far as was seen."
    if not len(asked) and not opened.any():
        yield f"Its beginning is not held: the first packet of it that is was seen at {moment(int(times[0]))}."


def _amounts(case: Case) -> Iterator[str]:
    rows, toward = case.rows, case.toward(case.rows)
    passed = rows["verdict"] == Verdict.FORWARDED
    both = [_once(case, passed & way) for way in (toward, ~toward)]
    sizes = [int(rows["bytes"][way].sum()) for way in both]
    if any(sizes):
        there, back = (scaled(size, 1024, BYTES) for size in sizes)
        yield f"Carried: {there} to the server, {back} back."
    for side, end in (("client", case.client), ("server", case.server)):
        local = np.flatnonzero(_local(case, end) & (rows["srtt_us"] > 0))
        if len(local):
            yield f"Round trip time at the {side}: {latency(int(rows['srtt_us'][local[-1]]))}, the last held."


def _once(case: Case, rows: Mask) -> Mask:
    """Of these rows those of one point: what is seen at both sockets counts once."""
    sent = rows & at_socket(case.rows, "source")
    return sent if sent.any() else rows


def _local(case: Case, end: End) -> Mask:
    """(n,) bool: rows seen at this end's socket."""
    rows, toward = case.rows, case.toward(case.rows)
    source, destination = at_socket(rows, "source"), at_socket(rows, "destination")
    here, there = (source, destination) if end == case.client else (destination, source)
    return (toward & here) | (~toward & there)


def _trouble(case: Case) -> Iterator[str]:
    rows = case.rows
    for side, end in (("client", case.client), ("server", case.server)):
        resent = int(rows["retransmits"][_local(case, end)].sum())
        if resent:
            yield f"Sent again by the {side}: {counted(resent, 'segment')}."
    lost = np.flatnonzero(np.isin(rows["verdict"], DROPS))
    if len(lost):
        names = rows.tables.strings.read(rows["kernel_drop_reason"][lost])
        reasons = [f"{name or 'no reason'} ({names.count(name)})" for name in dict.fromkeys(names)]
        yield f"Dropped: {counted(len(lost), 'packet')} of it: {', '.join(reasons)}."


def _ending(case: Case) -> Iterator[str]:
    rows, toward = case.rows, case.toward(case.rows)
    passed, found = rows["verdict"] == Verdict.FORWARDED, list[tuple[int, str]]()
    for flag, words in ((TCPFlags.RST, "Reset"), (TCPFlags.FIN, "Closed (FIN)")):
        for way, end in ((toward, case.client), (~toward, case.server)):
            at = np.flatnonzero(way & passed & (rows["tcp_flags"] & flag != 0))
            if len(at):
                time_ns = int(rows["time_ns"][at[0]])
                found.append((time_ns, f"{words}: by {case.called(end)} at {moment(time_ns)}."))
    yield from (line for _, line in sorted(found))
    if not found and is_open(case).any():
        yield f"Open: nobody was seen to close it; its last packet held is of {moment(int(rows['time_ns'][-1]))}."
