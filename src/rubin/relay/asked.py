"""One node asked for flows, from its first answer to its last: into the merge, with what it promises."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import aclosing

import numpy as np

from rubin.api.client import Client
from rubin.api.promises import Lateness
from rubin.api.selection import time_ns
from rubin.api.told import Promise, Told, Wishes
from rubin.model.batch import FlowBatch
from rubin.model.codes import U64
from rubin.model.identical import keys
from rubin.relay.merge import Merge
from rubin.relay.pool import Peer
from rubin.wire.pb.observer_pb2 import GetFlowsRequest, GetFlowsResponse

_QUIET_S = 0.3
_SECOND_NS = 1_000_000_000


class Asked:
    """`run` reads until the node ends it; it may be run again after a break, and then asks only for what is missing.

    A node that promises nothing, Hubble's, is taken by what it did so far: it will not be later than it was lately.
    """

    def __init__(
        self,
        peer: Peer,
        request: GetFlowsRequest,
        merge: Merge,
        wake: Callable[[], None],
        since_ns: int,
        is_new: bool,
    ) -> None:
        """The question was asked at `since_ns`; `is_new`: the node has come since then, and its past is not wanted."""
        self.peer = peer
        self._request, self._merge, self._wake = request, merge, wake
        self._asked_ns, self._wants_past = since_ns, not is_new
        self._promised: Promise | None = None
        self._since_promise: deque[FlowBatch] = deque()
        self._newest_ns = 0
        self._spoke_s = time.monotonic()
        self._lateness = Lateness()
        self._room = asyncio.Event()
        self.has_answered = False
        """Whether anything came since it was asked last."""
        self.news: list[GetFlowsResponse] = []
        """Of nodes behind it, where it is a relay."""

    def join(self, client: Client) -> None:
        """To be waited for from now on; `run` follows."""
        self._client, self.number = client, self._merge.join(self.peer.name, time.monotonic())
        self.has_answered = False

    async def run(self, wishes: Wishes) -> None:
        """Raises RubinError where the node fails."""
        known, request = self._known(), self._request
        if request.follow and (self._promised or not self._wants_past):
            request = self._since(self._promised.from_ns if self._promised else self._asked_ns)
        self._wants_past = bool(request.number or time_ns(request.since))
        self._spoke_s = time.monotonic()
        try:
            async with aclosing(self._client.told(request, wishes, self._merge.tables)) as answers:
                async for told in answers:
                    self._take(told, known)
                    self._wake()
                    while self._merge.is_full(self.number):
                        self._room.clear()
                        await self._room.wait()
        finally:
            self._merge.leave(self.number)
            self._wake()

    def _since(self, since_ns: int) -> GetFlowsRequest:
        """The question, for flows from then on."""
        request = GetFlowsRequest()
        request.CopyFrom(self._request)
        request.number, request.first = 0, False
        request.since.FromNanoseconds(max(0, since_ns))
        return request

    def room(self) -> None:
        """There may be room again."""
        self._room.set()

    def assume(self) -> None:
        """To be called often: what may be expected of a node that promises nothing."""
        if self.peer.is_ours:
            return
        now_s, now_ns = time.monotonic(), time.time_ns()
        is_live = self._newest_ns > self._asked_ns - _SECOND_NS or now_s > self._spoke_s + _QUIET_S
        if not self._request.follow:
            promised_ns = self._newest_ns - _SECOND_NS
        elif is_live:
            promised_ns = now_ns - self._lateness.ns()
        else:
            promised_ns = min(self._newest_ns, now_ns) - _SECOND_NS
        self._promise(Promise(promised_ns, is_live and self._request.follow))

    def _take(self, told: Told, known: U64) -> None:
        now_s, now_ns = time.monotonic(), time.time_ns()
        self._spoke_s, self.has_answered = now_s, True
        if told.status is not None:
            self.news.append(told.status)
        if told.flows is not None:
            flows = told.flows
            if len(known) and len(flows):
                again = np.isin(keys(flows), known)
                flows = flows.take(~again) if again.any() else flows
            self._merge.add(self.number, flows, now_s, now_ns)
            if len(flows):
                self._note(flows, now_ns)
        if told.promise is not None:
            self._promise(told.promise)

    def _note(self, flows: FlowBatch, now_ns: int) -> None:
        least_ns, newest_ns = int(flows["time_ns"].min()), int(flows["time_ns"].max())
        if self._newest_ns > self._asked_ns:
            self._lateness.note(now_ns - least_ns)
        self._newest_ns = max(self._newest_ns, newest_ns)
        if self._request.follow:
            self._since_promise.append(flows)

    def _promise(self, promise: Promise) -> None:
        self._promised = promise
        self._merge.promise(self.number, promise.from_ns, promise.is_live, time.monotonic())
        while self._since_promise and int(self._since_promise[0]["time_ns"].max()) < promise.from_ns:
            self._since_promise.popleft()

    def _known(self) -> U64:
        """The flows that came before a break and may come again."""
        held, self._since_promise = self._since_promise, deque()
        return np.concatenate([np.empty(0, np.uint64), *map(keys, held)])
