"""Three hosts behind a relay, as the demo shows them: each flow comes once whatever fails, who reads is told, and
nothing is left behind however it ends.
"""

import re
import signal

import pytest

from demo import place
from demo.nodes.watching import Connection, Seen, count, out_of_order
from tests.end_to_end.test_demo import nothing_is_left, start
from tests.waiting import wait_for

PATIENCE_S = 280  # it takes 40 on a machine that does nothing else


def told(out: str, reader: str, question: str) -> str:
    """What a reader saw, the last time that it asked this."""
    _, mark, rest = out.rpartition(f"{reader}$ rubin {question}\n")
    assert mark, out
    return rest.partition("\n\n")[0]


def test_whatever_fails_each_flow_comes_once_and_the_reader_is_told_the_rest():
    demo = start("--nodes", "3", "--quick")
    out, _ = demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode == 0, out
    assert nothing_is_left()
    facts = dict(re.findall(r"^(in order|killed|late|reader|followed|node|asked again) +(\S.*)$", out, re.MULTILINE))
    assert len(facts) == 7, out
    assert "NOT SO" not in out
    for name in ("followed", "asked again"):
        once, must, oftener, absent = map(int, re.findall(r"\d+", facts[name]))
        assert (once, oftener, absent) == (must, 0, 0)
        assert must > 300
    _first_acts(out, facts)
    _last_acts(out, facts)


def _first_acts(out: str, facts: dict[str, str]) -> None:
    acts = out.split("\n── ")
    for node in ("node-1", "node-2", "node-3"):
        assert re.search(rf"^{node} +Connected ", told(acts[1], "alice", "list nodes"), re.MULTILINE), out
    lines = re.findall(r"^(\w+ \d+ [\d:.]+) \[(node-\d)\]: (.*)$", acts[1], re.MULTILINE)
    assert len(lines) == 10, out
    assert [time for time, *_ in lines] == sorted(time for time, *_ in lines)
    # Each agent sees its own host: what is not its own is another node.
    assert all("(host)" in flow and "(remote-node)" in flow for *_, flow in lines), out
    killed = told(acts[2], "alice", "status")
    assert "Connected Nodes: 2/3\nUnavailable Nodes: 1\n  - node-2\n" in killed
    assert re.search(r"^node-2 +Error ", told(acts[3], "alice", "list nodes"), re.MULTILINE) is None
    assert re.search(r"^node-3 +Error ", told(acts[3], "alice", "list nodes"), re.MULTILINE), out
    marks = re.findall(r"\[relay\]: ([\d,]+) flows? late, \S+ s out of order: node-3$", acts[3], re.MULTILINE)
    assert marks, out
    assert int(facts["late"].split()[0]) > 0


def _last_acts(out: str, facts: dict[str, str]) -> None:
    acts = out.split("\n── ")
    refused = told(acts[4], "bob", "observe --last 1")
    assert re.fullmatch(r"rubin: tls://\S+ says that our certificate was revoked\n  try: .+", refused), out
    ended = told(acts[5], "bob", "observe --follow --print-node-name")
    assert ended.startswith("rubin: tls://"), out
    assert "the server stops" in ended
    status = out.split("\n── ")[5]
    assert re.search(r"^node-1: .*was revoked", status, re.MULTILINE), out
    assert facts["node"].startswith("node-1 is refused, and back ")


def test_a_flow_that_is_missing_or_comes_twice_or_late_would_be_found():
    ends = ("10.77.0.11:10000", "10.77.0.12")
    there = [Connection(50, ends, ("node-1", "node-2"))]
    windows = {"node-1": (0, 100), "node-2": (0, 100)}
    here, other = Seen(51, "node-1", ends), Seen(52, "node-2", ends)
    assert count(there, [here, other], windows) == (2, 2, 0)
    assert count(there, [here, other], windows).is_well
    assert count(there, [here], windows) == (2, 1, 0)
    assert count(there, [here, other, other], windows) == (2, 1, 1)
    assert count(there, [here], {**windows, "node-2": (60, 100)}).is_well
    assert not count(there, [here, other], dict.fromkeys(windows, (60, 100))).is_well, "nothing was there to see"
    assert out_of_order([here, other]) == {}
    assert out_of_order([other, here]) == {"node-1": 1}


@pytest.mark.parametrize(
    ("number", "ready"), [(signal.SIGKILL, "made"), (signal.SIGINT, "alice.log")], ids=["killed early", "Ctrl-C"]
)
def test_nothing_is_left_when_it_is_ended_in_the_middle(number, ready):
    demo = start("--nodes", "2", "--quick")
    wait_for(lambda: list(place.FOLDER.rglob(ready)), "those who are to be ended", 90)
    demo.send_signal(number)
    out, _ = demo.communicate(timeout=60)
    wait_for(nothing_is_left, f"everything to be gone after\n{out}", 30)
    assert "Traceback" not in out


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--nodes", "1"), "--nodes cannot be 1\n  try: 2 to 9\n"),
        (("--quick",), "--quick goes with --nodes alone\n"),
        (("--nodes", "3", "--once"), "--nodes ends by itself\n"),
    ],
)
def test_flags_that_make_no_sense_are_refused(flags, sentence):
    demo = start(*flags)
    out, _ = demo.communicate(timeout=60)
    assert demo.returncode == 2
    assert out.startswith(f"rubin: {sentence}")
    assert nothing_is_left()
