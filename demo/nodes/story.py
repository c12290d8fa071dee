"""What happens to the nodes, what their reader sees of it, and what must be true of that."""

import signal
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from demo import processes
from demo.nodes import network, running, trust, watching
from demo.nodes.network import RELAY, Host
from demo.nodes.running import Process
from demo.nodes.watching import Count, Follower, Seen, wait
from rubin.errors import UsageError

LEAST, MOST = 2, 9
SECOND_NS = 10**9
READY_S, SOON_S, BACK_S = 60.0, 30.0, 90.0


@dataclass(frozen=True)
class Pace:
    """How long each thing lasts, and how many connections a node opens in a second."""

    per_second: float
    quiet_s: float
    cut_s: float


QUICK, SLOW = Pace(12, 1.0, 4.0), Pace(60, 4.0, 12.0)


def check(options: Namespace) -> None:
    """Raises UsageError for flags of the demo that do not go together."""
    if options.nodes is None:
        if options.quick:
            raise UsageError("--quick goes with --nodes alone", "--nodes 3 --quick, or --once")
        return
    if options.once or options.seconds:
        raise UsageError("--nodes ends by itself", "--quick, to see it in less time")
    if not LEAST <= options.nodes <= MOST:
        raise UsageError(f"--nodes cannot be {options.nodes}", f"{LEAST} to {MOST}")


def tell(rubin: str, options: Namespace) -> int:
    """0 when all that must be true was."""
    story = Story(rubin, network.nodes(options.nodes), QUICK if options.quick else SLOW)
    story.begin()
    for act in (story.all_in_order, story.killed, story.cut, story.revoked, story.relay_restarted):
        act()
    return story.end()


@dataclass
class Story:
    """The acts, in the order in which `tell` has them."""

    rubin: str
    hosts: Sequence[Host]
    pace: Pace
    facts: dict[str, tuple[bool, str]] = field(default_factory=dict)

    def begin(self) -> None:
        """All runs, the relay has them all."""
        _say(f"{len(self.hosts)} hosts, a relay and the network between them, in network namespaces; who works there")
        network.build((*self.hosts, RELAY))
        running.write_names(self.hosts)
        for host in self.hosts:
            running.work(host, [other for other in self.hosts if other != host], self.pace.per_second)
        _say("rubin certs: an authority, and certificates for nodes, relay and readers")
        trust.init(self.rubin, self.hosts)
        _say("an agent on each host, which sees its own host only; a relay that knows them all, by mutual TLS")
        self.agents = {host.name: running.agent(self.rubin, host) for host in self.hosts}
        self.relay = running.relay(self.rubin)
        for each in self._processes():
            each.start()
        for each in self._processes():
            each.wait()
        self._until(dict.fromkeys(self.names, "NODE_CONNECTED"), READY_S)
        self.follower = Follower(self.rubin)
        watching.read_all(self.rubin)
        wait(lambda: self.follower.of(self.names) > len(self.hosts), "the first flows", READY_S, self._check)
        self.began_ns = time.time_ns()

    def all_in_order(self) -> None:
        """The first act."""
        _title("The flows of all nodes, in the order of time")
        time.sleep(self.pace.quiet_s)
        wait(lambda: sum("FORWARDED" in line for line in _log("bob")) >= 10, "bob's flows", SOON_S, self._check)
        self._quote("bob", [line for line in _log("bob") if "FORWARDED" in line][-10:])
        self._show("list", "nodes")
        in_order = not self._unmarked()
        self._fact("in order", in_order, f"{len(self.follower.seen)} flows of {len(self.hosts)} nodes")

    def killed(self) -> None:
        """A node's agent goes without a word, and comes back with nothing."""
        node = self.hosts[1].name
        others = [name for name in self.names if name != node]
        _title(f"The agent of {node} is killed")
        self.agents[node].end(signal.SIGKILL)
        took_s = self._until({node: "NODE_UNAVAILABLE"}, SOON_S)
        self._show("status")
        seconds = self._go_on(others)
        self._fact(
            "killed", True, f"{node} is unavailable after {took_s:.1f} s, the others' flows come on in {seconds:.1f} s"
        )
        agent = self.agents[node]
        agent.start()
        agent.wait()
        self._until({node: "NODE_CONNECTED"}, BACK_S)
        self._go_on([node])
        _say(f"{node} is back, with an empty memory; its flows come")
        self.back_ns = time.time_ns()

    def cut(self) -> None:
        """Nothing passes between the relay and a node; then it does again."""
        host = self.hosts[-1]
        others = [name for name in self.names if name != host.name]
        _title(f"Packets between {host.name} and the relay are dropped, which neither is told")
        before = self.follower.late()[host.name]
        network.cut(host, RELAY)
        began_s = time.monotonic()
        self._go_on(others)
        self._show("list", "nodes")
        time.sleep(max(0.0, self.pace.cut_s - (time.monotonic() - began_s)))
        network.heal()
        _say("they pass again")
        took_s = wait(
            lambda: self.follower.late()[host.name] > before, f"late flows of {host.name}", BACK_S, self._check
        )
        self._go_on([host.name])
        self._quote("bob", [line for line in _log("bob") if " late, " in line and host.name in line][-3:])
        late = self.follower.late()[host.name] - before
        self._fact(
            "late", not self._unmarked(), f"{late} flows of {host.name} are marked, {took_s:.1f} s after it is back"
        )

    def revoked(self) -> None:
        """A reader and a node that nobody shall trust any more."""
        _title(f"The certificates of bob, who has read all this, and of {self.stolen} are revoked")
        print(trust.revoke(self.rubin, "bob", self.stolen), flush=True)
        refusal = self._show_when("was revoked", "bob", "observe", "--last", "1")
        alice = watching.command(self.rubin, "alice", "observe", "--last", "1").returncode == 0
        self._fact("reader", alice, f"bob is refused within {refusal:.1f} s, alice reads on")

    def relay_restarted(self) -> None:
        """While two read from it: they are told; what was there is asked for again."""
        _title("The relay is restarted while all are reading")
        self.relay.end()
        wait(lambda: self.follower.process.poll() is not None, "the end of what is read", SOON_S)
        self._quote("bob", _log("bob")[-2:])
        followed = self._count(self.follower.seen, lambda name: self.follower.newest_ns(name) - SECOND_NS)
        self._fact("followed", followed.is_well, f"until then, {followed}")
        self.relay.start()
        self.relay.wait()
        others = [name for name in self.names if name != self.stolen]
        self._until({self.stolen: "NODE_UNAVAILABLE", **dict.fromkeys(others, "NODE_CONNECTED")}, BACK_S)
        self._show_when("was revoked", "alice", "status")
        print(trust.issue(self.rubin, self.stolen), flush=True)
        took_s = self._until({self.stolen: "NODE_CONNECTED"}, BACK_S)
        self._fact("node", True, f"{self.stolen} is refused, and back {took_s:.1f} s after it has a new certificate")
        asked_ns = time.time_ns() - 2 * SECOND_NS
        whole = self._count(watching.answered(self.rubin, self.began_ns), lambda _: asked_ns)
        self._fact("asked again", whole.is_well, f"of all since the beginning, {whole}")

    def end(self) -> int:
        """Stops all; the facts, and 0 where they are as they must be."""
        for each in self._processes():
            each.end()
        _title("What was so")
        for name, (is_well, text) in self.facts.items():
            print(f"{name:<14}{'' if is_well else 'NOT SO: '}{text}")
        return 0 if all(is_well for is_well, _ in self.facts.values()) else 1

    @property
    def stolen(self) -> str:
        """The node whose certificate is revoked."""
        return self.hosts[0].name

    @property
    def names(self) -> list[str]:
        """Of the nodes."""
        return [host.name for host in self.hosts]

    def _processes(self) -> list[Process]:
        return [*self.agents.values(), self.relay]

    def _check(self) -> None:
        for each in self._processes():
            each.check()

    def _until(self, wanted: dict[str, str], seconds: float) -> float:
        what = ", ".join(f"{name} {state}" for name, state in wanted.items())
        return wait(lambda: wanted.items() <= watching.states().items(), what, seconds)

    def _go_on(self, nodes: Sequence[str]) -> float:
        """Until each of them has sent flows that are newer than now: how long that took."""
        now_ns = time.time_ns()

        def new() -> bool:
            return all(self.follower.of([node], now_ns) for node in nodes)

        return wait(new, f"flows of {', '.join(nodes)}", BACK_S)

    def _unmarked(self) -> dict[str, int]:
        """The flows that are out of order, and that nobody said to be late."""
        seen = list(self.follower.seen)  # before what is said of them
        late = self.follower.late()
        return {node: count for node, count in watching.out_of_order(seen).items() if count > late[node]}

    def _count(self, seen: Sequence[Seen], until_ns: Callable[[str], int]) -> Count:
        """Against what there was, up to some time at each node; what only the killed agent saw cannot come."""
        windows = {name: (self.began_ns, until_ns(name)) for name in self.names}
        killed = self.hosts[1].name
        windows[killed] = self.back_ns, windows[killed][1]
        return watching.count(watching.connections(self.hosts), seen, windows)

    def _fact(self, name: str, is_well: bool, text: str) -> None:
        self.facts[name] = is_well, text
        _say(f"{name}: {text}" if is_well else f"{name}: NOT SO: {text}")

    def _show(self, *words: str) -> None:
        """What alice sees."""
        print(self._sight("alice", words), flush=True)

    def _show_when(self, text: str, reader: str, *words: str) -> float:
        """What a reader sees once this text is in it, and how long that took."""
        sights = [""]

        def has() -> bool:
            sights.append(self._sight(reader, words))
            return text in sights[-1]

        took_s = wait(has, f"'{text}' in `rubin {words[0]}`", SOON_S, self._check)
        print(sights[-1], flush=True)
        return took_s

    def _sight(self, reader: str, words: Sequence[str]) -> str:
        done = watching.command(self.rubin, reader, *words)
        return f"{reader}$ rubin {' '.join(words)}\n{done.stdout}{done.stderr}"

    def _quote(self, reader: str, lines: Sequence[str]) -> None:
        print(f"{reader}$ rubin observe --follow --print-node-name", *lines, "", sep="\n", flush=True)


def _log(name: str) -> list[str]:
    return processes.log_of(name).read_text().splitlines()


def _title(text: str) -> None:
    print(f"\n── {text}\n", flush=True)


def _say(line: str) -> None:
    print(f"· {line}", file=sys.stderr, flush=True)
