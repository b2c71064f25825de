"""A conversation to read: an answer is below its request, with the time it took.

Frames are read in pages. What answers a request of an earlier page stands where it was sent, and
names its call.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from ..printing import styled
from ..recording.analysis import Call, CallOutcome, CallTracker
from ..values.message import Frame
from ..values.session import Session
from .call_text import ARROW_STYLES, OUTCOME_STYLES, describe_outcome
from .frame_text import ARROWS
from .messages import Message, read_messages
from .quantities import format_duration
from .screen import Screen, join
from .summaries import STDERR

if TYPE_CHECKING:
    from rich.text import Text  # noqa: TID251 - as a type

__all__ = ["Conversation"]

_NARROW = 60
"""Cells below which the times are left out."""
_TIME = len("HH:MM:SS.mmm")


class Conversation:
    """Prints the messages of one session."""

    def __init__(self, screen: Screen, session: Session) -> None:
        self._screen = screen
        self._tracker = CallTracker(session.id)
        self._ended = session.state.is_terminal
        self._digits = len(f"{session.last_seq}")
        self._timed = screen.width is None or screen.width >= _NARROW
        self._day: date | None = None

    def pass_over(self, frames: Sequence[Frame]) -> None:
        """Read frames before those that are printed, to know the calls that they opened."""
        for frame in frames:
            self._tracker.feed(frame)

    def print(self, frames: Sequence[Frame], *, last: bool) -> None:
        """Print a page of frames; after the last one, what was not answered. Raises `OSError`."""
        told: dict[int, list[Message]] = {}
        below: dict[int, list[Message]] = {}
        for frame in frames:
            for message in read_messages(frame, self._tracker):
                call = message.call
                if call is not None and not message.opens and call.request_seq in told:
                    below.setdefault(call.request_seq, []).append(message)
                else:
                    told.setdefault(frame.seq, []).append(message)
        left: dict[int, list[Call]] = {}
        if last:
            for call in self._tracker.finish() if self._ended else self._tracker.open():
                if call.outcome is not CallOutcome.CANCELLED:  # that is below it already
                    left.setdefault(call.request_seq, []).append(call)
        for seq, messages in told.items():
            for message in messages:
                self._print_message(message)
            for message in below.get(seq, ()):
                self._print_below(message)
            for call in left.get(seq, ()):
                self._print_outcome(call)

    def _print_message(self, message: Message) -> None:
        context = message.frame.envelope.context
        if context.timestamp.date() != self._day:
            self._day = context.timestamp.date()
            if self._timed:
                self._screen.print(styled(f"{'':{self._digits}}  {self._day} UTC", "dim"))
        time = _format_time(context.timestamp)
        self._print_line(message.frame.seq, time, self._arrow(message), message.describe())

    def _print_below(self, message: Message) -> None:
        time = ""
        if message.call is not None:
            since = message.frame.envelope.context.timestamp - message.call.started
            time = f"+{format_duration(max(since, timedelta()))}"
        arrow = join("  ", self._arrow(message))
        self._print_line(message.frame.seq, time, arrow, message.describe(below=True))

    def _print_outcome(self, call: Call) -> None:
        text = styled(describe_outcome(call), OUTCOME_STYLES[call.outcome])
        self._print_line(None, "", styled("  ✗" if self._ended else "  …"), text)

    def _arrow(self, message: Message) -> Text:
        context = message.frame.envelope.context
        if context.stream == STDERR:
            return styled("!", "dim")
        return styled(ARROWS[context.direction], ARROW_STYLES[context.direction])

    def _print_line(self, seq: int | None, time: str, arrow: Text, text: Text) -> None:
        number = "" if seq is None else seq
        place = f"{number:>{self._digits}}"
        if self._timed:
            place = f"{place}  {time:>{_TIME}}"
        line = join(styled(place, "dim"), " ", arrow, " ", text)
        self._screen.print(self._screen.fit(line))


def _format_time(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}"
