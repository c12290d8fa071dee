"""`./dev demo [--once] [--seconds N]`: the article's hands-on part, a host without Kubernetes and a shop under load.
`./dev demo --nodes N [--quick]`: many hosts as one, and what becomes of that when some fail.
"""

import argparse
import os
import signal
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from demo import agent, flows, guard, host, place, pods, prometheus, world
from demo.scenarios import SCENARIOS, SHOP, WITHOUT_KUBERNETES, Scenario
from demo.shop import servers
from demo.shop.servers import Shop
from rubin.errors import RubinError

RUBIN = str(Path(sys.executable).with_name("rubin"))
ONCE_S = 90.0  # enough for a busy machine; a quiet one needs about ten
ANSWERS_EVERY_S = 15.0
LINES_ONCE = 3

Answers = dict[str, dict[str, float]]


def main(arguments: list[str]) -> int:
    """0 when all four questions have rates above zero, and all was seen that goes on elsewhere; with --nodes, when
    what must be true of them was.
    """
    options = _parse(arguments)
    show = _show
    if options.nodes is not None or options.quick:
        from demo.nodes import story  # it loads a client, for which the demo of one machine need not wait

        story.check(options)
        show = partial(story.tell, RUBIN)
    signal.signal(signal.SIGTERM, _end)
    lock = place.hold()
    place.clear()
    alive = guard.start()
    try:
        return show(options)
    finally:
        # What follows must not be interrupted half way; it takes some tens of milliseconds.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        place.clear()
        place.forget()
        lock.close()
        os.close(alive)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end as soon as all has been seen and answered")
    parser.add_argument("--seconds", type=float, metavar="N", help="end after so many seconds")
    parser.add_argument("--nodes", type=int, metavar="N", help="instead: so many hosts behind a relay; some fail")
    parser.add_argument("--quick", action="store_true", help="with --nodes: in little time")
    return parser.parse_args(arguments)


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


@dataclass(frozen=True)
class _Watched:
    """Who runs, and what has been seen of it."""

    observer: agent.Agent
    asked: prometheus.Prometheus
    seen: flows.Flows
    shop: Shop | None

    def check(self) -> None:
        """Raises RubinError where somebody has ended who should not."""
        self.observer.check()
        if self.shop:
            self.shop.check()

    def answers(self) -> Answers:
        """Prometheus's, now."""
        return {scenario.title: self.asked.rates(scenario.query) for scenario in SCENARIOS}

    def is_all(self, answers: Answers) -> bool:
        """True when every scenario has been seen."""
        answered = all(max(rates.values(), default=0.0) > 0 for rates in answers.values())
        return answered and all(self.seen.counts[scenario.title] for scenario in self.others)

    @property
    def others(self) -> tuple[Scenario, ...]:
        """The scenarios that Prometheus is not asked about."""
        return (*WITHOUT_KUBERNETES, *(SHOP if self.shop else ()))


def _show(options: argparse.Namespace) -> int:
    watched = _start(LINES_ONCE if options.once else None)
    _say("the flows of all these, as they come" + ("" if options.once else "; Ctrl-C ends the demo"))
    is_over = False
    try:
        try:
            _watch(options, watched)
            is_over = True
        except KeyboardInterrupt:
            pass
        watched.seen.end()
        answers = watched.answers()
        _print(answers, watched)
        if watched.shop:
            watched.shop.top(RUBIN, watched.observer.server)
    finally:
        watched.observer.end()
    return 0 if not is_over or watched.is_all(answers) else 1


def _start(lines: int | None) -> _Watched:
    """All three acts; who takes longest to start comes first, and whom the agent must not miss comes last."""
    shop = None
    if absent := servers.lacks():
        _say(f"without the shop: this machine lacks {', '.join(absent)} (Debian's names)")
    else:
        _say("a shop of real servers: nginx, an application, PostgreSQL, Redis, gRPC, DNS")
        shop = Shop()
    _say("a world of four pods, a node, a load balancer and an outside, in network namespaces of its own")
    world.build()
    pods.start()
    _say("and without Kubernetes, on this machine: four containers, a service in a scope, a process")
    host.start()
    metrics_address = f"127.0.0.1:{prometheus.free_port()}"
    asked = prometheus.Prometheus(metrics_address)
    _say("the agent, and a Prometheus that scrapes it every second")
    observer = agent.Agent(RUBIN, metrics_address)
    observer.wait()
    seen = flows.Flows(RUBIN, observer.server, observer.began, lines)
    if shop:
        shop.open()
    asked.wait()
    return _Watched(observer, asked, seen, shop)


def _watch(options: argparse.Namespace, watched: _Watched) -> None:
    """Until all has been seen (--once), or the time is over."""
    begin = shown = time.monotonic()
    limit = options.seconds or (ONCE_S if options.once else float("inf"))
    while time.monotonic() - begin < limit:
        time.sleep(0.5)
        watched.check()
        answers = watched.answers()
        if options.once and watched.is_all(answers):
            return
        if not options.once and time.monotonic() - shown >= ANSWERS_EVERY_S:
            shown = time.monotonic()
            _print(answers, watched)


def _print(answers: Answers, watched: _Watched) -> None:
    """One line a scenario: the rate and the labels it has, or how many flows there were and between whom."""
    print()
    for title, rates in answers.items():
        for labels, rate in rates.items() or (("no answer yet", 0.0),):
            print(f"{title:<24}{rate:8.2f} flows/s   {labels}")
    for scenario in watched.others:
        ends = f"{scenario.sources[0]} -> {scenario.destinations[0]}"
        print(f"{scenario.title:<24}{watched.seen.counts[scenario.title]:8d} flows     {ends}")
    if watched.seen.first_flow_s is not None:
        print(f"{'first_flow_s':<24}{watched.seen.first_flow_s:8.2f}")
    print(flush=True)


def _say(line: str) -> None:
    print(f"· {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RubinError as error:
        print(f"rubin: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
