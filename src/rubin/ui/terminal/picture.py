"""The screen of `rubin tui`, and when it is drawn again. What keys do stands in `app.py`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import ClassVar

from textual import work
from textual.app import App, ComposeResult
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Input

from rubin.errors import RubinError
from rubin.query.question import BY, SORTS
from rubin.ui.feed import Feed
from rubin.ui.terminal import keys, status
from rubin.ui.terminal.answers import DNS, DROPS, AnswersView, requests
from rubin.ui.terminal.asking import Answer, Asking
from rubin.ui.terminal.bar import Bar
from rubin.ui.terminal.conversations import ConversationsView, put_together
from rubin.ui.terminal.details import DetailsView
from rubin.ui.terminal.filter_line import FilterLine, pods
from rubin.ui.terminal.flows_view import FlowsView
from rubin.ui.terminal.following import Following
from rubin.ui.terminal.health import HealthView, health_lines
from rubin.ui.terminal.looks import BAD, DIM, STRONG, Cell
from rubin.ui.terminal.outputs import Outputs
from rubin.ui.terminal.screens import Commands
from rubin.ui.terminal.session import Session
from rubin.ui.terminal.typed import Question, made, read
from rubin.ui.terminal.view import LineView
from rubin.words.terms import Term
from rubin.words.text import clean

_TICK_S = 0.25
_DRAW_S = 0.5
"""Between two pictures of what comes without a pause; what comes after one is seen with the next tick."""
_TOGETHER_S = 1.0
_ANSWER_S = 2.0
_NOTE_S = 4.0
_MOST_ROWS_A_TICK = 200_000
_BARS = ("head", "query", "command", "below", "keys")
TITLES = {
    "flows": "Flows",
    "conversations": "Conversations",
    "top": "Top",
    "drops": "Drops",
    "services": "Services",
    "dns": "DNS",
    "health": "Health",
}


class Picture(App[None]):
    """The flows of a feed, from the view `first` on. `following` runs it and asks its server; None: there are only the
    flows held. `clock` gives seconds since the epoch.
    """

    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar = {Commands}
    BINDINGS: ClassVar = keys.bindings()
    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    ContentSwitcher { height: 1fr; }
    ContentSwitcher > LineView { height: 100%; }
    #details { height: 45%; display: none; }
    #filter { display: none; }
    """

    def __init__(
        self,
        feed: Feed,
        outputs: Outputs,
        following: Following | None = None,
        question: Question | None = None,
        clock: Callable[[], float] = time.time,
        first: str = "flows",
    ) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self.animation_level = "none"
        self.feed, self.following, self.outputs = feed, following, outputs
        self.asking = Asking(feed, following, clock)
        self.session = Session(feed, question or Question(), clock)
        self.by, self.sort = next(iter(BY)), SORTS[0]
        self.typed_error: RubinError | None = None
        # Held here, not looked for on the screen: timers may come once more while that is taken down.
        self.flows_view = FlowsView("flows", self.session.matches)
        self.conversations_view = ConversationsView("conversations", self.session.matches)
        tables = {"top": requests(self.by), "drops": DROPS, "services": requests("service"), "dns": DNS}
        answers = (AnswersView(name, table) for name, table in tables.items())
        self.health_view = HealthView("health")
        self._views: dict[str, LineView] = {
            str(view.id): view for view in (self.flows_view, self.conversations_view, *answers, self.health_view)
        }
        self._switcher = ContentSwitcher(*self._views.values(), initial=first, id="views")
        self.details_view = DetailsView("details")
        self.filter_line = FilterLine("filter", lambda: pods(feed.ring))
        self._bars = {name: Bar(name, right_first=name in ("head", "below")) for name in _BARS}
        self._note, self._note_until_s = "", 0.0
        self._is_new, self._gone, self._drawn_s = False, 0, 0.0

    def compose(self) -> ComposeResult:
        """Lines above, the view, the chosen flow, lines below."""
        bars = self._bars
        yield from (bars["head"], bars["query"], self.filter_line, bars["command"])
        yield from (self._switcher, self.details_view, bars["below"], bars["keys"])

    def on_mount(self) -> None:
        """Begin to follow."""
        self.tick()
        self.set_interval(_TICK_S, self.tick)
        self.set_interval(_TOGETHER_S, partial(self._again, "conversations", self.refresh_conversations))
        self.set_interval(_ANSWER_S, partial(self._again, "answer", self.refresh_answer))
        self.show_view(self.shown)

    # --- what is on the screen

    @property
    def shown(self) -> str:
        """The name of the view that is seen."""
        return self._switcher.current or "flows"

    @property
    def view(self) -> LineView:
        """The view that is seen."""
        return self._views[self.shown]

    def give_keys_to(self, widget: Widget) -> None:
        """At once: `Widget.focus` would come after keys that have been typed already."""
        self.screen_stack[0].set_focus(widget, scroll_visible=False)

    def say(self, note: str) -> None:
        """Show it for some seconds."""
        self._note, self._note_until_s = note, self.session.clock() + _NOTE_S
        self.draw_bars()

    def show_view(self, name: str) -> None:
        """Another view."""
        self._switcher.current = name
        self.give_keys_to(self.view)
        self.refresh_conversations()
        self.refresh_answer()
        self.draw_bars()

    # --- drawing again

    def tick(self) -> None:
        """Take what has come."""
        session, view = self.session, self.flows_view
        gone = session.matches.dropped_lines
        self._is_new |= session.matches.extend(_MOST_ROWS_A_TICK)
        self._gone += session.matches.dropped_lines - gone
        now_s = time.monotonic()
        if self._is_new and (now_s - self._drawn_s > _DRAW_S - _TICK_S / 2 or self._gone):
            view.changed(self._gone)
            self._is_new, self._gone, self._drawn_s = False, 0, now_s
        session.measure()
        told = status.nothing(self.feed, session.matches, session.is_filtered)
        if not view.count and told != view.empty_lines:
            view.empty_lines = told
            view.refresh()
        self.draw_bars()

    def draw_bars(self) -> None:
        """The lines above and below."""
        session, now_s = self.session, self.session.clock()
        matches, held = session.matches, session.held
        if now_s > self._note_until_s:
            self._note = ""
        title = TITLES[self.shown] + (f" by {self.by}" if self.shown == "top" else "")
        left, right = status.head(title, self.feed, matches, session.rates, held, self._is_live(), now_s)
        self._bars["head"].show(left, right)
        chips = clean(session.question.chips)
        only = [Cell("  ! only what went wrong", STRONG)] if session.abnormal else []
        self._bars["query"].show([Cell(" / ", DIM), Cell(chips or "all flows", STRONG if chips else DIM), *only])
        self._bars["command"].show(*self._command_line())
        trouble = self.following.trouble if self.following else ""
        place = "" if self.view.is_following else self.view.place
        self._bars["below"].show(*status.below(self.feed, trouble, matches, held, self._note, now_s, place))
        self._bars["keys"].show([Cell(f" {keys.hints(self.size.width - 2, self.shown)}", DIM)])

    def _is_live(self) -> bool:
        view = self.view
        return view.is_following or isinstance(view, AnswersView | HealthView)

    def _command_line(self) -> tuple[list[Cell], list[Cell]]:
        """The command that shows the same; while a filter is typed that is none, what is wrong with it."""
        error = self.typed_error
        if error is not None:
            return [Cell(f" ! {clean(error.sentence)}", BAD)], [Cell(f"try: {clean(error.way_on)} ", DIM)]
        guess, command = self.session.question.guess, clean(self.command_line)
        return [Cell(f" $ {command}", DIM)], [Cell(f"{clean(guess)} ", STRONG)] if guess else []

    @property
    def command_line(self) -> str:
        """The command that shows what is seen."""
        question = self.session.question
        if self.shown == "health":
            return "rubin status"
        if self.shown in ("top", "services"):
            by = self.by if self.shown == "top" else "service"
            return question.command("rubin top", ("--by", by, "--sort", self.sort))
        more = {"drops": Term("verdict", "DROPPED"), "dns": Term("protocol", "dns")}.get(self.shown)
        if more is None or more.name in {term.name for term in question.terms}:
            return question.command()
        return made((*question.terms, more), question.since, question.until).command()

    def on_resize(self) -> None:
        """More or fewer keys fit."""
        if self.is_running:
            self.draw_bars()

    # --- filters

    def on_input_changed(self, event: Input.Changed) -> None:
        """Judge what is typed; the flows stay those of the last good filter."""
        if (fit := clean(event.value)) != event.value:  # what was pasted, or a name from the network
            event.input.value = fit
            return
        try:
            read(event.value, self.feed.ring)
            self.typed_error = None
        except RubinError as error:
            self.typed_error = error
        self.draw_bars()

    def take_filter(self) -> None:
        """What was typed, if it is one."""
        try:
            question = read(self.filter_line.value, self.feed.ring)
        except RubinError as error:
            self.typed_error = error
            self.draw_bars()
            return
        self.close_filter()
        self.ask_for(question)

    def show_filter_line(self, is_shown: bool) -> None:
        """In place of the filter that holds, or not."""
        self.filter_line.display, self._bars["query"].display = is_shown, not is_shown

    def close_filter(self) -> None:
        """Leave it; the filter stays what it was."""
        self.typed_error = None
        self.show_filter_line(False)
        self.give_keys_to(self.view)
        self.draw_bars()

    @work(exclusive=True, group="filter")
    async def ask_for(self, question: Question, abnormal: bool | None = None) -> None:
        """Show the flows that it asks for; until they are found, those from before stay."""
        wrong = self.session.abnormal if abnormal is None else abnormal
        try:
            matches = await asyncio.to_thread(self.session.found, question, wrong)
        except RubinError as error:
            self.say(f"! {clean(error.sentence)}")
            return
        if not self.is_running:  # it was left meanwhile
            return
        self.session.take(question, wrong, matches)
        self.flows_view.show(matches)
        self.tick()
        self.refresh_conversations()
        self.refresh_answer()

    # --- what is put together

    def _again(self, group: str, refresh: Callable[[], None]) -> None:
        """Unless the picture is held, or the last time is not done yet: what takes long would never end."""
        if self.session.held is None and all(worker.group != group or worker.is_finished for worker in self.workers):
            refresh()

    def refresh_conversations(self) -> None:
        """Put the flows together again, while that is looked at."""
        if self.shown == "conversations":
            self._put_together()

    @work(exclusive=True, group="conversations")
    async def _put_together(self) -> None:
        matches = self.session.matches
        view = self.conversations_view
        view.empty_lines = self.flows_view.empty_lines
        view.show(matches, await asyncio.to_thread(put_together, matches))
        self.draw_bars()

    def refresh_answer(self) -> None:
        """Ask again, while that is looked at."""
        view = self.view
        if isinstance(view, AnswersView):
            self._answer(view)
        elif isinstance(view, HealthView):
            self._examine(view)

    @work(exclusive=True, group="answer")
    async def _answer(self, view: AnswersView) -> None:
        question, asking = self.session.question, self.asking
        if not view.count:
            view.empty_lines = (f"asking {clean(self.feed.state.target)} …",)
            view.refresh()
        try:
            answer: Answer = await {
                "top": partial(asking.requests, question, self.by, self.sort),
                "services": partial(asking.requests, question, "service", self.sort),
                "drops": partial(asking.drops, question),
                "dns": partial(asking.names, question),
            }[str(view.id)]()
        except RubinError as error:
            view.empty_lines = (clean(error.sentence), f"try: {clean(error.way_on)}")
            view.refresh()
            self.say(f"! {clean(error.sentence)}")
            return
        view.empty_lines = (f"nothing to show for {clean(question.chips) or 'all flows'}", "/: another filter")
        view.show(answer["rows"], requests(self.by) if view.id == "top" else None)
        self.draw_bars()

    @work(exclusive=True, group="answer")
    async def _examine(self, view: HealthView) -> None:
        try:
            told = await self.asking.health() if self.feed.state.phase == "following" else None
        except RubinError as error:  # it has just gone, and the feed does not know yet
            told = None
            self.say(f"! {clean(error.sentence)}")
        view.show(health_lines(self.feed, self.session.matches.overtaken, told, self.outputs))
        self.draw_bars()
