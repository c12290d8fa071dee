"""Explanations from the ring of who follows a server: it holds both flows of an exchange."""

import pytest

from rubin.model.exchanges import expanded
from rubin.query.explain import explain
from rubin.store.ring import Ring
from tests.exchanges import MS, Said, http, stored
from tests.query.explained import opened, packets, ring, uuid

ANSWER, REQUEST = "2d1c1d2e-90a8-4a6b-8000-00000000000{}", "2d1c1d2e-90a8-4a6b-a000-00000000000{}"


def followed(of: Ring) -> Ring:
    """As a follower of that ring's agent has it; each segment by itself, as a large ring's lie."""
    made = Ring()
    for view in of.scan():
        for start in range(0, len(view), 3):
            made.append(view.take(slice(start, start + 3)))
    return made


@pytest.fixture(scope="module")
def of_agent() -> Ring:
    said = [Said(http("/a", 500)), Said(http("/b", 404), asked_ns=MS), Said(http("/c"), asked_ns=2 * MS)]
    return ring(stored(*said), packets(*opened(0, 4000)))


@pytest.mark.parametrize("flow", [ANSWER.format(1), REQUEST.format(1), ANSWER.format(2), REQUEST.format(0), uuid(0)])
def test_one_question_has_one_answer_the_agent_s(of_agent: Ring, flow: str):
    assert explain(followed(of_agent), flow=flow) == explain(of_agent, flow=flow)


def test_both_flows_of_an_exchange_are_there(of_agent: Ring):
    held = list(followed(of_agent).scan())
    assert sum(map(len, held)) == sum(len(expanded(view)) for view in of_agent.scan(as_stored=True))
