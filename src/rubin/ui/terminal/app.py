"""`rubin tui`: what keys do. The table of keys is `keys.py`'s; each action there is a method here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from textual import work
from textual.events import Event
from textual.events import Key as KeyPress

from rubin.errors import RubinError
from rubin.model.batch import FlowBatch
from rubin.query.question import BY, SORTS
from rubin.ui.terminal import keys
from rubin.ui.terminal.answers import AnswersView
from rubin.ui.terminal.conversations import ConversationsView
from rubin.ui.terminal.details import json_of, uuid_of
from rubin.ui.terminal.flows_view import FlowsView
from rubin.ui.terminal.health import HealthView
from rubin.ui.terminal.picture import TITLES, Picture
from rubin.ui.terminal.screens import PageScreen, SecondKey
from rubin.ui.terminal.session import at_time, next_event, time_of
from rubin.ui.terminal.typed import Question, read
from rubin.ui.terminal.view import LineView
from rubin.words.terms import Term
from rubin.words.text import clean
from rubin.words.times import SECOND_NS

WEB = "http://127.0.0.1:12000"
"""Where `rubin ui` listens when it is told nothing else."""
_PATHS = {"conversations": "flows", "top": "services"}
"""Views that the browser has under another name."""


class TUI(Picture):
    """The picture, and the keys."""

    async def on_event(self, event: Event) -> None:
        """Keys act in the order in which they were pressed, however late they are read: each before the next one is
        given to whoever has the keys then. Textual gives away all that it has read, and only then looks what they do.
        """
        if isinstance(event, KeyPress) and not event.is_forwarded and len(self.screen_stack) == 1:
            action = keys.ACTIONS.get(event.key, "")
            if isinstance(self.focused, LineView) and action:
                await self.run_action(action)
                return
            if self.focused is self.filter_line and event.key in ("enter", "escape"):
                await self._typed()
                self.take_filter() if event.key == "enter" else self.close_filter()
                return
        await super().on_event(event)

    async def _typed(self) -> None:
        """When the filter line has taken all that was typed before."""
        done = asyncio.Event()
        self.filter_line.call_later(done.set)
        await done.wait()

    # --- moving

    @property
    def _lines(self) -> LineView:
        """Where the keys go: the open flow, while it has them, else the view."""
        details = self.details_view
        return details if details.has_focus else self.view

    def action_move(self, lines: int) -> None:
        """Up or down."""
        self._lines.choose(self._lines.chosen + lines)

    def action_page(self, pages: int) -> None:
        """Up or down by what is seen at once."""
        self._lines.choose(self._lines.chosen + pages * self._lines.page)

    def action_first(self) -> None:
        """To the first line."""
        self._lines.choose(0)

    def action_follow(self) -> None:
        """To the last line, and follow what comes."""
        lines = self._lines
        self.session.held = None
        if isinstance(lines, FlowsView):
            lines.go_on()
        elif isinstance(lines, ConversationsView):
            lines.is_following = True
            lines.changed()
        else:
            lines.choose(lines.count - 1)
        self._show_chosen()
        self.draw_bars()

    def action_pause(self) -> None:
        """Hold the picture, or let it go on."""
        if self.session.held is not None:
            self.give_keys_to(self.view)
            self.action_follow()
            return
        self.session.hold()
        self.flows_view.hold()
        self.draw_bars()

    def action_step(self, seconds: int) -> None:
        """To the flows of so many seconds later, or before."""
        view = self.view
        if not isinstance(view, FlowsView) or not view.count:
            return
        now_ns = time_of(view.matches, view.chosen)
        at = at_time(view.matches, now_ns + seconds * SECOND_NS)
        view.choose(min(at, view.chosen - 1) if seconds < 0 else at)

    def action_event(self, step: int) -> None:
        """To the next drop, error or loss, or the one before."""
        view = self.view
        if not isinstance(view, FlowsView):
            return
        found = next_event(view.matches, view.chosen, step)
        if found is None or found >= view.count:
            self.say(f"no drop, error or loss {'after' if step > 0 else 'before'} this line")
        else:
            view.choose(found)

    # --- views

    def action_go(self, name: str) -> None:
        """To another view."""
        self.action_close()
        self.show_view(name)

    def action_conversations(self) -> None:
        """Both directions of a connection as one line, and back."""
        self.action_go("flows" if self.shown == "conversations" else "conversations")

    def action_up(self) -> None:
        """Close what is open; then to the flows."""
        if self.details_view.display:
            self.action_close()
        elif self.shown != "flows":
            self.show_view("flows")

    def action_prefix(self, first: str) -> None:
        """Wait for the letter that says what."""
        self.push_screen(SecondKey(first, keys.SECOND[first]), self._after_prefix)

    async def _after_prefix(self, action: str | None) -> None:
        if action:
            await self.run_action(action)

    def action_help(self) -> None:
        """The keys."""
        self.push_screen(PageScreen("Keys", list(keys.help_lines())))

    def action_palette(self) -> None:
        """Find a command."""
        self.action_command_palette()

    def action_sort(self) -> None:
        """The next order."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        self.say(f"{self.sort} first")
        self.refresh_answer()

    def action_by(self) -> None:
        """Put together by another thing."""
        names = tuple(BY)
        self.by = names[(names.index(self.by) + 1) % len(names)]
        self.refresh_answer()
        self.draw_bars()

    # --- one line

    def on_line_view_moved(self, event: LineView.Moved) -> None:
        """The open flow is the chosen one."""
        if event.view is self.view:
            self._show_chosen()

    def on_line_view_opened(self, event: LineView.Opened) -> None:
        """As with Enter."""
        if event.view is self.view:
            self.action_open()

    def action_open(self) -> None:
        """The flow in full, or the flows behind a line."""
        view = self.view
        if isinstance(view, AnswersView):
            self._open_behind(view)
        elif view.count and not isinstance(view, HealthView):
            self.details_view.display = True
            view.choose(view.chosen)
            self.give_keys_to(self.details_view)
            self.say("j k choose a value; o: only such flows, x: none of them; h closes")

    def _open_behind(self, view: AnswersView) -> None:
        row = view.row()
        if row is None:
            return
        try:
            question = self.session.question.with_terms(view.table.terms(row))
        except RubinError:  # it does not go with what is asked for already
            question = Question().with_terms(view.table.terms(row))
        self.show_view("flows")
        self.ask_for(question)

    def action_close(self) -> None:
        """Close the open flow."""
        if self.details_view.display:
            self.details_view.display = False
            self.give_keys_to(self.view)

    def _show_chosen(self) -> None:
        if self.details_view.display:
            self.details_view.show(self._flow())

    def _flow(self) -> FlowBatch | None:
        """The chosen flow; None where the view has no flows."""
        view = self.view
        return view.flow() if isinstance(view, FlowsView | ConversationsView) else None

    def action_explain(self) -> None:
        """Why it ended as it did."""
        view, flow = self.view, self._flow()
        row = view.row() if isinstance(view, AnswersView) else None
        uuid = uuid_of(flow) if flow is not None else str(row.get("uuid", "")) if row else ""
        if uuid:
            self._explain(uuid)
        else:
            self.say("this line is no flow that can be explained: Enter shows the flows behind it")

    @work(exclusive=True, group="explain")
    async def _explain(self, uuid: str) -> None:
        try:
            found = await self.asking.explain(uuid)
        except RubinError as error:
            self.say(f"! {clean(error.sentence)}")
            return
        lines = [
            text
            for section in found["sections"]
            for text in (clean(section["title"]), *(f"  {clean(line)}" for line in section["lines"]), "")
        ]
        await self.push_screen(PageScreen(f"Why: {uuid}", lines))

    def action_request(self) -> None:
        """What was asked and answered, in full."""
        flow = self._flow()
        if flow is not None and uuid_of(flow):
            self._request(uuid_of(flow))
        else:
            self.say("this line is no flow: Enter shows the flows behind it")

    @work(exclusive=True, group="explain")
    async def _request(self, uuid: str) -> None:
        try:
            found = (await self.asking.exchanges(uuid))["exchanges"]
        except RubinError as error:
            self.say(f"! {clean(error.sentence)}")
            return
        if found:
            await self.push_screen(PageScreen(f"Request: {uuid}", self.outputs.exchanges(found).splitlines()))
        else:
            self.say("this flow is no request and no answer, or they are no longer held")

    # --- filters

    def action_filter(self) -> None:
        """Type another one."""
        line = self.filter_line
        self.show_filter_line(True)
        line.value = clean(self.session.question.chips) + (" " if self.session.question.chips else "")
        line.cursor_position = len(line.value)
        self.give_keys_to(line)

    def action_undo(self) -> None:
        """The filter before."""
        before = self.session.before
        if before:
            question = before.pop()
            self.session.question = question  # what is undone is not what comes before
            self.ask_for(question)
        else:
            self.say("there is no filter before this one")

    def action_abnormal(self) -> None:
        """Only what went wrong, or all again."""
        session = self.session
        self.ask_for(session.question, not session.abnormal)

    def action_only(self) -> None:
        """Only flows with the chosen value."""
        self._with_value(lambda term: term)

    def action_exclude(self) -> None:
        """No flows with the chosen value."""
        self._with_value(lambda term: Term(term.name, term.value, negated=True))

    def _with_value(self, change: Callable[[Term], Term]) -> None:
        if not self.details_view.has_focus:
            self.action_open()
            return
        term = self.details_view.term()
        if term is None:
            self.say("there is no filter for this value")
            return
        try:
            self.ask_for(self.session.question.with_terms([change(term)]))
        except RubinError as error:
            self.say(f"! {clean(error.sentence)}: {clean(error.way_on)}")

    def action_link(self, link: str) -> None:
        """Show what a link of the browser's shows."""
        parts = urlsplit(link.strip())
        try:
            question = read(link, self.feed.ring)
        except RubinError as error:
            self.say(f"! {clean(error.sentence)}")
            return
        name = parts.path.strip("/")
        self.action_go(name if name in TITLES else "flows")
        self.ask_for(question)

    def action_copy(self, what: str) -> None:
        """To the terminal's clipboard (OSC 52): the command, the link, the flow as JSON."""
        question = self.session.question
        path = _PATHS.get(self.shown, self.shown)
        flow = self._flow()
        text = {
            "command": self.command_line,
            "link": f"{WEB}/{path}{'?' + question.query if question.query else ''}",
            "json": json_of(flow) if flow is not None else "",
        }[what]
        if not text:
            self.say("no flow is chosen")
            return
        self.copy_to_clipboard(text)
        self.say(f"copied: {clean(text)}")
