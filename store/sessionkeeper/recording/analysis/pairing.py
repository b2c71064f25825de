"""Pairs requests with what became of them, frame by frame.

- An id belongs to one direction and keeps its type: 1 is not "1".
- If an id is in flight several times, a response in the stream of one of the requests answers that
  one. Any other answers the newest, so that a request that is never answered does not take the
  answers of those after it.
- The answer to a POST is never that to another POST, because clients of a server without sessions
  use the same ids.
- A server-sent event that is sent again after a lost connection is no second answer.

Source: JSON-RPC 2.0, sections 4 and 5; MCP 2025-11-25, "Cancellation", "Progress", "Resumability
and Redelivery".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

import msgspec

from ...values.message import Frame
from ...values.states import Direction
from .call import Call, CallId, CallOutcome
from .facts import MessageFacts, read_facts
from .refusals import error_status, has_refusal
from .replays import Replays

__all__ = [
    "MAX_OPEN",
    "OddityKind",
    "OpenCall",
    "Pairing",
    "PairingOddity",
    "is_another_post",
]

MAX_OPEN = 65_536
"""Calls without an answer that are kept at a time."""
K = TypeVar("K")

_POST = "POST-"
"""What the stream of an exchange begins with, in a recording of HTTP."""


class OddityKind(StrEnum):
    """What fits no call, as pairing sees it."""

    ANSWER_TO_NOTHING = "answer-to-nothing"
    """A response to no request, or to one that was answered before, and that is no refusal."""
    REPEATED_ID = "repeated-id"
    """A request with the id of one that has no answer yet."""
    REFUSED = "refused"
    """An error for what is no call: its id is null, or it came with an HTTP status."""


class PairingOddity(msgspec.Struct, frozen=True, gc=False):
    """Something in a log that belongs to no call as it should."""

    kind: OddityKind
    session_id: str
    seq: int
    """The number of its frame."""
    direction: Direction
    request_id: CallId | None


class OpenCall(msgspec.Struct, gc=False, eq=False):
    """A call that changes; `snapshot` makes a `Call` of it."""

    seq: int
    direction: Direction
    stream: str | None
    started: datetime
    request_id: CallId
    method: str
    facts: MessageFacts
    unseen: int
    """Frames in the direction of the answer, before the request, that could not be read."""
    progress: int = 0
    ended: datetime | None = None
    outcome: CallOutcome = CallOutcome.OPEN
    response_seq: int | None = None
    answer: MessageFacts | None = None
    is_over: bool = False
    """Whether it cannot change any more."""

    def snapshot(self, session_id: str) -> Call:
        """Return it as it is now."""
        facts, answer = self.facts, self.answer
        return Call(
            session_id=session_id,
            direction=self.direction,
            request_id=self.request_id,
            method=self.method,
            name=facts.name,
            request_seq=self.seq,
            response_seq=self.response_seq,
            started=self.started,
            ended=self.ended,
            request_bytes=facts.size,
            response_bytes=None if answer is None else answer.size,
            outcome=self.outcome,
            error_code=None if answer is None else answer.error_code,
            error_text=None if answer is None else answer.error_text,
            progress=self.progress,
            stream=self.stream,
        )


class _Side:
    """The calls of one side."""

    def __init__(self) -> None:
        self.by_id: dict[CallId, list[OpenCall]] = {}
        self.by_token: dict[CallId, OpenCall] = {}
        self.seen = False
        """Whether a frame of this side was seen."""
        self.unseen = 0
        """Number of its frames that could not be read."""


class Pairing:
    """The calls of one session that have no answer yet. Memory is bounded.

    Feed it with the frames of a log in order, from any number on.
    """

    def __init__(
        self,
        session_id: str,
        *,
        max_open: int = MAX_OPEN,
        on_oddity: Callable[[PairingOddity], object] | None = None,
    ) -> None:
        self._session_id = session_id
        self._max_open = max_open
        self._on_oddity = on_oddity
        self._client, self._server = _Side(), _Side()
        self._open: dict[OpenCall, None] = {}
        self._by_stream: dict[str, list[OpenCall]] = {}
        self._replays = Replays()
        self._fed = False
        self._is_whole = True
        """Whether the log was read from its first frame on."""

    def feed(self, frame: Frame) -> list[OpenCall]:
        """Take the next frame; return the calls that are new or have changed."""
        envelope = frame.envelope
        context = envelope.context
        if not self._fed:
            self._fed, self._is_whole = True, frame.seq == 1
        to_server = context.direction is Direction.CLIENT_TO_SERVER
        own, other = (self._client, self._server) if to_server else (self._server, self._client)
        own.seen = True
        replayed = self._replays.note(envelope)
        several = read_facts(envelope)
        if several is None:
            own.unseen += 1
            several = ()
        touched: list[OpenCall] = []
        for facts in several:
            if facts.method is None:
                touched.extend(self._answer(frame, facts, own, other, replayed=replayed))
            elif replayed:
                continue
            elif facts.id is not None:
                call = OpenCall(
                    frame.seq,
                    context.direction,
                    context.stream,
                    context.timestamp,
                    facts.id,
                    facts.method,
                    facts,
                    other.unseen,
                )
                touched.extend(self._ask(frame, call, own))
            elif facts.token is not None:
                touched.extend(_note_progress(other, facts.token))
            elif facts.cancels is not None:
                touched.extend(_cancel(own, facts.cancels, context.timestamp))
        failed = () if to_server else self._fail_by_status(frame, several)
        # An error without an id is that of the calls which it ended.
        if not failed and not replayed and has_refusal(frame, several, answers=bool(touched)):
            self._report(OddityKind.REFUSED, frame, None)
        touched.extend(failed)
        return touched

    def open_calls(self) -> list[OpenCall]:
        """Return the calls that are neither answered nor cancelled, in order."""
        return [call for call in self._open if call.outcome is CallOutcome.OPEN]

    def finish(self, *, ended: bool) -> list[OpenCall]:
        """Return the calls without an answer, also the cancelled ones, and forget them."""
        left = list(self._open)
        for call in left:
            self._forget(call)
            if ended or call.outcome is CallOutcome.CANCELLED:
                self._give_up(call)
        return left

    def _ask(self, frame: Frame, call: OpenCall, own: _Side) -> Iterable[OpenCall]:
        same = own.by_id.setdefault(call.request_id, [])
        if any(each.outcome is CallOutcome.OPEN for each in same):
            self._report(OddityKind.REPEATED_ID, frame, call.request_id)
        same.append(call)
        token = call.facts.token
        if token is not None:
            own.by_token[token] = call
        if call.stream is not None:
            self._by_stream.setdefault(call.stream, []).append(call)
        self._open[call] = None
        if len(self._open) <= self._max_open:
            return (call,)
        oldest = next(iter(self._open))
        self._forget(oldest)
        self._give_up(oldest, certain=False)
        return (oldest, call)

    def _answer(
        self, frame: Frame, facts: MessageFacts, own: _Side, other: _Side, *, replayed: bool
    ) -> Iterable[OpenCall]:
        stream = frame.envelope.context.stream
        waiting = () if facts.id is None else other.by_id.get(facts.id, ())
        call = _answered(waiting, stream, own is self._server)
        if call is None or (replayed and call.stream != stream):
            might_exist = not self._is_whole or other.unseen or not other.seen
            is_refusal = facts.is_error and error_status(frame) is not None
            if facts.id is not None and not (replayed or might_exist or is_refusal):
                self._report(OddityKind.ANSWER_TO_NOTHING, frame, facts.id)
            return ()
        self._settle(call, frame, facts)
        return (call,)

    def _settle(self, call: OpenCall, frame: Frame, facts: MessageFacts) -> None:
        self._forget(call)
        call.response_seq, call.answer = frame.seq, facts
        if call.outcome is CallOutcome.CANCELLED:
            return
        call.ended = frame.envelope.context.timestamp
        if facts.is_error:
            call.outcome = CallOutcome.ERROR
        else:
            call.outcome = CallOutcome.TOOL_ERROR if facts.is_tool_error else CallOutcome.RESULT

    def _fail_by_status(self, frame: Frame, several: Sequence[MessageFacts]) -> Sequence[OpenCall]:
        """End the calls of a stream that got an HTTP error without a response of their own."""
        status, stream = error_status(frame), frame.envelope.context.stream
        if status is None or stream is None or not all(each.is_error for each in several):
            return ()
        calls = [
            call
            for call in self._by_stream.get(stream, ())
            if call.direction is Direction.CLIENT_TO_SERVER
        ]
        if calls:
            # An error whose id is null, because the server could not read the request.
            facts = next((each for each in several if each.is_error), None)
            if facts is None:
                size = len(frame.envelope.message)
                facts = MessageFacts(
                    size, is_error=True, error_code=status, error_text=f"HTTP {status}"
                )
            for call in calls:
                self._settle(call, frame, facts)
        return calls

    def _forget(self, call: OpenCall) -> None:
        side = self._client if call.direction is Direction.CLIENT_TO_SERVER else self._server
        call.is_over = True
        del self._open[call]
        _take_out(side.by_id, call.request_id, call)
        if call.stream is not None:
            _take_out(self._by_stream, call.stream, call)
        token = call.facts.token
        if token is not None and side.by_token.get(token) is call:
            del side.by_token[token]

    def _give_up(self, call: OpenCall, *, certain: bool = True) -> None:
        if call.outcome is CallOutcome.CANCELLED:
            return
        to_server = call.direction is Direction.CLIENT_TO_SERVER
        unseen = (self._server if to_server else self._client).unseen
        certain = certain and call.unseen == unseen
        call.outcome = CallOutcome.UNANSWERED if certain else CallOutcome.UNKNOWN

    def _report(self, kind: OddityKind, frame: Frame, request_id: CallId | None) -> None:
        if self._on_oddity is not None:
            direction = frame.envelope.context.direction
            self._on_oddity(PairingOddity(kind, self._session_id, frame.seq, direction, request_id))


def _answered(waiting: Sequence[OpenCall], stream: str | None, by_server: bool) -> OpenCall | None:
    """Return which of the calls with an id is answered in a stream, if any is."""
    newest: OpenCall | None = None
    for call in reversed(waiting):
        if stream is not None and call.stream == stream:
            return call
        if newest is None and not (by_server and is_another_post(stream, call.stream)):
            newest = call
    return newest


def is_another_post(stream: str | None, request_stream: str | None) -> bool:
    """Whether an answer of the server in a stream cannot be that to a request in another one."""
    return (
        stream is not None
        and request_stream is not None
        and stream != request_stream
        and stream.startswith(_POST)
        and request_stream.startswith(_POST)
    )


def _note_progress(side: _Side, token: CallId) -> Iterable[OpenCall]:
    call = side.by_token.get(token)
    if call is None:
        return ()
    call.progress += 1
    return (call,)


def _cancel(side: _Side, request_id: CallId, timestamp: datetime) -> Iterable[OpenCall]:
    for call in reversed(side.by_id.get(request_id, ())):
        # `initialize` must not be cancelled.
        if call.outcome is CallOutcome.OPEN and call.method != "initialize":
            call.outcome, call.ended = CallOutcome.CANCELLED, timestamp
            return (call,)
    return ()


def _take_out(groups: dict[K, list[OpenCall]], key: K, call: OpenCall) -> None:
    calls = groups[key]
    if len(calls) == 1:
        del groups[key]
    else:
        calls.remove(call)
