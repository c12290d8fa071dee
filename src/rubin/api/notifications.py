"""What the agent itself did (`GetAgentEvents`): a short memory and those who follow it."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator

from rubin.api.selection import time_ns
from rubin.errors import UsageError
from rubin.wire.pb.flow_pb2 import AGENT_STARTED, AgentEvent, TimeNotification
from rubin.wire.pb.observer_pb2 import GetAgentEventsRequest, GetAgentEventsResponse

_KEPT = 1_000


class Notifications:
    """The newest agent events, oldest first."""

    def __init__(self, node_name: str) -> None:
        self._node_name = node_name
        self._held: deque[GetAgentEventsResponse] = deque(maxlen=_KEPT)
        self._seen = 0
        self._added = asyncio.Event()

    def add(self, event: AgentEvent) -> None:
        """Keep an event, as of now, and hand it to the followers; on the loop's thread."""
        response = GetAgentEventsResponse(agent_event=event, node_name=self._node_name)
        response.time.FromNanoseconds(time.time_ns())
        self._held.append(response)
        self._seen += 1
        added, self._added = self._added, asyncio.Event()
        added.set()

    def started(self) -> None:
        """The agent began to observe."""
        now = TimeNotification()
        now.time.FromNanoseconds(time.time_ns())
        self.add(AgentEvent(type=AGENT_STARTED, agent_start=now))

    async def select(self, request: GetAgentEventsRequest) -> AsyncIterator[GetAgentEventsResponse]:
        """The events that the request asks for. Raises UsageError where it contradicts itself."""
        if request.first and request.follow:
            raise UsageError("first cannot be specified with follow", "first alone, or follow with a number")
        chosen = [event for event in self._held if _in_time(event, request)]
        if request.number:
            chosen = chosen[: request.number] if request.first else chosen[-request.number :]
        elif request.follow and not request.HasField("since"):
            chosen = []
        seen = self._seen
        for event in chosen:
            yield event
        while request.follow:
            added = self._added
            for event in list(self._held)[max(0, len(self._held) - (self._seen - seen)) :]:
                if _in_time(event, request):
                    yield event
            seen = self._seen
            await added.wait()


def _in_time(event: GetAgentEventsResponse, request: GetAgentEventsRequest) -> bool:
    at = time_ns(event.time)
    early = request.HasField("since") and at < time_ns(request.since)
    late = request.HasField("until") and at > time_ns(request.until)
    return not early and not late
