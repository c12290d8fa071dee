"""One tab of a browser: what it asks for, what it has been sent, how much more it takes."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any

from rubin.errors import RubinError, UsageError
from rubin.ui.frames import Body, Head, Known, Type, frame
from rubin.ui.live import Hub, Shared
from rubin.ui.views.asked import Asked, asked
from rubin.ui.views.flows import joined
from rubin.ui.views.stats import Stats

FIRST_CREDIT = 2
_MOST_CREDIT = 64
_MOST_SUBSCRIPTIONS = 32
_MOST_URGENT = 64
_U16 = 0xFFFF
_keys = count(1)


class _Subscription:
    """One view of a tab; `waiting` is the newest frame that it has not been sent."""

    def __init__(self, number: int, what: Asked, shared: Shared) -> None:
        self.number, self.asked, self.shared = number, what, shared
        self.key = next(_keys)
        self.waiting: Body | None = None
        self.sequence = 0
        self.is_paused = self.is_shown = False

    def offer(self, body: Body) -> None:
        """Keep it to be sent; of flows those that wait already are not forgotten where they are drops and errors."""
        if self.is_paused and self.is_shown and body.type is not Type.STATS:
            return
        waits = self.waiting
        if waits is not None and body.type is Type.FLOWS:
            body = joined(waits, body, self.asked.most_rows)
        elif waits is not None and body.type is Type.SERIES:
            body = self.shared.view.snapshot()  # a tick has only the last buckets
        self.waiting = body


class Tab:
    """`heard` takes what the browser says, `run` sends while there is credit and something to send."""

    def __init__(self, hub: Hub, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._hub, self._send = hub, send
        self._known = Known()
        self._subscriptions: dict[int, _Subscription] = {}
        self._urgent: deque[tuple[int, Body]] = deque(maxlen=_MOST_URGENT)
        self._credit = FIRST_CREDIT
        self._wake = asyncio.Event()
        self._missed_from: tuple[Stats, int, int] | None = None
        self._unlisten = hub.listen(next(_keys), lambda body: self._say(0, body))

    async def run(self) -> None:
        """Until it is cancelled, or the browser has gone."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._urgent:
                number, body = self._urgent.popleft()
                await self._send(frame(body, number, 0, self._known))
            for one in self._due():
                if not self._credit:
                    break
                await self._send_waiting(one)

    def heard(self, text: str) -> None:
        """What does not make sense is answered with an error frame."""
        message: Any = None
        try:
            message = json.loads(text)
            if not isinstance(message, Mapping):
                raise UsageError("a message is a JSON object", '{"op":"sub",…}')
            self._do(message)
        except (ValueError, RecursionError):
            self._complain(0, UsageError("a message is no JSON", '{"op":"sub",…}'))
        except RubinError as error:
            number = message.get("id") if isinstance(message, Mapping) else 0
            self._complain(number if type(number) is int and 0 <= number <= _U16 else 0, error)

    def close(self) -> None:
        """Leave all views."""
        self._unlisten()
        for number in list(self._subscriptions):
            self._end(number)

    def _do(self, message: Mapping[str, Any]) -> None:
        match message.get("op"):
            case "sub" | "update":
                self._subscribe(_id(message), asked(message))
            case "unsub":
                self._end(_id(message))
            case "credit":
                more = message.get("n", 1)
                if type(more) is not int or more < 1:
                    raise UsageError("n is no number of frames", '{"op":"credit","n":1}')
                self._credit = min(_MOST_CREDIT, self._credit + min(more, _MOST_CREDIT))
                self._wake.set()
            case "pause":
                self._pause(_id(message), message.get("on") is True)
            case other:
                known = "one of sub, update, unsub, credit, pause"
                raise UsageError(f"op {str(other)[:40]!r} does not exist", known)

    def _subscribe(self, number: int, what: Asked) -> None:
        before = self._subscriptions.get(number)
        if before is None and len(self._subscriptions) >= _MOST_SUBSCRIPTIONS:
            raise UsageError(f"{_MOST_SUBSCRIPTIONS} subscriptions are the most of one tab", "unsub one")
        if before is not None and before.asked == what:
            return
        made = _Subscription(number, what, self._hub.view(what))
        self._end(number)
        made.sequence = before.sequence if before else 0
        self._subscriptions[number] = made

        def take(body: Body) -> None:
            made.offer(body)
            self._wake.set()

        made.shared.join(made.key, take)

    def _end(self, number: int) -> None:
        subscription = self._subscriptions.pop(number, None)
        if subscription is not None:
            subscription.shared.leave(subscription.key)

    def _pause(self, number: int, on: bool) -> None:
        one = self._subscriptions.get(number)
        if one is None:
            raise UsageError(f"there is no subscription {number}", "sub first")
        if one.is_paused == on:
            return
        one.is_paused = on
        if on:
            one.waiting = None if one.is_shown else one.waiting
        elif one.shared.is_ready:
            one.offer(one.shared.view.snapshot())
        self._count_missed()
        self._wake.set()

    def _count_missed(self) -> None:
        """From the first pause on, to the end of the last; anew where another question is asked meanwhile."""
        if not any(one.is_paused for one in self._subscriptions.values()):
            self._missed_from = None
            return
        views = (one.shared.view for one in self._subscriptions.values())
        stats = [view for view in views if isinstance(view, Stats)]
        if stats and (self._missed_from is None or self._missed_from[0] not in stats):
            stats[0].count()
            self._missed_from = stats[0], stats[0].flows, stats[0].drops

    def _due(self) -> list[_Subscription]:
        """Those with a frame that waits, the one that has waited longest first."""
        return sorted(
            (one for one in self._subscriptions.values() if one.waiting is not None), key=lambda one: one.sequence
        )

    async def _send_waiting(self, one: _Subscription) -> None:
        body, one.waiting = one.waiting, None
        if body is None or self._subscriptions.get(one.number) is not one:
            return
        self._credit -= 1
        one.is_shown = True
        one.sequence += 1
        await self._send(frame(body, one.number, one.sequence, self._known, self._more(body)))

    def _more(self, body: Body) -> Head:
        """What a frame says to this tab alone."""
        if body.type is not Type.STATS or self._missed_from is None:
            return {}
        stats, flows, drops = self._missed_from
        return {"missed": stats.flows - flows, "missed_drops": stats.drops - drops}

    def _complain(self, number: int, error: RubinError) -> None:
        head: Head = {"sub": number, "error": error.sentence, "way_on": error.way_on}
        self._say(number, Body(Type.ERROR, self._hub.feed.now_ns() / 1e6, head=head))

    def _say(self, number: int, body: Body) -> None:
        """At once, whatever the credit."""
        self._urgent.append((number, body))
        self._wake.set()


def _id(message: Mapping[str, Any]) -> int:
    number = message.get("id")
    if type(number) is not int or not 0 <= number <= _U16:
        raise UsageError("id is no number from 0 to 65535", '"id":1')
    return number
