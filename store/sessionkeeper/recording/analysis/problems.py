"""Finds the problems of sessions, from their states, their frames and their calls."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ...leases import RecorderState, describe_absence, recorder_state
from ...values.errors import SessionNotFound
from ...values.jsonrpc import MessageKind
from ...values.query import SessionOrder
from ...values.states import Direction, SessionState
from .call import Call, CallOutcome
from .every_session import every_session
from .facts import read_facts
from .hints import (
    GAP_HINT,
    GONE_HINT,
    ID_HINT,
    NO_ANSWER_HINT,
    NOTHING_HINT,
    REPEAT_HINT,
    TOOL_HINT,
    error_hint,
    odd_hint,
)
from .pairing import OddityKind, OpenCall, PairingOddity
from .parties import server_name
from .problem import Problem, ProblemKind
from .refusals import error_status, is_refused_offer
from .repeats import Repeats, Row
from .walking import Step, walk

if TYPE_CHECKING:
    from ...interface.atomic_store import AtomicSessionStore
    from ...values.message import Frame
    from ...values.query import SessionQuery
    from ...values.session import Session

__all__ = ["SLOW", "problems"]

SLOW = timedelta(seconds=10)
"""Answers that take longer are a problem, unless another limit is given."""


async def problems(
    store: AtomicSessionStore,
    sessions: Iterable[Session] | None = None,
    *,
    query: SessionQuery | None = None,
    slow: timedelta = SLOW,
    on_frames: Callable[[int], object] = lambda count: None,
) -> AsyncGenerator[Problem]:
    """Yield the problems of these sessions, or of all that match a query, the last used first.

    Those of one session come in the order in which they show in its log. Each log is read once, in
    pages; memory is bounded. A session that is deleted meanwhile is passed over. `on_frames` is
    called with the number of frames that were read since the last call.

    Not atomic. Raises `StoreUnavailable`, `StoreClosed`.
    """
    order = SessionOrder.LAST_ACTIVITY
    async for session in every_session(store, sessions, query=query, order=order):
        try:
            async for problem in _session_problems(store, session, slow, on_frames):
                yield problem
        except SessionNotFound:
            continue


async def _session_problems(
    store: AtomicSessionStore,
    session: Session,
    slow: timedelta,
    on_frames: Callable[[int], object],
) -> AsyncGenerator[Problem]:
    finder = _Finder(session, slow)
    for problem in finder.of_session():
        yield problem
    async for step in walk(store, session, on_oddity=finder.oddities.append, on_frames=on_frames):
        for problem in finder.of_step(step):
            yield problem
    for problem in finder.of_rows():
        yield problem


class _Finder:
    """The problems of one session."""

    def __init__(self, session: Session, slow: timedelta) -> None:
        self.oddities: list[PairingOddity] = []
        self._session = session
        self._server = server_name(session)
        self._slow = slow
        self._now = datetime.now(UTC)
        self._repeats = {side: Repeats() for side in Direction}

    def of_session(self) -> Iterator[Problem]:
        session, when = self._session, self._session.last_activity
        if session.state is SessionState.FAILED:
            text = session.failure or "it ended as failed, without a reason"
            yield self._problem(ProblemKind.SESSION_FAILED, text, session.ended_at or when)
        elif recorder_state(session) is RecorderState.GONE:
            yield self._problem(
                ProblemKind.RECORDER_GONE, describe_absence(session), when, hint=GONE_HINT
            )

    def of_step(self, step: Step) -> Iterator[Problem]:
        frame = step.frame
        if frame is not None:
            yield from self._of_bytes(frame)
            yield from self._of_oddities(frame)
        for call in step.calls:
            if call.is_over:
                yield from self._of_call(call)
            elif frame is not None and call.seq == frame.seq:
                yield from self._of_row(self._add(call, frame))

    def of_rows(self) -> Iterator[Problem]:
        for repeats in self._repeats.values():
            yield from self._of_row(repeats.finish())

    def _add(self, call: OpenCall, frame: Frame) -> Row | None:
        heads = [each for each in frame.envelope.heads() if each.id == call.request_id]
        return self._repeats[call.direction].add(call, heads[0] if heads else None)

    def _of_bytes(self, frame: Frame) -> Iterator[Problem]:
        envelope = frame.envelope
        if envelope.oddity is None or is_refused_offer(envelope):
            return
        when, reason = envelope.context.timestamp, envelope.oddity
        if envelope.kind is MessageKind.GAP:
            yield self._problem(ProblemKind.GAP, reason, when, frame.seq, hint=GAP_HINT)
            return
        from_server = envelope.context.direction is Direction.SERVER_TO_CLIENT
        text = f"the {'server' if from_server else 'client'} sent no message: {reason}"
        yield self._problem(
            ProblemKind.ODD_FRAME, text, when, frame.seq, hint=odd_hint(envelope.context)
        )

    def _of_oddities(self, frame: Frame) -> Iterator[Problem]:
        when = frame.envelope.context.timestamp
        for each in self.oddities:
            if each.kind is OddityKind.REFUSED:
                yield self._refusal(frame)
                continue
            shown = repr(each.request_id)[:_SHOWN_ID]
            if each.kind is OddityKind.ANSWER_TO_NOTHING:
                kind, hint = ProblemKind.ANSWER_TO_NOTHING, NOTHING_HINT
                text = f"an answer to no open request: id {shown}"
            else:
                kind, hint = ProblemKind.REPEATED_ID, ID_HINT
                text = f"the id {shown} was in flight already"
            yield self._problem(kind, text, when, each.seq, hint=hint)
        self.oddities.clear()

    def _refusal(self, frame: Frame) -> Problem:
        errors = [each for each in read_facts(frame.envelope) or () if each.is_error]
        # A batch may answer a request as well.
        error = min(errors, key=lambda each: each.id is not None, default=None)
        code = error_status(frame) if error is None else error.error_code
        said = f"HTTP {code}" if error is None else error.error_text
        when = frame.envelope.context.timestamp
        text, hint = _error_text(code, said), error_hint(code)
        return self._problem(ProblemKind.ERROR, text, when, frame.seq, hint=hint)

    def _of_call(self, call: OpenCall) -> Iterator[Problem]:
        if call.outcome is CallOutcome.RESULT and not self._is_slow(call):
            return
        seen = call.snapshot(self._session.id)
        when, seq = call.ended or call.started, call.response_seq
        said = seen.error_text
        if call.outcome is CallOutcome.ERROR:
            text, hint = _error_text(seen.error_code, said), error_hint(seen.error_code)
            yield self._problem(ProblemKind.ERROR, text, when, seq, hint=hint, call=seen)
        elif call.outcome is CallOutcome.TOOL_ERROR:
            text = f"isError: {said or 'without a text'}"
            yield self._problem(ProblemKind.TOOL_ERROR, text, when, seq, hint=TOOL_HINT, call=seen)
        elif call.outcome is CallOutcome.OPEN:
            yield from self._of_open(call)
        elif call.outcome is CallOutcome.UNANSWERED:
            yield self._problem(
                ProblemKind.UNANSWERED, _UNANSWERED, when, call.seq, hint=NO_ANSWER_HINT, call=seen
            )
        latency = seen.latency
        if latency is not None and self._is_slow(call):
            text = f"the answer took {latency.total_seconds():,.1f} s"
            yield self._problem(ProblemKind.SLOW, text, when, seq, call=seen)

    def _is_slow(self, call: OpenCall) -> bool:
        if call.ended is None or call.response_seq is None:
            return False
        return call.ended - call.started > self._slow

    def _of_open(self, call: OpenCall) -> Iterator[Problem]:
        waiting = self._now - call.started
        if waiting > self._slow:
            text = f"no answer for {waiting.total_seconds():,.0f} s, and the session is live"
            seen = call.snapshot(self._session.id)
            yield self._problem(
                ProblemKind.SLOW, text, call.started, call.seq, hint=NO_ANSWER_HINT, call=seen
            )

    def _of_row(self, row: Row | None) -> Iterator[Problem]:
        if row is None:
            return
        last = row.last.snapshot(self._session.id)
        text = f"the same request {row.count:,} times in a row, first in frame {row.first.seq}"
        yield self._problem(
            ProblemKind.REPEATED_CALL,
            text,
            last.started,
            last.request_seq,
            hint=REPEAT_HINT,
            call=last,
        )

    def _problem(
        self,
        kind: ProblemKind,
        text: str,
        when: datetime,
        seq: int | None = None,
        *,
        hint: str | None = None,
        call: Call | None = None,
    ) -> Problem:
        return Problem(
            kind=kind,
            session_id=self._session.id,
            seq=seq,
            time=when,
            server=self._server,
            text=text,
            hint=hint,
            call=call,
        )


def _error_text(code: int | None, said: str | None) -> str:
    return f"error{'' if code is None else f' {code}'}: {said or 'without a message'}"


_SHOWN_ID = 40
_UNANSWERED = "no answer before the session ended"
