"""Which question of the DNS led to the address that was asked."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rubin.model import addresses
from rubin.model.batch import FlowBatch
from rubin.model.enums import Protocol
from rubin.model.messages import NUMBERS, Message
from rubin.model.tables import Endpoint, Process
from rubin.query.explaining.case import Case
from rubin.query.explaining.held import Held
from rubin.query.explaining.history import History
from rubin.query.explaining.phrases import listed, moment, span
from rubin.query.said import as_asked
from rubin.words import facts
from rubin.words.units import latency

_DNS_PORT = 53


class Resolved(NamedTuple):
    """An answer, who had asked, and when it came."""

    message: Message
    asker: str
    process: Process
    is_client: bool
    time_ns: int


def lines(held: Held, case: Case, history: History) -> Iterator[str]:
    """Which name, asked by whom, how it was answered, how long before."""
    if case.message.protocol == "dns":
        yield "It is a question of the DNS itself."
        return
    (contents,) = case.flow.rows("contents")
    asked = {case.server.address} | ({contents.translation.address} if contents.translation else set())
    found = _resolved(held, case, asked, history.begins_ns)
    if found is None:
        names = case.endpoints.get(case.server, Endpoint()).names
        known = f"{case.server.address} is known as {', '.join(names)}; the" if names else "No"
        told = "answer that said so is no longer held" if names else f"answer with {case.server.address} is held"
        yield f"{known} {told}: the ring reaches back to {moment(history.oldest_ns)}."
        return
    message, dns = found.message, found.message.dns
    who = facts.process(found.process) if found.process.pid else ""
    asker = " on ".join(filter(None, (who, found.asker)))
    took = f" in {latency(message.latency_ns // 1000)}" if message.latency_ns else ""
    yield f"{message.target} ({message.method or 'DNS'}) was asked for by {asker}, {_before(found, history)}."
    if dns is not None:
        aliases = f", by way of {listed(list(dns.cnames))}" if dns.cnames else ""
        ttl = f", to be kept for {dns.ttl} s" if dns.ttl else ""
        yield f"The answer{took}: {listed(list(dns.ips))}{aliases}{ttl}."
    if not found.is_client:
        yield "The client itself was not seen to ask: it may have known the address, or another resolver."


def _before(found: Resolved, history: History) -> str:
    return f"{span(history.begins_ns - found.time_ns)} before, at {moment(found.time_ns)}"


def _resolved(held: Held, case: Case, asked: set[str], until_ns: int) -> Resolved | None:
    """The last answer before with one of the addresses, that to the client if there is one."""
    other = None
    for view in reversed(held.views):
        for row in _answers(view, asked, until_ns):
            found = _told(held, view, row, case)
            if found.is_client:
                return found
            other = other or found
    return other


def _answers(view: FlowBatch, asked: set[str], until_ns: int) -> list[int]:
    """The rows with such answers, the latest first; of each asker the last."""
    likely = (view["message"] != 0) & (view["time_ns"] <= until_ns)
    ports = (view["source_port"] == _DNS_PORT) | (view["destination_port"] == _DNS_PORT)
    rows = np.flatnonzero(likely & ((view["protocol"] == Protocol.UDP) | ports))
    if not len(rows):
        return []
    messages = view.tables.messages
    told = messages.rows(view["message"][rows])
    rows, dns = rows[told["protocol"] == NUMBERS["dns"]], told["dns"][told["protocol"] == NUMBERS["dns"]]
    codes = np.unique(dns)
    answers = zip(codes.tolist(), messages.dns.read(codes), strict=True)
    meant = [code for code, one in answers if not asked.isdisjoint(one.ips)]
    rows = rows[np.isin(dns, meant)]
    rows = rows[np.argsort(-view["time_ns"][rows], kind="stable")]
    _, first = np.unique(view["destination_low"][rows], return_index=True)
    return [int(row) for row in rows[np.sort(first)]]


def _told(held: Held, view: FlowBatch, row: int, case: Case) -> Resolved:
    flow = as_asked(held.named(view.take(slice(row, row + 1)).without_lost()))
    high, low = int(flow["source_high"][0]), int(flow["source_low"][0])
    (endpoint,), (process,) = flow.rows("source_endpoint"), flow.rows("process")
    client = case.processes.get(case.client, Process())
    is_client = (high, low) == case.client[:2]
    if process.pid and client.pid:
        is_client &= process.pid == client.pid or process.netns == client.netns
    asker = endpoint.called or addresses.text(high, low)
    return Resolved(view.tables.messages[int(view["message"][row])], asker, process, is_client, int(flow["time_ns"][0]))
