"""One message as a line of a conversation: what it says, and what it has to do with its call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..printing import styled
from ..recording.analysis import Call, CallOutcome, CallTracker
from ..values.jsonrpc import MessageKind
from ..values.message import Frame
from .call_text import style_call
from .quantities import format_duration
from .screen import join
from .summaries import Summary, summarize

if TYPE_CHECKING:
    from rich.text import Text  # noqa: TID251 - as a type

__all__ = ["Message", "read_messages"]

_ANSWERS = (MessageKind.RESULT, MessageKind.ERROR)
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Message:
    """A message, and the call that it opened or changed."""

    frame: Frame
    summary: Summary
    call: Call | None
    """As it is after this message. None for a notification of its own, an answer to nothing, and a
    frame that is no message."""

    @property
    def opens(self) -> bool:
        """Whether it is a request."""
        return self.summary.kind is MessageKind.REQUEST

    @property
    def answers(self) -> bool:
        """Whether it is a result or an error; of HTTP also a body that is no message."""
        if self.summary.kind in _ANSWERS:
            return True
        return self.call is not None and self.call.response_seq == self.frame.seq

    def describe(self, *, below: bool = False) -> Text:
        """Return what it says: of an answer also the call and the latency, unless `below` it."""
        if not self.answers or below:
            return self._describe_content()
        return join(*(join(part, _GAP) for part in self._describe_call()), self._describe_content())

    def _describe_call(self) -> Iterable[Text]:
        call = self.call
        if call is None:
            yield styled("answer to no request seen here", "yellow")
            return
        yield style_call(call.method, call.name)
        if call.latency is not None:
            yield styled(format_duration(call.latency), "dim")

    def _describe_content(self) -> Text:
        summary, call = self.summary, self.call
        if summary.kind is MessageKind.REQUEST:
            text = style_call(summary.head, summary.name)
        elif summary.kind is MessageKind.NOTIFICATION:
            text = styled(summary.head, "blue")
        elif self.answers:
            return self._describe_answer()
        elif summary.kind is MessageKind.OPAQUE and summary.head:
            text = styled(summary.head, "dim")
        else:
            return styled(summary.body, "dim" if summary.kind is MessageKind.REMOVED else "yellow")
        if summary.kind is MessageKind.NOTIFICATION and call is not None and call.name:
            text = join(text, styled(f" {call.name}", "cyan"))
        return join(text, _GAP, summary.body) if summary.body else text

    def _describe_answer(self) -> Text:
        body, call = self.summary.body, self.call
        if self.summary.kind is not MessageKind.RESULT:
            return styled(body, "red")
        if call is not None and call.outcome is CallOutcome.TOOL_ERROR:
            return styled(f"tool error: {body}", "red")
        if call is not None and call.outcome is CallOutcome.CANCELLED:
            return styled(f"after it was cancelled: {body}", "yellow")
        return styled(body)


def read_messages(frame: Frame, tracker: CallTracker) -> list[Message]:
    """Return the messages of a frame, which is fed to the tracker."""
    changed = tracker.feed(frame)
    opened = iter([call for call in changed if call.request_seq == frame.seq])
    answered = [call for call in changed if call.response_seq == frame.seq]
    others = [call for call in changed if frame.seq not in (call.request_seq, call.response_seq)]
    summaries = summarize(frame.envelope)
    # Of a batch, nobody can tell which of its answers is the one to nothing.
    answers = sum(each.kind in _ANSWERS for each in summaries)
    known = iter(answered if len(answered) == answers else ())
    found: list[Message] = []
    for summary in summaries:
        if summary.kind is MessageKind.REQUEST:
            call = next(opened, None)
        elif summary.kind in _ANSWERS:
            call = next(known, None)
        else:
            changing = others or answered
            call = changing[0] if len(changing) == len(summaries) == 1 else None
        found.append(Message(frame, summary, call))
    return found
