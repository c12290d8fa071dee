"""The line: source, then stages, then sinks. The only code that knows the order."""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from rubin.model.batch import FlowBatch

Stage = Callable[[FlowBatch], FlowBatch]
Sink = Callable[[FlowBatch], None]

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Account:
    """What the line has done so far: seconds of CPU and failures by the name of a stage or sink."""

    batches: int = 0
    flows: int = 0
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    failures: Counter[str] = field(default_factory=Counter)


def run(
    source: Iterable[FlowBatch],
    stages: Sequence[tuple[str, Stage]],
    sinks: Sequence[tuple[str, Sink]],
    account: Account | None = None,
) -> Account:
    """Take every batch of the source through the named stages to each named sink.

    Ends when the source does. A stage or sink that raises is a bug: it is counted, logged once, and
    the batch goes on without it.
    """
    account = account or Account()
    for batch in source:
        for name, stage in stages:
            staged = _guarded(account, name, stage, batch)
            batch = batch if staged is None else staged
        for name, sink in sinks:
            _guarded(account, name, sink, batch)
        account.batches += 1
        account.flows += len(batch)
    return account


def _guarded(
    account: Account, name: str, step: Callable[[FlowBatch], FlowBatch | None], batch: FlowBatch
) -> FlowBatch | None:
    start = time.thread_time()
    try:
        return step(batch)
    except Exception:
        account.failures[name] += 1
        if account.failures[name] == 1:
            _LOG.exception(
                "stage=%s failed on a batch of %d flows; further failures are only counted", name, len(batch)
            )
        return None
    finally:
        account.seconds[name] += time.thread_time() - start
