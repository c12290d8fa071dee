"""`./dev demo [--once] [--seconds N]`: the article's hands-on part, and a host without Kubernetes, on real traffic."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from demo import agent, flows, guard, host, place, pods, prometheus, world
from demo.scenarios import SCENARIOS, WITHOUT_KUBERNETES
from rubin.errors import RubinError

RUBIN = str(Path(sys.executable).with_name("rubin"))
ONCE_S = 60.0  # enough for a busy machine; a quiet one needs about ten
ANSWERS_EVERY_S = 15.0
LINES_ONCE = 3


def main(arguments: list[str]) -> int:
    """0 when all four questions have rates above zero, and all was seen that goes on without Kubernetes."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, _end)
    lock = place.hold()
    place.clear()
    alive = guard.start()
    try:
        return _show(options)
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
    return parser.parse_args(arguments)


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _show(options: argparse.Namespace) -> int:
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
    seen = flows.Flows(RUBIN, observer.server, observer.began, LINES_ONCE if options.once else None)
    asked.wait()
    _say("the flows of these seven, as they come" + ("" if options.once else "; Ctrl-C ends the demo"))
    try:
        answers = _watch(options, observer, asked, seen)
    except KeyboardInterrupt:
        _print(_answers(asked), seen)
        return 0
    finally:
        observer.end()
    _print(answers, seen)
    return 0 if _is_all(answers, seen) else 1


Answers = dict[str, dict[str, float]]


def _watch(
    options: argparse.Namespace, observer: agent.Agent, asked: prometheus.Prometheus, seen: flows.Flows
) -> Answers:
    """The answers at the end: when all are there (--once), or when the time is over."""
    begin = shown = time.monotonic()
    limit = options.seconds or (ONCE_S if options.once else float("inf"))
    while time.monotonic() - begin < limit:
        time.sleep(0.5)
        observer.check()
        answers = _answers(asked)
        if options.once and _is_all(answers, seen):
            return answers
        if not options.once and time.monotonic() - shown >= ANSWERS_EVERY_S:
            shown = time.monotonic()
            _print(answers, seen)
    return _answers(asked)


def _answers(asked: prometheus.Prometheus) -> Answers:
    return {scenario.title: asked.rates(scenario.query) for scenario in SCENARIOS}


def _is_all(answers: Answers, seen: flows.Flows) -> bool:
    answered = all(max(rates.values(), default=0.0) > 0 for rates in answers.values())
    return answered and all(seen.counts[scenario.title] for scenario in WITHOUT_KUBERNETES)


def _print(answers: Answers, seen: flows.Flows) -> None:
    """One line a scenario: the rate and the labels it has, or how many flows there were and between whom."""
    print()
    for title, rates in answers.items():
        for labels, rate in rates.items() or (("no answer yet", 0.0),):
            print(f"{title:<24}{rate:8.2f} flows/s   {labels}")
    for scenario in WITHOUT_KUBERNETES:
        ends = f"{scenario.sources[0]} -> {scenario.destinations[0]}"
        print(f"{scenario.title:<24}{seen.counts[scenario.title]:8d} flows     {ends}")
    if seen.first_flow_s is not None:
        print(f"{'first_flow_s':<24}{seen.first_flow_s:8.2f}")
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
