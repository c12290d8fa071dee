"""Whether somebody listens on the port that was asked, as far as this ring knows."""

from collections.abc import Iterator

from rubin.query.explaining.case import Case
from rubin.query.explaining.history import ANSWER, OPENED, UNHEARD, History
from rubin.query.explaining.phrases import counted, moment
from rubin.words import facts


def lines(case: Case, history: History) -> Iterator[str]:
    """What was accepted, what was refused, who had the port."""
    if not case.server.port:
        yield "This protocol has no ports: there is nobody to listen."
        return
    where = case.server.text
    taken = history.mask(OPENED) if case.is_tcp else history.mask(ANSWER)
    taken_ns, count = history.last_ns(taken), history.connections(taken)
    unheard_ns = history.last_ns(history.mask(UNHEARD))
    refused_ns = max(unheard_ns, history.last_ns(history.refused()))
    if refused_ns > taken_ns:
        words = (
            "nobody listened"
            if unheard_ns > taken_ns
            else "a reset came back: nobody listens, or a firewall answers so"
        )
        yield f"No, as of {moment(refused_ns)}: on {where} {words}."
    verb = "accepted" if case.is_tcp else "answered"
    held = f"since {moment(history.oldest_ns)}, where the ring begins"
    if taken_ns:
        noun = "connection" if case.is_tcp else "client socket"
        yes = "" if refused_ns > taken_ns else "Yes: "
        yield f"{yes}{where} {verb} {counted(count, noun)} {held}, the last at {moment(taken_ns)}."
    elif not refused_ns:
        yield f"Not known: {held}, {where} {verb} nothing and refused nothing."
    if history.server is not None:
        (process,) = history.server.rows("process")
        at = moment(int(history.server["time_ns"][0]))
        yield f"The port belonged to {facts.process(process)}, as of {at}."
    elif taken_ns:
        yield "Which process that was is not known: its socket was not seen here."


def is_unheard(case: Case) -> bool:
    """Whether the kernel itself said of the flow that nobody listens."""
    return case.kind == "dropped" and case.reason == "NO_SOCKET" and case.is_opening
